"""Files that are shared, and files that are nobody else's."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

from imjoy.effects.access import others_of


def link_or_copy(source: str | Path, target: str | Path) -> str | Path:
    """Make a hard link, or a copy where the two lie on different disks; return the target."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def is_private(path: Path) -> bool:
    """Whether a file or folder is the person's alone, who may use it."""
    if os.name == "nt":
        return others_of(path) == []
    return stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def open_to_all(path: Path) -> None:
    """Let everybody read a file."""
    path.chmod(0o644)
    if os.name == "nt":
        subprocess.run(["icacls", path, "/grant", "*S-1-1-0:R"], capture_output=True, check=False)
        assert others_of(path)  # Wine's icacls does nothing, but there everybody may read what nobody closed
