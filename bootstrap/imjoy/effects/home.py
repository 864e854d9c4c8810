"""The home folder, and paths as people type them, also where there is no home."""

from __future__ import annotations

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
