"""What can go wrong on an old Python, and what a person then reads."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.kit.channel_server import ChannelServer

from imjoy.effects.lock import identity
from imjoy.legacy.sentence import install_line
from imjoy_engine.environments.spec import this_platform

from .conftest import NO_INDEX, OldHost

WAIT_SECONDS = 60


def lock_file(host: OldHost) -> Path:
    """Return the rendered lock of this platform."""
    return host.package / "locks" / f"conda-{this_platform()}.lock"


def content(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder."""
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_without_a_conda_it_says_how_to_get_one_and_changes_nothing(old_host: OldHost) -> None:
    before = content(old_host.home)
    done = old_host.run("start", "--port", "0")
    assert done.returncode == 3
    assert install_line("linux") in done.stderr
    assert content(old_host.home) == before


def test_the_refusal_is_also_a_document(old_host: OldHost) -> None:
    done = old_host.run("start", "--json")
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert (error["id"], error["exit_code"]) == ("old.no-conda", 3)


def test_a_conda_that_does_not_answer_is_named(old_host: OldHost, tmp_path: Path) -> None:
    conda = tmp_path / "conda"
    conda.write_text("#!/bin/sh\nexit 7\n")
    conda.chmod(0o755)
    done = old_host.run("start", CONDA_EXE=str(conda))
    assert done.returncode == 3
    assert f"{conda} does not answer (exit code 7)" in done.stderr


@pytest.mark.parametrize("variable", ["CONDA_EXE", "PATH"])
def test_conda_is_found_where_it_says_it_is(conda_host: OldHost, tmp_path: Path, variable: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (conda_host.home / "miniconda3").rename(elsewhere)
    command = elsewhere / "bin" / "conda"
    lines = command.read_text().split("\n", 1)
    command.unlink()
    command.write_text(f"#!{elsewhere}/bin/python\n{lines[1]}")
    command.chmod(0o755)
    wrong_checksums(conda_host)
    value = str(command) if variable == "CONDA_EXE" else f"{elsewhere}/bin:{os.environ['PATH']}"
    done = conda_host.run("start", **{variable: value})
    assert f"making the environment {elsewhere}/envs/imjoy" in done.stderr


def wrong_checksums(host: OldHost) -> None:
    """Have the lock name other checksums than the channel's packages have: a start ends there."""
    lock = host.package / "locks" / "conda-lock.yml"
    lock.write_text(re.sub(r"sha256: [0-9a-f]{64}", "sha256: " + "0" * 64, lock.read_text()))


def test_a_package_that_is_not_what_the_lock_says_stops_everything(conda_host: OldHost) -> None:
    wrong_checksums(conda_host)
    done = conda_host.run("start")
    assert done.returncode == 6
    assert "download.checksum" in done.stderr
    assert "0" * 64 in done.stderr
    assert not (conda_host.prefix / "conda-meta").exists()
    assert not (conda_host.prefix / "bin").exists()


def test_offline_it_says_that_the_network_is_needed_and_the_next_start_goes_on(
    conda_host: OldHost, channel: ChannelServer
) -> None:
    done = conda_host.run("start", **NO_INDEX)
    assert done.returncode == 4, done.stderr
    assert "install.network" in done.stderr
    fetched = len(channel.asked)
    again = conda_host.run("start", **NO_INDEX)
    assert again.returncode == 4
    assert "making anew" in again.stderr
    assert len(channel.asked) == fetched  # the packages that had come were kept


def test_a_channel_that_cannot_be_reached_at_all_is_a_matter_of_the_network(
    conda_host: OldHost, channel: ChannelServer
) -> None:
    for file in (conda_host.package / "locks").iterdir():
        file.write_text(file.read_text().replace(channel.url, "http://127.0.0.1:9"))
    done = conda_host.run("start", CONDA_CHANNEL_ALIAS="http://127.0.0.1:9")
    assert done.returncode == 4, done.stderr
    assert "install.network" in done.stderr
    assert "having conda solve" in done.stderr


@pytest.mark.parametrize("fault", ["no lock for this platform", "a package that is gone"])
def test_where_the_lock_cannot_serve_conda_solves(
    conda_host: OldHost, channel: ChannelServer, fault: str
) -> None:
    if fault == "no lock for this platform":
        lock_file(conda_host).unlink()
    else:
        for file in (conda_host.package / "locks").iterdir():
            file.write_text(file.read_text().replace("/conda-forge/", "/elsewhere/"))
    done = conda_host.run("start", **NO_INDEX)
    assert "having conda solve and make the environment" in done.stderr
    assert "building imjoy" in done.stderr  # so the Python that was solved for runs
    assert (conda_host.prefix / "conda-meta" / "history").exists()


def test_an_environment_of_somebody_else_is_left_as_it_is(conda_host: OldHost, tmp_path: Path) -> None:
    (conda_host.prefix / "conda-meta").mkdir(parents=True)
    (conda_host.prefix / "conda-meta" / "history").write_text("theirs\n")
    before = content(conda_host.prefix)
    done = conda_host.run("start")
    assert done.returncode == 3
    assert "old.foreign" in done.stderr
    assert str(conda_host.prefix) in done.stderr
    assert content(conda_host.prefix) == before

    wrong_checksums(conda_host)
    elsewhere = conda_host.run("start", IMJOY_PREFIX=str(tmp_path / "mine"))
    assert f"making the environment {tmp_path / 'mine'}" in elsewhere.stderr


def test_an_environment_that_lost_files_of_imjoy_is_mended(finished_host: OldHost) -> None:
    [package] = finished_host.prefix.glob("lib/python3*/site-packages/imjoy_engine")
    (package / "server.py").unlink()
    done = finished_host.run("status")
    assert "installing this imjoy into the environment" in done.stderr
    assert done.returncode == 1, done.stderr  # no engine runs
    assert (package / "server.py").exists()


def test_an_environment_whose_python_is_broken_is_made_anew(finished_host: OldHost) -> None:
    [module] = finished_host.prefix.glob("lib/python3*/json/decoder.py")
    module.unlink()
    done = finished_host.run("status")
    assert "making anew" in done.stderr
    assert done.returncode == 1, done.stderr
    assert module.exists()


def test_a_live_start_is_waited_for_not_disturbed(conda_host: OldHost) -> None:
    lock = conda_host.prefix / ".imjoy" / "install.lock"
    lock.mkdir(parents=True)
    (lock / "owner").write_text(identity(os.getpid()) + "\n")
    done = conda_host.run("start")
    assert done.returncode == 7
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


def test_ctrl_c_ends_it_and_the_next_start_goes_on(
    conda_host: OldHost, begun: subprocess.Popen[str], channel: ChannelServer
) -> None:
    begun.send_signal(signal.SIGINT)
    _, said = begun.communicate(timeout=WAIT_SECONDS)
    assert begun.returncode == 130
    assert "the next start goes on from here" in said
    assert not (conda_host.prefix / ".imjoy" / "install.lock").exists()
    channel.stall.clear()
    again = conda_host.run("start", **NO_INDEX)
    assert "building imjoy" in again.stderr


def test_after_a_kill_the_next_start_takes_over(
    conda_host: OldHost, begun: subprocess.Popen[str], channel: ChannelServer
) -> None:
    begun.kill()
    begun.communicate()
    assert (conda_host.prefix / ".imjoy" / "install.lock").exists()
    channel.stall.clear()
    again = conda_host.run("start", **NO_INDEX)
    assert "building imjoy" in again.stderr


def test_a_step_that_outlived_a_kill_is_ended_by_the_next_start(conda_host: OldHost, tmp_path: Path) -> None:
    own = conda_host.prefix / ".imjoy"
    lock = own / "install.lock"
    lock.mkdir(parents=True)
    (lock / "owner").write_text(f"{2**22 + 1} {os.uname().nodename} 1\n")
    left = subprocess.Popen(
        ["sh", "-c", "sleep 100 & echo $!; wait", str(own)], stdout=subprocess.PIPE, start_new_session=True
    )
    assert left.stdout is not None
    with left.stdout:
        started = psutil.Process(int(left.stdout.readline()))
    try:
        (lock / "step").write_text(f"{left.pid}\n")
        (own / "incomplete").write_text("unfinished\n")
        conda_host.run("start", **NO_INDEX)
        assert left.wait(WAIT_SECONDS) == -signal.SIGKILL
    finally:
        if left.poll() is None:
            os.killpg(left.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs([started], timeout=WAIT_SECONDS)
    assert alive == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MiB."""
    yield from mounted(tmp_path / "small", "size=64m")


@pytest.fixture
def disk_that_fills(tmp_path: Path) -> Iterator[Path]:
    """A disk that says it has room, and is full after 200 files."""
    yield from mounted(tmp_path / "filling", "size=2g,nr_inodes=200")


def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount a file system in memory for a while."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_without_room_is_refused_before_anything_is_written(
    conda_host: OldHost, small_disk: Path
) -> None:
    done = conda_host.run("start", IMJOY_PREFIX=str(small_disk / "imjoy"))
    assert done.returncode == 3
    assert "old.disk" in done.stderr
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_fills_up_is_told_and_emptied_again(conda_host: OldHost, disk_that_fills: Path) -> None:
    done = conda_host.run("start", IMJOY_PREFIX=str(disk_that_fills / "imjoy"))
    assert done.returncode == 1, done.stderr
    assert "old.disk-full" in done.stderr
    left = {path.name for path in (disk_that_fills / "imjoy").iterdir()}
    assert left == {".imjoy"}
