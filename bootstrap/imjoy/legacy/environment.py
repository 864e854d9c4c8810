"""The environment ``imjoy`` on the disk: where it is, whose it is, whether it is whole. Looks only, calls nothing.

What says that it is ours lies in its folder ``.imjoy``, as in every prefix that imjoy makes: ``receipt.json`` once it
is whole, ``incomplete`` while somebody is at work.
"""

import glob
import json
import os
import re
import sys

from imjoy.legacy.running import Running  # noqa: F401 - in type comments
from imjoy.legacy.texts import lines_of, native

NAME = "imjoy"
OWN_FOLDER = ".imjoy"
RECEIPT = "receipt.json"
INCOMPLETE = "incomplete"
#: The kind of install in a receipt: an environment that a conda of this machine made.
DISTRIBUTION = "existing"
#: Which imjoy of an old Python was installed there last. An upgrade in the environment itself leaves it alone.
ORIGIN = "origin"
UNFINISHED = "unfinished"
INTERRUPTED = "interrupted"


def interpreter(prefix):
    # type: (str) -> str
    """Return the Python of an environment that conda made."""
    return os.path.join(prefix, "python.exe" if sys.platform == "win32" else os.path.join("bin", "python"))


def own_file(prefix, name):
    # type: (str, str) -> str
    """Return the path of a file in our own folder of a prefix."""
    return os.path.join(prefix, OWN_FOLDER, name)


def standing(prefix):
    # type: (str) -> str
    """Return whose a prefix is: ``new`` (or empty), ``unfinished`` or ``interrupted``, ``ours``, ``foreign``."""
    marker = own_file(prefix, INCOMPLETE)
    if os.path.isfile(marker):
        with open(marker) as stream:
            return INTERRUPTED if stream.readline().strip() == INTERRUPTED else UNFINISHED
    if os.path.isfile(own_file(prefix, RECEIPT)):
        return "ours"
    inside = os.listdir(prefix) if os.path.isdir(prefix) else []
    return "foreign" if set(inside) - {OWN_FOLDER} or os.path.isfile(prefix) else "new"


def find_ours(environ, commands):
    # type: (dict[str, str], list[str]) -> str
    """Return the environment that is ours, finished or not, or an empty string; ``commands`` are the condas.

    It is where IMJOY_PREFIX says, else in what conda lists in ``~/.conda/environments.txt``, else beside a conda.
    """
    if environ.get("IMJOY_PREFIX"):
        places = [os.path.abspath(os.path.expanduser(environ["IMJOY_PREFIX"]))]
    else:
        places = _known_to_conda()
        places += [os.path.join(os.path.dirname(os.path.dirname(each)), "envs", NAME) for each in commands]
        places += [os.path.join(os.path.expanduser("~"), ".conda", "envs", NAME)]
    for place in places:
        if standing(place) not in ("new", "foreign"):
            return place
    return ""


def receipt(prefix):
    # type: (str) -> dict[str, str]
    """Return what was written down when the install there was whole, or nothing."""
    try:
        with open(own_file(prefix, RECEIPT)) as stream:
            return dict(json.load(stream))
    except (IOError, ValueError, TypeError):
        return {}


def origin(prefix):
    # type: (str) -> str
    """Return the id of the imjoy that an old Python installed there, or nothing where none did."""
    try:
        return "".join(lines_of(own_file(prefix, ORIGIN)))
    except IOError:
        return ""


def python_whole(prefix):
    # type: (str) -> bool
    """Whether every file is there that conda put there for Python."""
    records = glob.glob(os.path.join(prefix, "conda-meta", "python-[0-9]*.json"))
    return os.access(interpreter(prefix), os.X_OK) and bool(records) and all(map(_conda_files_there, records))


def imjoy_whole(prefix):
    # type: (str) -> bool
    """Whether every file is there of imjoy and of what it requires; what people add is not looked at."""
    sites = glob.glob(os.path.join(prefix, "lib", "python3*", "site-packages"))
    for site in sites + glob.glob(os.path.join(prefix, "Lib", "site-packages")):
        infos = dict(_distributions(site))
        if "imjoy" in infos:
            needed = _required(os.path.join(infos["imjoy"], "METADATA"))
            return needed <= set(infos) and all(_pip_files_there(infos[name]) for name in needed | {"imjoy"})
    return False


def _distributions(site):
    # type: (str) -> list[tuple[str, str]]
    """Return the distributions in a folder: their names in one spelling, and where what is known of them lies."""
    found = [name for name in os.listdir(site) if name.endswith(".dist-info")]
    return [(_one_spelling(name.split("-")[0]), os.path.join(site, name)) for name in found]


def _required(metadata):
    # type: (str) -> set[str]
    """Return what a distribution requires on every system and in every case."""
    try:
        words = [line.partition(": ") for line in lines_of(metadata)]
    except IOError:
        return set()
    always = [text for name, _, text in words if name == "Requires-Dist" and ";" not in text]
    return {_one_spelling(re.split("[^A-Za-z0-9._-]", text)[0]) for text in always}


def _one_spelling(name):
    # type: (str) -> str
    return re.sub("[-_.]+", "-", name).lower()


def is_ready(prefix, running):
    # type: (str, Running) -> bool
    """Whether a prefix is ours, whole, and has the imjoy that runs here, or what it became by an upgrade."""
    if standing(prefix) != "ours":
        return False
    if receipt(prefix).get("distribution") != DISTRIBUTION:
        # IMJOY_PREFIX names an install of another kind, which `imjoy install` looks after.
        return os.access(interpreter(prefix), os.X_OK)
    same = origin(prefix) in ("", running.id)
    return same and python_whole(prefix) and imjoy_whole(prefix)


def _conda_files_there(record):
    # type: (str) -> bool
    prefix = os.path.dirname(os.path.dirname(record))
    try:
        with open(record) as stream:
            files = json.load(stream)["files"]
    except (IOError, ValueError, KeyError):
        return False
    return all(os.path.lexists(os.path.join(prefix, native(file))) for file in files)


def _pip_files_there(info):
    # type: (str) -> bool
    site = os.path.dirname(info)
    try:
        lines = lines_of(os.path.join(info, "RECORD"))
    except IOError:
        return False
    files = [line.rsplit(",", 2)[0].strip('"') for line in lines]
    return all(os.path.lexists(os.path.join(site, file)) for file in files if not file.endswith(".pyc"))


def _known_to_conda():
    # type: () -> list[str]
    try:
        places = lines_of(os.path.join(os.path.expanduser("~"), ".conda", "environments.txt"))
    except IOError:
        return []
    return [place for place in places if os.path.basename(place) == NAME]
