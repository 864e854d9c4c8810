"""imjoy: installs, starts and repairs the ImJoy Plugin Engine.

Holds the facts that every Python must be able to read, Python 2.7 and ``setup.py`` included, and nothing else.
"""

__version__ = "0.12.0"

#: The oldest Python that runs imjoy; anything older takes the way in ``imjoy.legacy``.
FLOOR = (3, 10)

#: The oldest Python that plans and carries out an install: ``imjoy.provision`` with the standard library alone.
PLANNER_FLOOR = (3, 9)

#: The project's home: a git repository, and on the same address a page for people.
PROJECT_URL = "https://github.com/oeway/ImJoy-Engine"
