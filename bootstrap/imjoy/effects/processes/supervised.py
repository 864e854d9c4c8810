"""One command at a time, which never outlives us: when this process dies, however it dies, so does the command.

On POSIX a small supervisor stands between: it leads a session of its own, holds a pipe from us, and ends the session
when the pipe closes. On Windows a Job object does that. Standard library only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Union

GRACE_SECONDS = 5.0
KILL_SECONDS = 3.0
POLL_SECONDS = 0.02

SUPERVISOR = """
import os, signal, subprocess, sys, threading, time
pipe, grace = int(sys.argv[1]), float(sys.argv[2])
# A handler, not SIG_IGN, which what we start would inherit.
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, frame: None)
try:
    child = subprocess.Popen(sys.argv[3:])
except OSError as error:
    sys.stderr.write("it could not be started: %s\\n" % error)
    os._exit(127)
def watch():
    try:
        while os.read(pipe, 1):
            pass
    except OSError:
        pass
    ending.set()
    try:
        os.killpg(0, signal.SIGTERM)
        deadline = time.monotonic() + grace
        while child.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        os.killpg(0, signal.SIGKILL)
ending = threading.Event()
threading.Thread(target=watch, daemon=True).start()
code = child.wait()
if ending.is_set():
    # What it started may take its time to end, as conda does, which rolls back: the thread kills all of us.
    time.sleep(2 * grace)
os._exit(code if code >= 0 else 128 - code)
"""
"""Its exit code is the command's; 127 when that could not be started, 128 + N when signal N ended it."""

Output = Union[int, IO[bytes], None]


class Supervised:
    """A running command. ``pid`` leads its session; what reads its output finds it at ``stdout``."""

    def __init__(
        self, command: Sequence[str] | str, *, stdout: Output, stderr: Output, environ: Mapping[str, str]
    ) -> None:
        """Start it, with nothing on stdin. Raises ``OSError`` where that can be known at once."""
        self._pipe: int | None = None
        self._job: Any = None
        options: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": stdout,
            "stderr": stderr,
            "env": dict(environ),
        }
        if sys.platform == "win32":
            from imjoy.effects.processes.job import Job

            self._job = Job()
            self._process = self._job.start(command, **options)
        else:
            words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
            theirs, self._pipe = os.pipe()
            try:
                supervisor = [
                    sys.executable,
                    "-I",
                    "-S",
                    "-B",
                    "-c",
                    SUPERVISOR,
                    str(theirs),
                    str(GRACE_SECONDS),
                ]
                self._process = subprocess.Popen(
                    [*supervisor, *words], pass_fds=(theirs,), start_new_session=True, **options
                )
            except BaseException:
                os.close(self._pipe)
                raise
            finally:
                os.close(theirs)
        self.pid = self._process.pid
        self.stdout = self._process.stdout

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code. Raises ``subprocess.TimeoutExpired``; then it still runs."""
        code: int = self._process.wait(timeout)
        self._close()
        return code

    def end(self) -> None:
        """End it and all that it started in its session; returns when it has ended, at most 8 s later."""
        if self._process.poll() is None:
            self._close()
            if sys.platform != "win32":
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(GRACE_SECONDS + KILL_SECONDS)
                if self._process.returncode is None:
                    _kill_group(self.pid)
                _wait_for_group(self.pid)
        self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        if self._job is not None:
            self._job.close()
            self._job = None


def end_session(pid: int) -> None:
    """End a session of somebody who died, by its leader's pid: asked first, killed after 5 s; waits for it."""
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/PID", str(pid), "/T", "/F"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return
    try:
        os.killpg(pid, signal.SIGTERM)
    except OSError:
        return
    deadline = time.monotonic() + GRACE_SECONDS
    while _group_lives(pid) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    _kill_group(pid)
    _wait_for_group(pid)


def _wait_for_group(pid: int) -> None:
    """Wait for what was killed to be gone; where nobody looks after the dead, three seconds."""
    deadline = time.monotonic() + KILL_SECONDS
    while _group_lives(pid) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _group_lives(pid: int) -> bool:
    if sys.platform == "win32" or is_zombie(pid):
        return False
    try:
        os.killpg(pid, 0)
    except PermissionError:
        # What macOS says of a group of zombies.
        return False
    except OSError:
        return False
    return True


def is_zombie(pid: int) -> bool:
    """Whether a process of Linux has ended and its parent, which may be a container's, does not look."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - as short as it is often called
            return file.read().rpartition(b") ")[2][:1] == b"Z"
    except OSError:
        return False


def _kill_group(pid: int) -> None:
    if sys.platform != "win32":
        with suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
