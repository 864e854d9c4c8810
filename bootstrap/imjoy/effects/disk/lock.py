"""The lock on a prefix: a folder, as making one is atomic on every file system.

``owner`` in it holds the owner's identity: its pid, the machine's name and the moment it was started. ``step`` holds
the identity of the command that it runs just now, the leader of a session. A lock whose owner has ended is taken over,
and what its last step left running is ended first. Standard library only.
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

from imjoy.effects.processes.process import start_ticks
from imjoy.effects.processes.supervised import end_session, is_zombie
from imjoy.model.errors import ExitCode, ImJoyError

NAMELESS_SECONDS = 1.0
"""A lock without an owner is one that is being made, or one whose maker died in between."""
POLL_SECONDS = 0.05
MAX_TRIES = 5
PS_SECONDS = 10
WINDOWS_EPOCH_SECONDS = 11_644_473_600
WINDOWS_TICKS_PER_SECOND = 10_000_000
QUERY_LIMITED_INFORMATION = 0x1000
ERROR_ACCESS_DENIED = 5
"""https://learn.microsoft.com/windows/win32/procthread/process-security-and-access-rights"""


class InstallLock:
    """Holds the lock ``folder`` on ``target`` while it is entered."""

    def __init__(self, folder: Path, target: Path) -> None:
        self.folder = folder
        self.target = target

    def __enter__(self) -> InstallLock:
        """Take the lock. Raises :class:`ImJoyError` ``install.locked`` when a live process holds it."""
        for _ in range(MAX_TRIES):
            self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self.folder.mkdir(mode=0o700)
            except FileExistsError:
                refuse_when_locked(self.folder, self.target)
                self._break()
                continue
            except FileNotFoundError:
                # Whoever was before us has just swept the folder away.
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
        self.release()

    def release(self) -> None:
        """Let somebody else have it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def note_step(self, pid: int | None) -> None:
        """Write down which process works for the owner now, so that whoever takes over can end it.

        Without the lock it does nothing.
        """
        step = self.folder / "step"
        with suppress(FileNotFoundError):
            if pid is None:
                step.unlink()
            else:
                step.write_text(f"{identity(pid)}\n", encoding="utf-8")

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
        _end_step(_read(aside / "step"))
        shutil.rmtree(aside, ignore_errors=True)


def refuse_when_locked(folder: Path, target: Path) -> None:
    """Raise :class:`ImJoyError` ``install.locked`` when a live process holds the lock. Takes at most a second."""
    owner = _owner_once_written(folder)
    if is_owner_alive(owner):
        raise ImJoyError(
            "install.locked",
            f"Another install into {target} is running (process {owner.partition(' ')[0]}).",
            fix="wait until it is done, then run this again",
            exit_code=ExitCode.LOCKED,
        )


def identity(pid: int) -> str:
    """Return who a process is: pid, machine and start; without a start when there is none, or nobody may look."""
    return f"{pid} {platform.node()} {_started(pid)}"


def is_owner_alive(owner: str) -> bool:
    """Whether the process of this identity is there.

    The machine's name does not count where the start tells enough: on macOS it changes with the network.
    """
    pid, _, rest = owner.partition(" ")
    start = rest.partition(" ")[2]
    if not pid.isdigit():
        return False
    now = _started(int(pid))
    if now:
        return now == start
    # Where nobody may look, a number that is taken has to do.
    return _is_hidden(int(pid)) if start else _is_taken(int(pid))


def is_running(pid: int) -> bool:
    """Whether there is a process of this number, whosever it is."""
    return _started(pid) != "" or _is_taken(pid)


def _is_taken(pid: int) -> bool:
    if sys.platform == "win32":
        return _is_hidden(pid)
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _is_hidden(pid: int) -> bool:
    """Whether there is a process that may not be looked at: somebody else's, or an administrator's."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = kernel.OpenProcess(QUERY_LIMITED_INFORMATION, False, pid)
        if handle:
            kernel.CloseHandle(ctypes.c_void_p(handle))
            return False
        return ctypes.get_last_error() == ERROR_ACCESS_DENIED
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def _started(pid: int) -> str:
    if sys.platform.startswith("linux"):
        try:
            return "" if is_zombie(pid) else start_ticks(pid)
        except (OSError, IndexError):
            return ""
    if sys.platform == "win32":
        return _started_on_windows(pid)
    try:
        done = subprocess.run(
            ["/bin/ps", "-o", "lstart=", "-p", str(pid)],
            env={"TZ": "UTC", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PS_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _started_on_windows(pid: int) -> str:
    """Return the start in seconds since 1970; empty when there is no such process, or it may not be looked at."""
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = kernel.OpenProcess(QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            return ""
        times = [ctypes.c_ulonglong() for _ in range(4)]
        code = ctypes.c_ulong()
        try:
            process = ctypes.c_void_p(handle)
            known = kernel.GetProcessTimes(process, *[ctypes.byref(each) for each in times])
            # A process that has ended keeps its number while somebody holds it: 259 is STILL_ACTIVE.
            alive = kernel.GetExitCodeProcess(process, ctypes.byref(code)) and code.value == 259
            if known and alive:
                return str(times[0].value // WINDOWS_TICKS_PER_SECOND - WINDOWS_EPOCH_SECONDS)
        finally:
            kernel.CloseHandle(ctypes.c_void_p(handle))
    return ""


def _owner_once_written(folder: Path) -> str:
    deadline = time.monotonic() + NAMELESS_SECONDS
    while not (owner := _read(folder / "owner")) and folder.is_dir() and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return owner


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").rstrip("\n\0")
    except OSError:
        return ""


def _end_step(step: str) -> None:
    """End what a dead owner left running. The number may have been given away since; its start tells."""
    pid = step.partition(" ")[0]
    if pid.isdigit() and is_owner_alive(step) and _started(int(pid)):
        end_session(int(pid))
