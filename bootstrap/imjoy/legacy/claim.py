"""The lock on a prefix that ``imjoy.effects.lock`` and ``install.sh`` take too: a folder with its owner's identity."""

import ctypes
import errno
import os
import platform
import shutil
import signal
import subprocess
import sys

from imjoy.legacy.refusal import LOCKED, Refusal

LOCK_NAME = "install.lock"
MOST_TRIES = 5


class Claim(object):
    """Holds the lock in the folder ``own`` while it is entered. A lock whose owner has ended is taken over."""

    def __init__(self, own):
        # type: (str) -> None
        self.folder = os.path.join(own, LOCK_NAME)

    def __enter__(self):
        # type: () -> Claim
        """Take the lock. Raises :class:`Refusal` ``install.locked`` (7) while a live process holds it."""
        for _ in range(MOST_TRIES):
            try:
                os.makedirs(self.folder)
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
                self._take_over()
                continue
            with open(os.path.join(self.folder, "owner"), "w") as owner:
                owner.write(identity(os.getpid()) + "\n")
            return self
        raise _locked(self.folder, "")

    def __exit__(self, kind, value, trace):
        # type: (object, object, object) -> None
        shutil.rmtree(self.folder, ignore_errors=True)

    def note_step(self, pid):
        # type: (int | None) -> None
        """Write down which process works for us now."""
        step = os.path.join(self.folder, "step")
        if pid is None:
            os.remove(step)
            return
        with open(step, "w") as stream:
            stream.write("{0}\n".format(pid))

    def _take_over(self):
        # type: () -> None
        owner = _read(os.path.join(self.folder, "owner"))
        pid = owner.split(" ")[0]
        if pid.isdigit() and identity(int(pid)) == owner:
            raise _locked(self.folder, pid)
        aside = "{0}.dead.{1}".format(self.folder, os.getpid())
        try:
            # Renaming is atomic: of two that find the same dead lock, one gets it.
            os.rename(self.folder, aside)
        except OSError:
            return
        step = _read(os.path.join(aside, "step"))
        # The number may have been given away since.
        if step.isdigit() and os.path.dirname(os.path.dirname(self.folder)) in _command_line(int(step)):
            os.killpg(int(step), signal.SIGKILL)
        shutil.rmtree(aside, ignore_errors=True)


def identity(pid):
    # type: (int) -> str
    """Return who a process is: pid, machine and start; without a start when there is no such process."""
    return "{0} {1} {2}".format(pid, platform.node(), _started(pid))


def _started(pid):
    # type: (int) -> str
    if sys.platform == "win32":
        return _started_on_windows(pid)
    if sys.platform.startswith("linux"):
        fields = _read("/proc/{0}/stat".format(pid)).rpartition(") ")[2].split()
        return fields[19] if len(fields) > 19 else ""
    return _ps(pid, "lstart=")


def _command_line(pid):
    # type: (int) -> str
    if sys.platform.startswith("linux"):
        return _read("/proc/{0}/cmdline".format(pid))
    return "" if sys.platform == "win32" else _ps(pid, "command=")


def _ps(pid, what):
    # type: (int, str) -> str
    command = ["ps", "-o", what, "-p", str(pid)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, env=dict(os.environ, TZ="UTC", LC_ALL="C"), universal_newlines=True
    )
    return str(process.communicate()[0]).rstrip("\n")


def _started_on_windows(pid):
    # type: (int) -> str
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        process = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        times = [ctypes.c_ulonglong() for _ in range(4)]
        known = process and kernel.GetProcessTimes(process, *[ctypes.byref(each) for each in times])
        if process:
            kernel.CloseHandle(process)
        if known:
            # In units of 100 ns since 1601.
            return str(times[0].value // 10000000 - 11644473600)
    return ""


def _read(file):
    # type: (str) -> str
    try:
        with open(file, "rb") as stream:
            return str(stream.read().decode("utf-8", "replace")).rstrip("\n")
    except (IOError, OSError, UnicodeError):
        return ""


def _locked(folder, pid):
    # type: (str, str) -> Refusal
    return Refusal(
        "install.locked",
        "Another start is making the environment {0} (process {1}).".format(
            os.path.dirname(os.path.dirname(folder)), pid or "unknown"
        ),
        fix="wait until it is done, then start again",
        exit_code=LOCKED,
    )
