"""The lock on a prefix, from Python; tests/shell has it from the script."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.effects.lock import InstallLock, identity
from imjoy.effects.process import birth_of, find_process
from imjoy.model.errors import ImJoyError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where the lock of a prefix goes."""
    return tmp_path / "prefix" / ".imjoy" / "install.lock"


def test_a_lock_is_there_while_it_is_held_and_gone_afterwards(folder: Path) -> None:
    with InstallLock(folder):
        assert (folder / "owner").read_text().strip() == identity(os.getpid())
    assert not folder.exists()


def test_a_live_owner_is_named(folder: Path) -> None:
    with InstallLock(folder), pytest.raises(ImJoyError) as caught, InstallLock(folder):
        pass
    assert caught.value.id == "install.locked"
    assert str(os.getpid()) in caught.value.what


@pytest.mark.parametrize(
    "owner",
    ["", f"4194303 {platform.node()} 1", f"{os.getpid()} elsewhere 1", "not a number"],
    ids=["nobody", "a process that is gone", "a number used again", "not a number"],
)
def test_a_dead_owner_is_taken_over(folder: Path, owner: str) -> None:
    folder.mkdir(parents=True)
    (folder / "owner").write_text(owner)
    with InstallLock(folder):
        assert (folder / "owner").read_text().strip() == identity(os.getpid())
    assert list(folder.parent.iterdir()) == []


def test_what_a_dead_owner_left_running_is_ended(folder: Path) -> None:
    prefix = folder.parent.parent
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()", str(prefix)], stdin=subprocess.PIPE) as left:
        birth = birth_of(left.pid)
        (folder / "step").write_text(f"{left.pid}\n")
        with InstallLock(folder):
            left.wait(10)
            assert find_process(left.pid, birth) is None


def test_a_process_of_somebody_else_with_that_number_is_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        (folder / "step").write_text(f"{other.pid}\n")
        with InstallLock(folder):
            assert other.poll() is None
        other.communicate(b"\n")
