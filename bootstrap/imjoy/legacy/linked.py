"""What ``imjoy install`` does too with a conda that is here: ``~/ImJoyApp`` is a link to its environment."""

import os
import sys

from imjoy.legacy import environment

PREFIX_NAME = "ImJoyApp"


def home_link():
    # type: () -> str
    """Return the prefix that people know."""
    return os.path.join(os.path.expanduser("~"), PREFIX_NAME)


def link_home(prefix, environ):
    # type: (str, dict[str, str]) -> None
    """Have ``~/ImJoyApp`` name the environment, unless something is there, or IMJOY_PREFIX has named the place."""
    link = home_link()
    if sys.platform == "win32" or environ.get("IMJOY_PREFIX"):
        return
    if os.path.islink(link) and not os.path.exists(link) and _names_ours(os.readlink(link)):
        os.remove(link)
    if not os.path.lexists(link):
        os.symlink(prefix, link)


def link_conda(prefix, conda):
    # type: (str, str) -> None
    """Put a ``conda`` beside the environment's Python: a script, as conda finds its own root from where it lies."""
    command = os.path.join(prefix, "bin", "conda")
    if sys.platform != "win32" and not os.path.lexists(command):
        with open(command, "w") as script:
            script.write('#!/bin/sh\nexec "{0}" "$@"\n'.format(conda))
        os.chmod(command, 0o755)


def is_known_by_home(prefix):
    # type: (str) -> bool
    """Whether ``~/ImJoyApp`` leads to the environment."""
    return os.path.realpath(home_link()) == os.path.realpath(prefix)


def _names_ours(target):
    # type: (str) -> bool
    return os.path.basename(target) == environment.NAME
