"""pip: what it is told for an upgrade, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

BUILD = ("wheel", "--no-deps", "--wheel-dir")


def build_arguments(sources: Iterable[str], wheels: Path, *, only_wheels: bool = False) -> list[str]:
    """Return the arguments that put a wheel of each source into ``wheels``, without what it requires.

    With ``only_wheels`` nothing is built, so that no code of a source runs.
    """
    return [*BUILD, str(wheels), *(["--only-binary", ":all:"] if only_wheels else []), *sources]


def resolve_arguments(requirement: str, report: Path) -> list[str]:
    """Return the arguments that write to ``report`` what installing a requirement would install, and change nothing."""
    return ["install", "--dry-run", "--report", str(report), requirement]


def newer_arguments(name: str, report: Path) -> list[str]:
    """Return the arguments that write to ``report`` which newer version of one package there is, and change nothing."""
    return ["install", "--dry-run", "--no-deps", "--upgrade", "--report", str(report), name]


def layer_arguments(pins: Iterable[str], wheels: Path, root: Path) -> list[str]:
    """Return the arguments that install exactly these wheels below another root, and ask no network."""
    alone = ("--no-index", "--no-deps", "--ignore-installed", "--no-warn-script-location")
    return ["install", *alone, "--find-links", str(wheels), "--root", str(root), *pins]


def newest_arguments(name: str) -> list[str]:
    """Return the arguments that print a report of the newest version that has a wheel, and change nothing."""
    alone = ("--no-deps", "--ignore-installed", "--only-binary", ":all:")
    return ["install", "--quiet", "--dry-run", *alone, "--report", "-", name]


def read_versions(report: str) -> dict[str, str]:
    """Return name and version of what a report of pip says it would install. Raises ``ValueError`` and ``KeyError``."""
    document = json.loads(report)
    return {each["metadata"]["name"]: each["metadata"]["version"] for each in document["install"]}


def module_arguments(interpreter: Path, arguments: Sequence[str] = ()) -> list[str]:
    """Return the argv of the pip that lives in an environment; nothing of the person's own leaks in."""
    return [str(interpreter), "-I", "-m", "pip", *arguments]
