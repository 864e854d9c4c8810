"""The road for an interpreter under the floor: Python 2.7 and 3.3 to 3.9, standard library only.

It has a conda of this machine make the environment ``imjoy``, installs there the very imjoy that is running, and lets
that one go on in its place. It imports nothing of ours but the facts in ``imjoy/__init__.py``, because nothing else
parses here. ``road`` is where it begins.
"""
