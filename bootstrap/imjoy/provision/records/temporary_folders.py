"""Removes the temporary folders of install scripts that were killed; one that ends in any other way removes its own.

A script names its folder after the machine and its process; the planner writes into it who uses it after that.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from imjoy.effects.disk.lock import identity, is_owner_alive, is_running
from imjoy.effects.disk.removal import remove

NAME = re.compile(r"\.?imjoy-door-(?P<machine>.+)-(?P<pid>[0-9]+)-[^-]+")
USER_FILE = "planner"
STARTING_SECONDS = 60.0
"""A script that was killed may have started a planner that has not written its name down yet."""
NETBIOS_LENGTH = 15
"""Windows cuts the name of a machine there, where PowerShell asks for it."""


def note_user(folder: Path) -> None:
    """Write down that this process uses the folder of an install script, and may run longer than that."""
    with suppress(OSError):
        (folder / USER_FILE).write_text(identity(os.getpid()) + "\n", encoding="utf-8")


def places(prefix: Path) -> tuple[Path, ...]:
    """Return where install scripts make their temporary folders."""
    nearest = next((each for each in (prefix.parent, *prefix.parents) if each.is_dir()), prefix.parent)
    return tuple(dict.fromkeys((*_temporary(), nearest)))


def _temporary() -> tuple[Path, ...]:
    return (Path(tempfile.gettempdir()), *([Path("/tmp")] if os.name == "posix" else []))


def remove_abandoned(folders: Iterable[Path]) -> None:
    """Remove what install scripts that were killed left in these folders; what is in use or another person's stays."""
    for folder in folders:
        with suppress(OSError):
            for path in sorted(folder.iterdir()):
                found = NAME.fullmatch(path.name)
                if found is not None and _is_left(path, found["machine"], int(found["pid"])):
                    remove(path)


def _is_left(folder: Path, machine: str, pid: int) -> bool:
    here = platform.node()
    if sys.platform == "win32":
        here, machine = here[:NETBIOS_LENGTH].upper(), machine.upper()
    # A temporary folder may be shared with machines whose processes we do not see, such as containers; not so a Mac's
    # own one, and a Mac's name changes with the network.
    own = sys.platform == "darwin" and folder.parent in _temporary()
    if (machine != here and not own) or folder.is_symlink() or not folder.is_dir() or is_running(pid):
        return False
    about = folder.stat()
    if sys.platform != "win32" and about.st_uid != os.getuid():
        return False
    try:
        user = (folder / USER_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        return time.time() - about.st_mtime > STARTING_SECONDS
    return not is_owner_alive(user)
