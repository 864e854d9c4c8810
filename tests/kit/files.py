"""Files that are shared, and files that are nobody else's."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.effects.disk.access import accounts_with_access


def link_or_copy(source: str | Path, target: str | Path) -> str | Path:
    """Make a hard link, or a copy where the two lie on different disks; return the target."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def make_link(link: Path, target: Path) -> None:
    """Make a symbolic link to a folder; skip the test where none can be made."""
    try:
        link.symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("links cannot be made here")
    if not link.is_symlink():
        pytest.skip("what is made of a link here is none, as in Wine")


def make_folder_link(link: Path, target: Path) -> None:
    """Make what people make of links to folders: a junction on Windows; skip the test where none can be made."""
    if sys.platform != "win32":
        link.symlink_to(target, target_is_directory=True)
        return
    import _winapi

    try:
        _winapi.CreateJunction(str(target), str(link))
        assert link.readlink()
    except (OSError, ValueError):
        pytest.skip("junctions cannot be made here, as in Wine")


def is_private(path: Path) -> bool:
    """Whether a file or folder is the person's alone, who may use it."""
    if os.name == "nt":
        return accounts_with_access(path) == []
    return stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def open_to_all(path: Path) -> None:
    """Let everybody read a file."""
    path.chmod(0o644)
    if os.name == "nt":
        subprocess.run(["icacls", path, "/grant", "*S-1-1-0:R"], capture_output=True, check=False)
        if not accounts_with_access(path):
            pytest.skip("icacls opens nothing here, as in Wine")
