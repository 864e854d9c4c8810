"""What there is on the disk: the install of imjoy, and the imjoy that is running. Looked at without calling anything.

Every start comes by here, so it imports little.
"""

import glob
import hashlib
import json
import os
import re
import sys

from imjoy import PROJECT_URL

if False:
    from typing import Any, Mapping  # noqa: F401 - Python 2.7 has no typing

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PREFIX_NAME = "ImJoyApp"
OWN_FOLDER = ".imjoy"
#: Which imjoy of an old Python was installed there last. An upgrade in the install itself leaves it alone.
ORIGIN = "origin"


class Running(object):
    """The imjoy that runs here: ``place`` is where a later upgrade finds it, ``id`` differs when its content does.

    ``packed`` is the archive of its sources that ``setup.py`` put beside it, empty in a checkout; ``commit`` what pip
    recorded, if it did.
    """

    def __init__(self, place, id, packed="", commit=""):
        # type: (str, str, str, str) -> None
        self.place = place
        self.id = id
        self.packed = packed
        self.commit = commit


def find_running(package=PACKAGE):
    # type: (str) -> Running
    """Return the checkout that ``package`` lies in, else the sources that it carries and where pip had them from.

    pip before 20.1 records nothing, and a folder has moved on since it was installed from.
    """
    checkout = os.path.dirname(os.path.dirname(package))
    if os.path.isfile(os.path.join(checkout, "pyproject.toml")):
        return Running(checkout, "folder:" + checkout)
    packed = sorted(glob.glob(os.path.join(package, "legacy", "imjoy-*.zip")))[-1]
    noted = _noted_by_pip(package)
    url, vcs = _native(noted.get("url", "")), noted.get("vcs_info", {})
    if vcs:
        commit, ref = _native(vcs["commit_id"]), _native(vcs.get("requested_revision") or "")
        place = "git+{0}@{1}".format(url, ref) if ref else "git+" + url
        return Running(place, "commit:" + commit, packed, commit)
    with open(packed, "rb") as archive:
        id = "sources:" + hashlib.sha256(archive.read()).hexdigest()
    return Running(_path_of(url) if url.startswith("file:") else "git+" + PROJECT_URL, id, packed)


def find_prefix(environ):
    # type: (Mapping[str, str]) -> str
    """Return where imjoy is, or is to be, installed."""
    return os.path.abspath(os.path.expanduser(environ.get("IMJOY_PREFIX") or os.path.join("~", PREFIX_NAME)))


def interpreter(prefix):
    # type: (str) -> str
    """Return the Python of an install."""
    if sys.platform != "win32":
        return os.path.join(prefix, "bin", "python")
    inside = os.path.join(prefix, "Scripts", "python.exe")
    return inside if os.path.isfile(inside) else os.path.join(prefix, "python.exe")


def is_ready(prefix, running):
    # type: (str, Running | None) -> bool
    """Whether an install is finished and whole, and has the imjoy that runs here, or what it became by an upgrade.

    Without ``running`` any imjoy will do. Where a newer Python installed it, it is never brought back to this one.
    """
    own = os.path.join(prefix, OWN_FOLDER)
    folder, name = os.path.split(os.path.realpath(prefix))
    states = [os.path.join(folder, ".{0}.imjoy".format(name)), os.path.join(own, "state")]
    # The mark of imjoy 0.12 lies inside.
    marks = [os.path.join(each, "record.json") for each in states] + [os.path.join(own, "incomplete")]
    if any(map(os.path.exists, marks)) or not os.path.isfile(os.path.join(own, "receipt.json")):
        return False
    origin = "".join(_lines_of(os.path.join(own, ORIGIN)))
    return (running is None or origin in ("", running.id)) and _is_whole(prefix)


def note_origin(prefix, running):
    # type: (str, Running) -> None
    """Write down which imjoy of an old Python was installed there."""
    with open(os.path.join(prefix, OWN_FOLDER, ORIGIN), "w") as file:
        file.write(running.id + "\n")


def unpack(running, folder):
    # type: (Running, str) -> tuple[str, dict[str, str]]
    """Have the sources in ``folder``; return where they are then, and what the planner is told of them."""
    if not running.packed:
        return running.place, {}
    # Imported here, as each start comes by, and these take longer than all the rest.
    import shutil
    import zipfile

    # As a forge's archive of the commit: that says in its comment which one it is.
    archive = os.path.join(folder, "imjoy.zip")
    shutil.copyfile(running.packed, archive)
    with zipfile.ZipFile(archive, "a") as sources:
        sources.comment = running.commit.encode("ascii")
        sources.extractall(folder)
        [top] = {name.split("/")[0] for name in sources.namelist()}
    source = os.path.join(folder, top)
    return source, {"IMJOY_DOOR_SOURCE": source, "IMJOY_DOOR_ARCHIVE": archive}


def _is_whole(prefix):
    # type: (str) -> bool
    """Whether the Python of an install is there, and every file of imjoy and of what it always needs."""
    records = glob.glob(os.path.join(prefix, "conda-meta", "python-[0-9]*.json"))
    python = interpreter(prefix)
    if not os.path.exists(python) or not all(_conda_files_there(prefix, each) for each in records):
        return False
    sites = glob.glob(os.path.join(prefix, "lib", "python3*", "site-packages"))
    for site in sites + glob.glob(os.path.join(prefix, "Lib", "site-packages")):
        infos = {_spelt(name.split("-")[0]): name for name in os.listdir(site) if name.endswith(".dist-info")}
        if "imjoy" in infos:
            needed = {"imjoy"}
            for line in _lines_of(os.path.join(site, infos["imjoy"], "METADATA")):
                if line.startswith("Requires-Dist: ") and ";" not in line:
                    needed.add(_spelt(re.split("[^A-Za-z0-9._-]", line[15:])[0]))
            return needed <= set(infos) and all(_pip_files_there(site, infos[name]) for name in needed)
    return False


def _conda_files_there(prefix, record):
    # type: (str, str) -> bool
    try:
        with open(record) as stream:
            files = json.load(stream)["files"]
    except (IOError, ValueError, KeyError):
        return False
    return all(os.path.lexists(os.path.join(prefix, _native(file))) for file in files)


def _pip_files_there(site, info):
    # type: (str, str) -> bool
    files = [line.rsplit(",", 2)[0].strip('"') for line in _lines_of(os.path.join(site, info, "RECORD"))]
    return bool(files) and all(
        os.path.lexists(os.path.join(site, each)) for each in files if each[-4:] != ".pyc"
    )


def _noted_by_pip(package):
    # type: (str) -> dict[str, Any]
    """Return what pip noted of where it had imjoy from (PEP 610), or nothing."""
    for file in glob.glob(os.path.join(os.path.dirname(package), "imjoy-*.dist-info", "direct_url.json")):
        with open(file) as stream:
            return dict(json.load(stream))
    return {}


def _path_of(url):
    # type: (str) -> str
    try:
        from urllib.parse import urlsplit
        from urllib.request import url2pathname
    except ImportError:
        from urllib import url2pathname  # type: ignore[attr-defined,no-redef]

        from urlparse import urlsplit  # type: ignore[import-not-found,no-redef]
    return str(url2pathname(urlsplit(url).path))


def _spelt(name):
    # type: (str) -> str
    return re.sub("[-_.]+", "-", name).lower()


def _native(text):
    # type: (Any) -> str
    """Return a text that came out of JSON as the running Python writes paths: bytes on 2.7, characters from 3 on."""
    return text if isinstance(text, str) else text.encode(sys.getfilesystemencoding() or "utf-8")


def _lines_of(file):
    # type: (str) -> list[str]
    """Return the lines of a UTF-8 file in that form; none where there is no file."""
    try:
        with open(file, "rb") as stream:
            content = stream.read()
    except (IOError, OSError):
        return []
    text = content if sys.version_info[0] == 2 else content.decode("utf-8", "replace")
    return [str(line) for line in text.splitlines()]
