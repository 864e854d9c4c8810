"""The interpreters here that can be moved: pyenv's, those of a workflow's tool cache, and the running one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

WANTED = ("3.6", "3.8", "3.11", "3.12", "3.13")
"""What plugins and imjoy are tested with."""


def movable_pythons() -> dict[str, Path]:
    """Return the prefix of the newest interpreter of each wanted minor version, by its full version.

    That of a distribution, in ``/usr``, is no one's to move.
    """
    tools = Path(os.environ.get("RUNNER_TOOL_CACHE", "/nowhere")) / "Python"
    candidates = [
        *(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions").glob("*"),
        *tools.glob("*/*"),
    ]
    found: dict[str, tuple[tuple[int, ...], Path]] = {}
    for prefix in candidates:
        number = (prefix if prefix.parent.name == "versions" else prefix.parent).name
        short = ".".join(number.split(".")[:2])
        if short not in WANTED or not (prefix / "bin" / f"python{short}").exists():
            continue
        order = tuple(int(part) for part in number.split(".") if part.isdigit())
        if short not in found or found[short][0] < order:
            found[short] = (order, prefix)
    mine = Path(sys.base_prefix).resolve()
    if mine != Path("/usr") and (mine / "bin").is_dir():
        found[f"{sys.version_info[0]}.{sys.version_info[1]}"] = (sys.version_info[:3], mine)
    return {".".join(map(str, order)): prefix for order, prefix in found.values()}


def running_python() -> str | None:
    """Return the version of the Python that runs the tests when it can be moved."""
    number = ".".join(map(str, sys.version_info[:3]))
    return number if number in movable_pythons() else None
