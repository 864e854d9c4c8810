"""Whether what lies unpacked in a package cache is still what the packages brought.

Environments are hard links into the cache, so a program that writes into its environment writes into the cache, and
into every environment to come. py-rattler 0.28 can tell that a file is missing, and no other change.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def changed_packages(cache: Path, names: Iterable[str]) -> list[Path]:
    """Return the folders of ``names`` (``name-version-build``) in ``cache`` of which a file was changed or is gone.

    Sizes are compared, and the hashes of files that were written to after they were unpacked: some 20 ms for Python. A
    package that is not there, or does not say what is in it, is passed over.
    """
    return [cache / name for name in names if _is_changed(cache / name)]


def _is_changed(folder: Path) -> bool:
    try:
        listed = json.loads((folder / "info" / "paths.json").read_bytes())["paths"]
        unpacked = (folder / "info").stat().st_mtime_ns
    except (OSError, ValueError, KeyError):
        # Packages of old have no such list.
        return folder.is_dir() and not (folder / "info" / "files").exists()
    # Texts and no Path: there are thousands of files, and somebody waits.
    return any(_differs(f"{folder}/{entry['_path']}", entry, unpacked) for entry in listed)


def _differs(path: str, entry: Mapping[str, object], unpacked: int) -> bool:
    if entry.get("path_type") != "hardlink":
        return False
    try:
        status = os.stat(path)  # noqa: PTH116
        if entry.get("size_in_bytes") not in (None, status.st_size):
            return True
        # Unpacked files keep the times that they had when the package was made.
        touched = status.st_mtime_ns > unpacked
        return touched and hashlib.sha256(Path(path).read_bytes()).hexdigest() != entry.get("sha256")
    except OSError:
        return True
