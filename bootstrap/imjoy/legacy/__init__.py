"""``imjoy`` on a Python that is too old to run it: 2.7 and 3.3 to 3.9, standard library only.

Where an install of imjoy is ready, that one goes on in this process's place. Else it hands over to ``install.sh`` or
``install.ps1`` among the sources that it carries: nothing is planned, locked, changed or undone in here. It imports
only the facts in ``imjoy/__init__.py``, because nothing else of ours parses here. ``bootstrap`` is where it begins.
"""
