"""The lock on a prefix, from Python; tests/shell has it from the script."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.effects.disk import lock
from imjoy.effects.disk.lock import InstallLock, identity
from imjoy.effects.processes.process import birth_of, find_process
from imjoy.model.errors import ImJoyError

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the lock of a prefix goes."""
    return tmp_path / "prefix" / ".imjoy" / "install.lock"


def test_a_lock_is_there_while_it_is_held_and_gone_afterwards(folder: Path) -> None:
    with InstallLock(folder, folder.parent.parent):
        assert (folder / "owner").read_text().strip() == identity(os.getpid())
    assert not folder.exists()


def test_a_live_owner_is_named(folder: Path) -> None:
    with (
        InstallLock(folder, folder.parent.parent),
        pytest.raises(ImJoyError) as caught,
        InstallLock(folder, folder.parent.parent),
    ):
        pass
    assert caught.value.id == "install.locked"
    assert str(os.getpid()) in caught.value.what


def test_an_owner_that_may_not_be_looked_at_is_alive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an administrator's is on Windows, and another's where /proc hides processes (hidepid)."""
    folder.mkdir(parents=True)
    (folder / "owner").write_text(f"{os.getpid()} {platform.node()} 1")
    monkeypatch.setattr(lock, "_started", lambda pid: "")
    monkeypatch.setattr(lock, "_is_hidden", lambda pid: pid == os.getpid())
    with pytest.raises(ImJoyError) as caught, InstallLock(folder, folder.parent.parent):
        pass
    assert caught.value.id == "install.locked"


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="needs to become somebody else")
def test_a_process_of_somebody_else_is_hidden_and_one_of_ours_or_none_is_not() -> None:
    program = f"import os\nfrom imjoy.effects.disk import lock\nos.setuid(65534)\nprint(lock._is_hidden({os.getpid()}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    assert not lock._is_hidden(os.getpid())
    assert not lock._is_hidden(4194303)


@pytest.mark.parametrize(
    "owner",
    ["", f"4194303 {platform.node()} 1", f"{os.getpid()} elsewhere 1", "not a number"],
    ids=["nobody", "a process that is gone", "a number used again", "not a number"],
)
def test_a_dead_owner_is_taken_over(folder: Path, owner: str) -> None:
    folder.mkdir(parents=True)
    (folder / "owner").write_text(owner)
    with InstallLock(folder, folder.parent.parent):
        assert (folder / "owner").read_text().strip() == identity(os.getpid())
    assert list(folder.parent.iterdir()) == []


def test_what_a_dead_owner_left_running_is_ended_with_its_children(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    told = tmp_path / "pid"
    program = (
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(told)!r}).write_text(str(child.pid))\n"
        "print(flush=True); child.wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
    ) as left:
        assert left.stdout is not None
        left.stdout.readline()
        child = int(told.read_text())
        births = {pid: birth_of(pid) for pid in (left.pid, child)}
        (folder / "step").write_text(f"{identity(left.pid)}\n")
        with InstallLock(folder, tmp_path):
            left.wait(10)
            assert all(find_process(pid, birth) is None for pid, birth in births.items())


def test_a_process_of_somebody_else_with_that_number_is_left_alone(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (folder / "step").write_text(f"{other.pid} {platform.node()} 1\n")
        with InstallLock(folder, tmp_path):
            assert other.poll() is None
        other.communicate(b"\n")


def test_a_machine_that_changed_its_name_knows_its_own_lock(folder: Path, tmp_path: Path) -> None:
    """A Mac is called after the network that it is in."""
    folder.mkdir(parents=True)
    pid, _, started = identity(os.getpid()).split(" ", 2)
    (folder / "owner").write_text(f"{pid} elsewhere.local {started}")
    with pytest.raises(ImJoyError) as caught, InstallLock(folder, tmp_path):
        pass
    assert caught.value.id == "install.locked"


def test_a_lock_whose_owner_a_power_cut_wrote_as_nothing_is_taken_over(folder: Path, tmp_path: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "owner").write_bytes(bytes(40))
    with InstallLock(folder, tmp_path):
        assert (folder / "owner").read_text().strip() == identity(os.getpid())
