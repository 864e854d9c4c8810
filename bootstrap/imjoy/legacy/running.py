"""Which imjoy is running here: so that the same is installed into the environment, and a newer one noticed."""

import glob
import hashlib
import json
import os

from imjoy import PROJECT_URL, __version__
from imjoy.legacy.texts import native
from imjoy.legacy.where import which

if False:
    from typing import Any  # noqa: F401 - Python 2.7 has no typing

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Running(object):
    """``place`` is where a later upgrade finds it, ``id`` differs when its content does, ``what`` is for pip to build.

    An ``editable`` one is a checkout, which is to be used as it lies.
    """

    def __init__(self, place, id, what, editable=False):
        # type: (str, str, str, bool) -> None
        self.place = place
        self.id = id
        self.what = what
        self.editable = editable


def find_running(package=PACKAGE):
    # type: (str) -> Running
    """Return the checkout that ``package`` lies in, the git commit that pip recorded, or the sources that it carries.

    ``setup.py`` packs them: pip before 20.1 records nothing, and a folder has moved on since it was installed from.
    """
    checkout = os.path.dirname(os.path.dirname(package))
    if os.path.isfile(os.path.join(checkout, "pyproject.toml")):
        return Running(checkout, "folder:" + checkout, checkout, editable=True)
    noted = _noted_by_pip(package)
    url = native(noted.get("url", ""))
    vcs = noted.get("vcs_info", {})
    packed = sorted(glob.glob(os.path.join(package, "legacy", "imjoy-*.zip")))
    if vcs:
        commit = native(vcs["commit_id"])
        ref = native(vcs.get("requested_revision") or "")
        place = "git+{0}@{1}".format(url, ref) if ref else "git+" + url
        what = packed[-1] if packed and not which("git") else "git+{0}@{1}".format(url, commit)
        return Running(place, "commit:" + commit, what)
    place = _path_of(url) if url.startswith("file:") else "git+" + PROJECT_URL
    if not packed:
        return Running(place, "version:" + __version__, "git+{0}@v{1}".format(PROJECT_URL, __version__))
    with open(packed[-1], "rb") as archive:
        return Running(place, "sources:" + hashlib.sha256(archive.read()).hexdigest(), packed[-1])


def _noted_by_pip(package):
    # type: (str) -> dict[str, Any]
    """Return what pip noted of where it had imjoy from (PEP 610), or nothing."""
    for file in glob.glob(os.path.join(os.path.dirname(package), "imjoy-*.dist-info", "direct_url.json")):
        with open(file) as stream:
            return dict(json.load(stream))
    return {}


def _path_of(url):
    # type: (str) -> str
    # Imported here, as each start comes by, and these take longer than all the rest.
    try:
        from urllib.parse import urlsplit
        from urllib.request import url2pathname
    except ImportError:
        from urllib import url2pathname  # type: ignore[attr-defined,no-redef]

        from urlparse import urlsplit  # type: ignore[import-not-found,no-redef]
    return str(url2pathname(urlsplit(url).path))
