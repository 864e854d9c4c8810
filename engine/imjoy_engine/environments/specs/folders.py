"""Paths that stay inside a folder."""

from __future__ import annotations

import re
from pathlib import Path

_UNUSABLE = re.compile(r"[\x00-\x1f\x7f:*?\"<>|]")
# Windows opens devices under these names, in every folder.
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)


def inner_path(text: str) -> str | None:
    """Return ``text``, a path below some folder, without needless parts, or None when it may lead out of it.

    Absolute paths, ``..``, ``~``, hidden folders and what some system cannot have as a name are refused on every
    system, so that a plugin means the same everywhere. The folder itself is ``"."``.
    """
    if not text or text.startswith(("/", "\\", "~", "-")) or _UNUSABLE.search(text):
        return None
    parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".")]
    if any(part.startswith(".") or part != part.strip() or _DEVICES.fullmatch(part) for part in parts):
        return None
    return "/".join(parts) or "."


def below(folder: Path, inner: str) -> Path | None:
    """Return the place of ``inner`` below ``folder``, or None when links that are there lead out of it."""
    path = folder / inner
    root = folder.resolve()
    return path if path.resolve().is_relative_to(root) else None
