"""Ends everything that a process started, whatever that did to get away: for plugins and for builds."""

import contextlib
import os
import signal
import sys
import time
from typing import Dict, List

# Where nobody adopts orphans, what was detached is known by a variable that it inherited, where its system shows those.
MARK = "_IMJOY_FAMILY"
MARKS = sys.platform == "darwin"
PS_WITH_VARIABLES = ("-A", "-E", "-ww", "-o", "pid=", "-o", "command=")
KILL_SECONDS = 3.0
POLL_SECONDS = 0.002


def kill_children() -> None:
    """Kill our children and theirs as they become ours, until there is none, or none has ended for ``KILL_SECONDS``.

    Those that belong to another account are left. Without :func:`.orphans.adopt_orphans` only children are killed.
    """
    deadline = time.monotonic() + KILL_SECONDS
    spared = []  # type: List[int]
    while time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid:
            deadline = time.monotonic() + KILL_SECONDS
            continue
        children = [pid for pid, parent in parents().items() if parent == os.getpid() and pid not in spared]
        if spared and not children:
            return
        spared += kill(children)
        time.sleep(POLL_SECONDS)


def kill(pids: List[int]) -> List[int]:
    """Kill processes; return those that are not ours to kill."""
    refused = []
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        except PermissionError:
            refused.append(pid)
    return refused


def kill_group(group: int) -> None:
    """Kill a process group; one that has gone, or of which only zombies are left (EPERM on macOS), is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def descendants(ancestor: int) -> List[int]:
    """Return the processes whose parents lead to ``ancestor``."""
    parent_of = parents()
    found = [ancestor]
    for each in found:
        found.extend(pid for pid, parent in parent_of.items() if parent == each and pid not in found)
    return found[1:]


def marked(mark: str) -> List[int]:
    """Return the processes that have inherited ``mark``, as far as the system shows their variables."""
    if not MARKS:
        return []
    entry = " {}={}".format(MARK, mark)
    lines = [line for line in _ps(*PS_WITH_VARIABLES) if entry in line]
    return [int(line.split()[0]) for line in lines]


def parents() -> Dict[int, int]:
    """Return the parent of each process, as far as the system tells us."""
    if os.path.exists("/proc/self/stat"):
        return _parents_of_proc()
    return _parents_of_ps()


def _parents_of_proc() -> Dict[int, int]:
    parent_of = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open("/proc/" + name + "/stat", "rb") as file:
                # proc(5): the second field may hold anything, in brackets.
                parent_of[int(name)] = int(file.read().rpartition(b") ")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
    return parent_of


def _parents_of_ps() -> Dict[int, int]:
    parent_of = {}
    for line in _ps("-A", "-o", "pid=", "-o", "ppid="):
        words = line.split()
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit():
            parent_of[int(words[0])] = int(words[1])
    return parent_of


def _ps(*options: str) -> List[str]:
    import subprocess

    try:
        output = subprocess.check_output(
            ("ps",) + options, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=KILL_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return output.decode("utf-8", "replace").splitlines()
