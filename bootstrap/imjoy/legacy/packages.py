"""The lock of the environment: its packages are downloaded and checked here, and conda installs them from files.

What conda reads carries MD5 alone, so the SHA-256 of ``conda-lock.yml`` is checked before conda sees a package.
"""

import errno
import hashlib
import os
import time

from imjoy.legacy.refusal import CHECKSUM_MISMATCH, Refusal
from imjoy.legacy.texts import lines_of

try:
    from http.client import HTTPException
    from urllib.request import Request, pathname2url, urlopen
except ImportError:
    from urllib import pathname2url  # type: ignore[attr-defined,no-redef]

    from httplib import HTTPException  # type: ignore[import-not-found,no-redef]
    from urllib2 import Request, urlopen  # type: ignore[import-not-found,no-redef]

LOCKS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "locks")
SILENCE_SECONDS = 30
ATTEMPTS = 3
CHUNK_BYTES = 1 << 20


class Package(object):
    """One file of the lock."""

    def __init__(self, url, md5, sha256):
        # type: (str, str, str) -> None
        self.url = url
        self.name = url.rsplit("/", 1)[-1]
        self.md5 = md5
        self.sha256 = sha256


def locked_packages(platform, locks=LOCKS):
    # type: (str, str) -> list[Package]
    """Return the packages that the lock has for a platform of conda, in the order of installing; none for others."""
    rendered = os.path.join(locks, "conda-{0}.lock".format(platform))
    if not os.path.isfile(rendered):
        return []
    checksums = _checksums(os.path.join(locks, "conda-lock.yml"))
    packages = []
    for line in lines_of(rendered):
        url, mark, md5 = line.partition("#")
        if mark and "://" in url:
            packages.append(Package(url, md5, checksums[url]))
    return packages


def fetch(packages, folder):
    # type: (list[Package], str) -> None
    """Have every package in ``folder``, checked; what is there and whole is not fetched again.

    Raises :class:`Refusal` ``download.checksum`` (6), and ``IOError`` when a server does not give one, or nothing can
    be written.
    """
    if not os.path.isdir(folder):
        os.makedirs(folder)
    for package in packages:
        target = os.path.join(folder, package.name)
        if os.path.isfile(target) and _sha256(target) == package.sha256:
            continue
        part = target + ".part"
        _download(package.url, part)
        found = _sha256(part)
        if found != package.sha256:
            os.remove(part)
            raise Refusal(
                "download.checksum",
                "{0} is not what the lock says; nothing of it was used.".format(package.url),
                why="its SHA-256 is {0}\nand has to be  {1}".format(found, package.sha256),
                fix="start again; if it stays so, a proxy on the way is at fault, or report it",
                exit_code=CHECKSUM_MISMATCH,
            )
        os.rename(part, target)


def write_explicit(packages, folder, file):
    # type: (list[Package], str, str) -> None
    """Write what ``conda create --file`` installs: the files in ``folder``, by their urls."""
    with open(file, "w") as lines:
        lines.write("@EXPLICIT\n")
        for package in packages:
            path = pathname2url(os.path.join(folder, package.name))
            lines.write("file:{0}{1}#{2}\n".format("" if path.startswith("///") else "//", path, package.md5))


def _checksums(lock):
    # type: (str) -> dict[str, str]
    """Return the SHA-256 by url. Reads the lines that conda-lock writes: Python has no YAML."""
    known = {}
    url = ""
    for line in lines_of(lock):
        name, _, value = line.strip().partition(": ")
        if name == "url":
            url = value
        elif name == "sha256":
            known[url] = value
    return known


def _download(url, part):
    # type: (str, str) -> None
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _download_once(url, part)
            return
        except (IOError, HTTPException) as error:
            refused = getattr(error, "code", 500) < 500
            full = getattr(error, "errno", None) == errno.ENOSPC
            if refused or full:
                raise
            if attempt == ATTEMPTS:
                raise IOError("{0}: {1}".format(url, error))
            time.sleep(attempt)


def _download_once(url, part):
    # type: (str, str) -> None
    answer = urlopen(Request(url, headers={"User-Agent": "imjoy"}), timeout=SILENCE_SECONDS)
    try:
        wanted = int(answer.headers.get("Content-Length") or 0)
        size = 0
        with open(part, "wb") as file:
            while True:
                chunk = answer.read(CHUNK_BYTES)
                if not chunk:
                    break
                file.write(chunk)
                size += len(chunk)
        if wanted and size != wanted:
            raise IOError("{0}: the server sent {1} of {2} bytes".format(url, size, wanted))
    finally:
        answer.close()


def _sha256(file):
    # type: (str) -> str
    digest = hashlib.sha256()
    with open(file, "rb") as stream:
        while True:
            chunk = stream.read(CHUNK_BYTES)
            if not chunk:
                return digest.hexdigest()
            digest.update(chunk)
