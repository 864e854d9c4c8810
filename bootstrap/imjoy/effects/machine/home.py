"""The home folder, and paths as people type them, also where there is no home."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

NO_HOME = Path("/")
"""What Docker gives a user that has no entry in the list of accounts, and no HOME."""


def home_folder() -> Path:
    """Return the home folder, absolute. It may not be there, or not be ours to write."""
    try:
        return Path("~").expanduser().absolute()
    except RuntimeError:
        return NO_HOME


def typed_path(text: str) -> Path:
    """Return the absolute path that a person typed, ``~`` and ``~NAME`` replaced where there is such a home."""
    path = Path(text)
    try:
        return path.expanduser().absolute()
    except RuntimeError:
        return path.absolute()


def usable_caches(environ: Mapping[str, str], instead: Path) -> dict[str, str]:
    """Return variables that move the caches of uv, pip and py-rattler below ``instead``, where the home takes none.

    They are those of a home that is not there, not ours or read-only; a cache that was named stays where it is.
    """
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder())
    usual = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    if sys.platform == "win32" or _can_be_made(usual):
        return {}
    wanted = {"UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip", "RATTLER_CACHE_DIR": "rattler"}
    return {name: str(instead / folder) for name, folder in wanted.items() if not environ.get(name)}


def _can_be_made(folder: Path) -> bool:
    for each in (folder, *folder.parents):
        if os.path.lexists(each):
            return os.access(each, os.W_OK | os.X_OK) and each.is_dir()
    return False
