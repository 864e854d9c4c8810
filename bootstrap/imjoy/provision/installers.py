"""The table of installers, ``installers.toml``, as values."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

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


@cache
def distribution(name: Name) -> Distribution:
    """Return a distribution from the table."""
    table = tomllib.loads(files(__package__).joinpath("installers.toml").read_text(encoding="utf-8"))[name]
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


def version_numbers(text: str) -> tuple[int, ...]:
    """Return ``(2, 28)`` for ``2.28``; what does not begin with digits counts as 0."""
    numbers = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        numbers.append(int(digits) if digits else 0)
    return tuple(numbers)
