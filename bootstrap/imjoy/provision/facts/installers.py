"""The table of what imjoy downloads to have a Python, ``installers.json``, as values.

It is read from a folder and from inside a wheel, and is JSON because no Python before 3.11 reads TOML.
"""

from __future__ import annotations

import json
import pkgutil
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from urllib.parse import quote

Name = Literal["miniconda", "miniforge"]
NAMES: tuple[Name, ...] = ("miniconda", "miniforge")
"""In the order in which they are tried."""


@dataclass(frozen=True)
class Installer:
    """One file that installs a distribution on one platform. ``url`` may be replaced by a mirror's."""

    file: str
    url: str
    sha256: str


@dataclass(frozen=True)
class Distribution:
    """A distribution of conda: its installers by platform (``linux-64``), and what they need; sizes in MiB."""

    name: Name
    version: str
    base_url: str
    glibc: tuple[int, ...]
    macos: tuple[int, ...]
    windows_build: int
    download_mib: int
    unpacked_mib: int
    installers: dict[str, Installer]

    @property
    def title(self) -> str:
        """Return the name as a person writes it."""
        return self.name.capitalize()


@dataclass(frozen=True)
class PythonBuild:
    """A whole Python in an archive (``tar.gz``, all of it in a folder ``python``), for one platform.

    The folder may be moved anywhere. ``url`` is that of the archive, of which ``file`` is the name on a disk; a
    mirror has it under the same last part. Sizes are estimates in MiB.
    """

    version: str
    platform: str
    file: str
    url: str
    sha256: str
    glibc: tuple[int, ...]
    macos: tuple[int, ...]
    windows_build: int
    download_mib: int
    unpacked_mib: int


@cache
def distribution(name: Name) -> Distribution:
    """Return a distribution from the table."""
    table = _table()[name]
    minimum = table["minimum"]
    return Distribution(
        name=name,
        version=table["version"],
        base_url=table["base_url"],
        glibc=version_numbers(minimum["glibc"]),
        macos=version_numbers(minimum["macos"]),
        windows_build=minimum["windows"],
        download_mib=minimum["download_mib"],
        unpacked_mib=minimum["unpacked_mib"],
        installers={
            platform: Installer(each["file"], table["base_url"] + each["file"], each["sha256"])
            for platform, each in table["platforms"].items()
        },
    )


@cache
def python_build(platform: str) -> PythonBuild | None:
    """Return the Python that is brought where there is none, or None where nobody builds one.

    ``platform`` is conda's name of it (``osx-arm64``), with ``-musl`` behind it on a Linux without glibc.
    """
    table = _table()["python"]
    minimum = table["minimum"]
    entry = table["platforms"].get(platform)
    if entry is None:
        return None
    return PythonBuild(
        version=table["version"],
        platform=platform,
        file=entry["file"],
        url=table["base_url"] + quote(entry["file"]),
        sha256=entry["sha256"],
        glibc=version_numbers(minimum["glibc"]),
        macos=version_numbers(minimum["macos"]),
        windows_build=minimum["windows"],
        download_mib=minimum["download_mib"],
        unpacked_mib=minimum["unpacked_mib"],
    )


def python_platforms() -> tuple[str, ...]:
    """Return the names of the platforms that :func:`python_build` knows, in order."""
    return tuple(sorted(_table()["python"]["platforms"]))


@cache
def _table() -> Any:
    data = pkgutil.get_data(__package__, "installers.json")
    if data is None:
        raise FileNotFoundError("installers.json")
    return json.loads(data)


def version_numbers(text: str) -> tuple[int, ...]:
    """Return ``(2, 28)`` for ``2.28``; what does not begin with digits counts as 0."""
    numbers = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits) if digits else 0)
    return tuple(numbers)
