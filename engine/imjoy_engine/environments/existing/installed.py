"""What is installed in an environment, by the names of the folders in it: nothing is imported or started."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_METADATA = re.compile(
    r"(?P<name>.+?)-(?P<version>\d[^-]*)(?:-py[\d.]+)?(?:-.+)?\.(?:dist-info|egg-info|egg)"
)
_NAMED = re.compile(r"(?P<name>[^-]+)\.egg-(?:info|link)")
_VERSION = re.compile(r"^Version: *(\S+)", re.MULTILINE)


def normal_name(name: str) -> str:
    """Return the one spelling of a project's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_packages(search_path: Iterable[str]) -> dict[str, str]:
    """Return name and version of every Python package in these folders; the first of several counts."""
    found: dict[str, str] = {}
    for folder in search_path:
        for name, version in _in_folder(folder):
            found.setdefault(name, version)
    return found


def _in_folder(folder: str) -> Iterator[tuple[str, str]]:
    own = _METADATA.fullmatch(os.path.basename(folder))  # noqa: PTH119 - an .egg is an entry of the path itself
    if own:
        yield normal_name(own["name"]), own["version"]
    try:
        names = os.listdir(folder)  # noqa: PTH208 - a thousand names, nothing else of them
    except OSError:
        return
    for name in names:
        if not name.endswith((".dist-info", ".egg-info", ".egg-link")):
            continue
        match = _METADATA.fullmatch(name)
        if match:
            yield normal_name(match["name"]), match["version"]
        elif (named := _NAMED.fullmatch(name)) and name.endswith(".egg-info"):
            yield normal_name(named["name"]), _version_in(Path(folder, name))


def _version_in(metadata: Path) -> str:
    for file in (metadata / "PKG-INFO", metadata):
        with contextlib.suppress(OSError, ValueError):
            match = _VERSION.search(file.read_text(encoding="utf-8", errors="replace"))
            if match:
                return match[1]
    return ""


def conda_packages(prefix: Path) -> dict[str, str]:
    """Return name and version of every conda package in ``prefix``; nothing where it is no environment of conda's."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(prefix / "conda-meta"):  # noqa: PTH208
            parts = name.removesuffix(".json").rsplit("-", 2)
            if name.endswith(".json") and len(parts) == 3:
                found[parts[0]] = parts[1]
    return found


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return what is other than it was, for people: ``torch 2.1 -> 2.2``, ``scipy 1.1 is gone``."""
    lines = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None:
            lines.append(f"{name} {new} is new".replace("  ", " "))
        elif new is None:
            lines.append(f"{name} {old} is gone".replace("  ", " "))
        elif old != new:
            lines.append(f"{name} {old} -> {new}")
    return lines
