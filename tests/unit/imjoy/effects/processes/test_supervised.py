"""A command that is ended has ended, with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from imjoy.effects.processes import supervised
from imjoy.effects.processes.process import kill_group
from imjoy.effects.processes.supervised import Supervised, end_session

pytestmark = [
    pytest.mark.usefixtures("here_and_on_a_mac"),
    pytest.mark.skipif(sys.platform == "win32", reason="there a Job object does it"),
]

WAIT_SECONDS = 20
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(600)
"""


def start(tmp_path: Path) -> tuple[Supervised, psutil.Process]:
    """Start a shell that ends as soon as it is asked to, and in it something that does not."""
    noted = tmp_path / "pid"
    words = ["sh", "-c", '"$0" -c "$1" "$2" & wait', sys.executable, STUBBORN, str(noted)]
    command = Supervised(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, environ=os.environ)
    while not noted.exists():
        time.sleep(0.01)
    return command, psutil.Process(int(noted.read_text()))


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended; its parent may not have looked yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_what_does_not_end_when_it_is_asked_is_gone_when_end_returns(tmp_path: Path) -> None:
    command, stubborn = start(tmp_path)
    command.end()
    assert is_gone(stubborn)


def test_so_it_is_when_somebody_else_ends_the_session(tmp_path: Path) -> None:
    command, stubborn = start(tmp_path)
    end_session(command.pid)
    command.end()
    # Nobody but us looks after the leader, so whether the others are gone by now cannot be known.
    psutil.wait_procs([stubborn], timeout=30)
    assert is_gone(stubborn)


def test_a_clock_that_is_set_back_lets_nothing_run_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = "import itertools, time; time.time = itertools.count(0, -60).__next__\n"
    monkeypatch.setattr(supervised, "SUPERVISOR", clock + supervised.SUPERVISOR)
    monkeypatch.setattr(supervised, "GRACE_SECONDS", 0.2)
    noted = tmp_path / "pid"
    words = [sys.executable, "-c", STUBBORN, str(noted)]
    command = Supervised(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, environ=os.environ)
    while not noted.exists():
        time.sleep(0.01)
    # As the system does when this process dies.
    command._close()
    try:
        assert command.wait(WAIT_SECONDS) == -signal.SIGKILL
    finally:
        command.end()


def test_a_group_of_which_only_a_zombie_is_left_has_ended_and_is_no_error() -> None:
    """On a Mac that is EPERM."""
    process = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    deadline = time.monotonic() + 60
    # Nothing tells that it has ended and leaves it a zombie: os.waitid is not everywhere.
    while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    end_session(process.pid)
    kill_group(process)
    assert process.returncode == 0
