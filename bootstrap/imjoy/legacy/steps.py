"""Runs other programs: asked with a deadline, or as a step whose output goes into a log."""

import os
import signal
import subprocess
import sys
import threading
import time

from imjoy.legacy.claim import Claim  # noqa: F401 - in type comments
from imjoy.legacy.handover import LEAKS
from imjoy.legacy.texts import lines_of

if False:
    from typing import IO  # noqa: F401 - Python 2.7 has no typing

STEP_SECONDS = 3600
END_SECONDS = 5
POLL_SECONDS = 0.05
TITLE_WIDTH = 44

#: They would have pip install elsewhere, or nothing.
PIP_LEAKS = ("TARGET", "PREFIX", "ROOT", "REQUIRE_VIRTUALENV", "NO_DEPS", "DRY_RUN", "QUIET")


def isolated(environ, temporary=""):
    # type: (dict[str, str], str) -> dict[str, str]
    """Return the variables for what is started: nothing of the person's own Python leaks in, nothing asks."""
    gone = LEAKS + tuple("PIP_" + name for name in PIP_LEAKS)
    kept = {name: value for name, value in environ.items() if name not in gone}
    kept.update(PYTHONNOUSERSITE="1", PIP_USER="0", PIP_NO_INPUT="1", PIP_PROGRESS_BAR="off")
    kept.update(PIP_DISABLE_PIP_VERSION_CHECK="1", GIT_TERMINAL_PROMPT="0")
    if temporary:
        kept.update(TMPDIR=temporary, TEMP=temporary, TMP=temporary)
    return kept


def capture(command, environ, seconds):
    # type: (list[str], dict[str, str], float) -> tuple[int, str]
    """Run a command for at most so long; return its exit code (-1 when it cannot start) and what it wrote to stdout."""
    try:
        with open(os.devnull, "r+b") as nothing:
            process = _start(command, environ, nothing, subprocess.PIPE, nothing)
    except OSError:
        return -1, ""
    deadline = threading.Timer(seconds, _kill, [process.pid])
    deadline.start()
    try:
        said = process.communicate()[0]
    except BaseException:
        _end(process)
        raise
    finally:
        deadline.cancel()
    return process.returncode, said.decode("utf-8", "replace")


class Steps(object):
    """Runs the steps of one making: their titles and times go to stderr, what they write into ``log``.

    ``claim`` is told which step runs, so that whoever takes over after a kill can end it.
    """

    def __init__(self, log, environ, claim):
        # type: (str, dict[str, str], Claim) -> None
        self.log = log
        self._environ = environ
        self._claim = claim

    def run(self, title, command):
        # type: (str, list[str]) -> int
        """Run one command to its end, an hour at most, and return its exit code; when interrupted it is ended."""
        begin = open_step(title)
        with open(self.log, "ab") as log, open(os.devnull, "rb") as nothing:
            log.write("\n$ {0}\n".format(" ".join(command)).encode("utf-8", "replace"))
            log.flush()
            process = _start(command, self._environ, nothing, log, subprocess.STDOUT)
            self._claim.note_step(process.pid)
            deadline = threading.Timer(STEP_SECONDS, _kill, [process.pid])
            deadline.start()
            try:
                process.wait()
            except BaseException:
                _end(process)
                raise
            finally:
                deadline.cancel()
                self._claim.note_step(None)
        close_step(begin, process.returncode == 0)
        return process.returncode

    def last_words(self, count):
        # type: (int) -> str
        """Return the end of the log."""
        return "\n".join(lines_of(self.log)[-count:])


def open_step(title):
    # type: (str) -> float
    """Print the title of a step, and return when it began."""
    sys.stderr.write("  {0:<{1}}".format(title, TITLE_WIDTH))
    sys.stderr.flush()
    return time.time()


def close_step(begin, worked):
    # type: (float, bool) -> None
    """Print how a step ended."""
    sys.stderr.write("{0:.0f} s\n".format(time.time() - begin) if worked else "failed\n")


def _start(command, environ, stdin, stdout, stderr):
    # type: (list[str], dict[str, str], IO[bytes], int | IO[bytes], int | IO[bytes]) -> subprocess.Popen[bytes]
    """Start a command in a process group of its own."""
    own_group = None if sys.platform == "win32" else os.setsid
    return subprocess.Popen(
        command, stdin=stdin, stdout=stdout, stderr=stderr, env=environ, preexec_fn=own_group
    )


def _end(process):
    # type: (subprocess.Popen[bytes]) -> None
    """End a process with all that it started: asked first, made to after ``END_SECONDS``."""
    if sys.platform != "win32":
        _signal_group(process.pid, signal.SIGTERM)
        deadline = time.time() + END_SECONDS
        while process.poll() is None and time.time() < deadline:
            time.sleep(POLL_SECONDS)
    _kill(process.pid)
    process.wait()


def _kill(pid):
    # type: (int) -> None
    if sys.platform == "win32":
        subprocess.call(["taskkill", "/PID", str(pid), "/T", "/F"])
    else:
        _signal_group(pid, signal.SIGKILL)


def _signal_group(pid, number):
    # type: (int, int) -> None
    try:
        os.killpg(pid, number)
    except OSError:
        return  # it has ended
