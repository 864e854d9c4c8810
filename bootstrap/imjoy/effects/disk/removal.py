"""Removing files and folders, on Windows too: read-only ones, long names, what is in use. Standard library only."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from imjoy.effects.machine import windows

TRIES = 4
FIRST_PAUSE_SECONDS = 0.1
"""A scanner holds a file that is new for a moment; each pause is twice as long as the one before."""
MAX_NAMED = 3
SWEEP_SECONDS = (2, 5, 20)
ASIDE_NAME = "imjoy-gone-"
FOLDER_VARIABLE = "IMJOY_DOOR_FOLDER"
SWEEPER = " & ".join(
    f'ping -n {seconds} 127.0.0.1 >nul & rd /s /q "%IMJOY_GONE%" 2>nul' for seconds in SWEEP_SECONDS
)


class InUse(PermissionError):
    """Something cannot be removed because somebody has it open; the text names both."""


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it, if it is there; links are not followed.

    On Windows what this very process was loaded from cannot be removed while it runs: it is moved out of the way, and
    goes when the process has ended. Raises ``OSError``, :class:`InUse` among them.
    """
    if sys.platform == "win32":
        _remove_on_windows(path)
    elif path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_on_windows(path: Path) -> None:
    pause = FIRST_PAUSE_SECONDS
    ours = windows.loaded_files()
    aside = _Aside()
    _leave(path)
    for attempt in range(TRIES):
        left = list(_try_to_remove(windows.long_name(path), ours, aside))
        if not left:
            break
        if attempt < TRIES - 1:
            time.sleep(pause)
            pause *= 2
    aside.sweep()
    if left:
        raise _in_use([windows.short_name(name) for name in left])


def _try_to_remove(name: str, ours: frozenset[str], aside: _Aside) -> Iterator[str]:
    """Remove what can be removed, and yield what cannot. Raises ``OSError`` where being in use is not the reason."""
    try:
        found = os.lstat(name)
    except FileNotFoundError:
        return
    link = getattr(found, "st_reparse_tag", 0) in windows.LINK_TAGS
    if stat.S_ISDIR(found.st_mode) and not link:
        left = False
        with os.scandir(name) as entries:
            names = [entry.path for entry in entries]
        for inside in names:
            for each in _try_to_remove(inside, ours, aside):
                left = True
                yield each
        if not left and not _gone(os.rmdir, name):
            yield name
    elif not _gone(os.rmdir if link and _is_folder(found) else os.unlink, name):
        if windows.normal_name(name) in ours:
            aside.take(name)
        else:
            yield name


def _is_folder(found: os.stat_result) -> bool:
    return bool(getattr(found, "st_file_attributes", 0) & stat.FILE_ATTRIBUTE_DIRECTORY)


def _gone(do: object, name: str) -> bool:
    """Whether a removal worked; what is read-only is made writable first."""
    assert callable(do)
    for _ in range(2):
        try:
            do(name)
        except FileNotFoundError:
            return True
        except OSError:
            with suppress(OSError):
                os.chmod(name, stat.S_IWRITE)  # noqa: PTH101 - a name longer than 260 characters
        else:
            return True
    return False


def _leave(path: Path) -> None:
    """Stand elsewhere: a folder that is somebody's current one cannot be removed."""
    with suppress(OSError, ValueError):
        if Path.cwd().is_relative_to(path):
            os.chdir(path.parent)


def _in_use(left: Sequence[str]) -> InUse:
    users = windows.users_of(left)
    named = ", ".join(left[:MAX_NAMED]) + (
        f" and {len(left) - MAX_NAMED} more" if len(left) > MAX_NAMED else ""
    )
    by = " by " + ", ".join(users) if users else ", or may not be removed by you"
    return InUse(f"{named}: in use{by}")


class _Aside:
    """A folder on the same disk for what this process was loaded from: such a file can be renamed, not removed."""

    def __init__(self) -> None:
        self._folder: str | None = None

    def take(self, name: str) -> None:
        """Move a file there. Raises ``OSError``."""
        if self._folder is None:
            self._folder = self._make(os.path.splitdrive(windows.short_name(name))[0], name)
        descriptor, place = tempfile.mkstemp(dir=self._folder)
        os.close(descriptor)
        os.replace(name, place)  # noqa: PTH105 - a name longer than 260 characters

    def _make(self, drive: str, name: str) -> str:
        places = [os.environ.get(FOLDER_VARIABLE, ""), tempfile.gettempdir()]
        for place in places:
            if place and os.path.splitdrive(place)[0].lower() == drive.lower():
                with suppress(OSError):
                    return tempfile.mkdtemp(prefix=ASIDE_NAME, dir=place)
        return tempfile.mkdtemp(prefix=ASIDE_NAME, dir=drive + os.sep)

    def sweep(self) -> None:
        """Have it removed once this process has ended."""
        if self._folder is None or self._folder.startswith(os.environ.get(FOLDER_VARIABLE) or "\0"):
            return  # the install script removes its folder
        flags = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(
            subprocess, "CREATE_NEW_PROCESS_GROUP", 0
        )
        nothing = subprocess.DEVNULL
        with suppress(OSError):
            subprocess.Popen(
                f"cmd.exe /d /c {SWEEPER}",
                env={**os.environ, "IMJOY_GONE": self._folder},
                cwd=os.environ.get("SystemRoot"),  # noqa: SIM112
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                creationflags=flags,
            )
