"""The door for an interpreter under the floor: Python 2.7 and 3.3 to 3.9, standard library only.

Where an install of imjoy is ready, that one goes on in this process's place. Else a Python that is good enough is found
or fetched, and the planner of every install (``imjoy.provision.main``) makes one with it. Nothing is planned, locked,
changed or undone in here. It imports nothing of ours but the facts in ``imjoy/__init__.py``, because nothing else
parses here. ``road`` is where it begins.
"""
