"""Files that are shared."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def link_or_copy(source: str | Path, target: str | Path) -> str | Path:
    """Make a hard link, or a copy where the two lie on different disks; return the target."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
