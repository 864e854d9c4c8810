"""Which imjoy is running here: so that the same is installed into the environment, and a newer one noticed."""

import glob
import hashlib
import json
import os

from imjoy import PROJECT_URL, __version__
from imjoy.legacy.conda import which
from imjoy.legacy.texts import native

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Running(object):
    """``place`` is where it came from, ``id`` differs when its content does, ``arguments`` are what pip installs."""

    def __init__(self, place, id, arguments):
        # type: (str, str, list[str]) -> None
        self.place = place
        self.id = id
        self.arguments = arguments


def find_running(package=PACKAGE):
    # type: (str) -> Running
    """Return the checkout that ``package`` lies in, the git commit that pip recorded, or the sources that it carries.

    ``setup.py`` packs them: pip before 20.1 records nothing, and a folder has moved on since it was installed from.
    """
    checkout = os.path.dirname(os.path.dirname(package))
    if os.path.isfile(os.path.join(checkout, "pyproject.toml")):
        return Running(checkout, "folder:" + checkout, ["--editable", checkout])
    url, commit = _recorded(package)
    packed = sorted(glob.glob(os.path.join(package, "legacy", "imjoy-*.zip")))
    if commit and (which("git") or not packed):
        return Running("git+" + url, "commit:" + commit, ["imjoy @ git+{0}@{1}".format(url, commit)])
    place = "git+" + (url or PROJECT_URL)
    if not packed:
        return Running(place, "version:" + __version__, ["imjoy @ {0}@v{1}".format(place, __version__)])
    with open(packed[-1], "rb") as archive:
        digest = hashlib.sha256(archive.read()).hexdigest()
    return Running(place, "commit:" + commit if commit else "sources:" + digest, [packed[-1]])


def _recorded(package):
    # type: (str) -> tuple[str, str]
    """Return the repository and the commit that pip noted (PEP 610), or empty strings."""
    for file in glob.glob(os.path.join(os.path.dirname(package), "imjoy-*.dist-info", "direct_url.json")):
        with open(file) as stream:
            noted = json.load(stream)
        return native(noted["url"]), native(noted.get("vcs_info", {}).get("commit_id", ""))
    return "", ""
