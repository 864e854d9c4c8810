"""A first start on an old Python that is interrupted, killed, or out of room, and the start after it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kit.channel_server import ChannelServer

from imjoy.effects.disk.lock import identity

from .conftest import NO_INDEX, OldHost

WAIT_SECONDS = 180
pytestmark = pytest.mark.timeout(600)


def test_a_live_start_is_waited_for_not_disturbed(conda_host: OldHost) -> None:
    lock = conda_host.prefix.parent / ".imjoy.imjoy" / "lock"
    lock.mkdir(parents=True)
    (lock / "owner").write_text(identity(os.getpid()) + "\n")
    done = conda_host.run("start")
    assert done.returncode == 7, done.stderr
    assert f"process {os.getpid()}" in done.stderr


@pytest.fixture
def begun(conda_host: OldHost, channel: ChannelServer) -> Iterator[subprocess.Popen[str]]:
    """A first start in the middle of a download."""
    channel.stall.set()
    process = conda_host.start("start")
    assert channel.stalled.wait(WAIT_SECONDS)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_takes_back_what_it_made(
    conda_host: OldHost, begun: subprocess.Popen[str], channel: ChannelServer, wheels: Path, number: int
) -> None:
    # A terminal tells the whole group of Ctrl-C; whoever sends TERM tells one process.
    if number == signal.SIGINT:
        os.killpg(begun.pid, number)
    else:
        begun.send_signal(number)
    _, said = begun.communicate(timeout=WAIT_SECONDS)
    assert begun.returncode == 130, said
    assert not conda_host.prefix.exists()
    # So the next start is a first one.
    assert not list(conda_host.prefix.parent.iterdir())
    assert not (conda_host.home / "ImJoyApp").is_symlink()
    if "IMJOY_EVERY_STEP" in os.environ:
        # What conda keeps lies elsewhere, and may be half a package.
        channel.stall.clear()
        again = conda_host.run("start", **NO_INDEX, PIP_FIND_LINKS=str(wheels))
        assert "building imjoy" in again.stderr
        assert again.returncode == 4, again.stderr


def test_after_a_kill_the_next_start_takes_over_and_offline_the_one_after_it_goes_on(
    conda_host: OldHost, begun: subprocess.Popen[str], channel: ChannelServer, wheels: Path
) -> None:
    os.killpg(begun.pid, signal.SIGKILL)
    begun.communicate(timeout=WAIT_SECONDS)
    assert (conda_host.prefix.parent / ".imjoy.imjoy" / "record.json").exists()
    channel.stall.clear()
    # py-rattler is there, and what building imjoy needs is not.
    little = {**NO_INDEX, "PIP_FIND_LINKS": str(wheels)}
    again = conda_host.run("start", **little)
    assert "building imjoy" in again.stderr
    assert again.returncode == 4, again.stderr
    fetched = [path for path in channel.asked if path.endswith(".conda")]
    assert fetched
    assert conda_host.run("start", **little).returncode == 4
    # The packages that had come were kept.
    assert [path for path in channel.asked if path.endswith(".conda")] == fetched


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a file system in memory, with these options, for as long as the test takes."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("file systems cannot be mounted here")
        return folder

    yield mount
    subprocess.run(["umount", folder], capture_output=True, check=False)


def test_a_disk_without_room_is_refused_before_anything_is_written(
    conda_host: OldHost, mounted: Callable[[str], Path]
) -> None:
    disk = mounted("size=64m")
    done = conda_host.run("start", CONDA_ENVS_PATH=str(disk))
    assert done.returncode == 3, done.stderr
    assert "free some space" in done.stderr
    assert list(disk.iterdir()) == []


def test_a_disk_that_fills_up_is_told_and_emptied_again(
    conda_host: OldHost, mounted: Callable[[str], Path]
) -> None:
    disk = mounted("size=2g,nr_inodes=200")
    done = conda_host.run("start", CONDA_ENVS_PATH=str(disk))
    assert done.returncode == 1, done.stderr
    assert "host.disk" in done.stderr
    assert list(disk.iterdir()) == []
