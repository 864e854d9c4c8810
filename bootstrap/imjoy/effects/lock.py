"""The lock on a prefix, shared with ``install.sh`` and ``install.ps1``: a folder, as making one is atomic everywhere.

``owner`` in it holds the owner's identity: its pid, the machine's name and the moment it was started. ``step`` holds
the pid of the command that it runs just now, the leader of a process group. A lock whose owner has ended is taken over,
and what its last step left running is ended.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from imjoy.effects.process import birth_of, end_process_tree, start_ticks
from imjoy.model.errors import ExitCode, ImJoyError

NAMELESS_SECONDS = 1.0
"""A lock without an owner is one that is being made, or one whose maker died in between."""
POLL_SECONDS = 0.05
MOST_TRIES = 5
PS_SECONDS = 10


class InstallLock:
    """Holds the lock of one prefix while it is entered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> InstallLock:
        """Take the lock. Raises :class:`ImJoyError` ``install.locked`` when a live process holds it."""
        for _ in range(MOST_TRIES):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.folder.mkdir()
            except FileExistsError:
                refuse_when_locked(self.folder)
                self._break()
                continue
            (self.folder / "owner").write_text(identity(os.getpid()) + "\n", encoding="utf-8")
            return self
        raise ImJoyError(
            "install.lock-failed",
            f"The lock {self.folder} cannot be taken.",
            fix="remove that folder when nothing uses it",
        )

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def note_step(self, pid: int | None) -> None:
        """Write down which process works for the owner now, so that whoever takes over can end it.

        Without the lock it does nothing.
        """
        step = self.folder / "step"
        if pid is None:
            step.unlink(missing_ok=True)
        elif self.folder.is_dir():
            step.write_text(f"{pid}\n", encoding="utf-8")

    def _break(self) -> None:
        dead = _read(self.folder / "owner")
        aside = self.folder.with_name(f"{self.folder.name}.dead.{os.getpid()}")
        try:
            # Renaming is atomic: of two that find the same dead lock, one gets it.
            self.folder.rename(aside)
        except OSError:
            return
        if _read(aside / "owner") != dead and not self.folder.exists():
            aside.rename(self.folder)
            return
        step = _read(aside / "step")
        if step.isdigit():
            _end_step(int(step), self.folder.parent.parent)
        shutil.rmtree(aside, ignore_errors=True)


def refuse_when_locked(folder: Path) -> None:
    """Raise :class:`ImJoyError` ``install.locked`` when a live process holds the lock. Takes at most a second."""
    owner = _owner_once_written(folder)
    pid = owner.partition(" ")[0]
    if pid.isdigit() and identity(int(pid)) == owner:
        raise ImJoyError(
            "install.locked",
            f"Another install into {folder.parent.parent} is at work (process {pid}).",
            fix="wait until it is done, then run this again",
            exit_code=ExitCode.LOCKED,
        )


def identity(pid: int) -> str:
    """Return who a process is: pid, machine and start; without a start when there is no such process."""
    return f"{pid} {platform.node()} {_started(pid)}"


def _started(pid: int) -> str:
    if sys.platform.startswith("linux"):
        try:
            return start_ticks(pid)
        except (OSError, IndexError):
            return ""
    if sys.platform == "win32":
        import psutil

        try:
            return str(int(psutil.Process(pid).create_time()))
        except psutil.Error:
            return ""
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)],
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PS_SECONDS,
        check=False,
    )
    return done.stdout.rstrip("\n")


def _owner_once_written(folder: Path) -> str:
    deadline = time.monotonic() + NAMELESS_SECONDS
    while not (owner := _read(folder / "owner")) and folder.is_dir() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return owner


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except OSError:
        return ""


def _end_step(pid: int, prefix: Path) -> None:
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        # The number may have been given away since.
        if any(str(prefix) in part for part in process.cmdline()):
            end_process_tree(pid, birth_of(pid))
