"""Whether the locks of a shared file system keep two engines apart."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError

fcntl = pytest.importorskip("fcntl", reason="clusters are not made of Windows")

from imjoy_engine.launchers import shared_folder  # noqa: E402


def test_a_disk_that_keeps_locks_is_taken_and_nothing_is_left_there(tmp_path: Path) -> None:
    shared_folder.check_locks(tmp_path)
    assert not any(tmp_path.iterdir())


def test_an_engine_on_windows_has_no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ImJoyError, match="An engine on Windows") as caught:
        shared_folder.check_locks(tmp_path)
    assert caught.value.id == "cluster.missing"


def test_a_disk_that_grants_every_lock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda file, how: None)
    with pytest.raises(ImJoyError) as caught:
        shared_folder.check_locks(tmp_path)
    assert caught.value.id == "cluster.locks"
    assert "a second lock" in caught.value.why


def test_a_disk_that_knows_no_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: object, how: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(ImJoyError) as caught:
        shared_folder.check_locks(tmp_path)
    assert os.strerror(errno.ENOSYS) in caught.value.why


@pytest.mark.parametrize(
    ("mount", "refused"),
    [
        ("server:/home {} nfs4 rw,vers=4.2,hard,local_lock=none 0 0", False),
        ("server:/home {} nfs rw,vers=3,nolock 0 0", True),
        ("server:/home {} nfs rw,vers=3,local_lock=all 0 0", True),
        ("server:/home {}-other nfs rw,vers=3,nolock 0 0", False),
        ("/dev/sda1 {} ext4 rw,relatime 0 0", False),
    ],
)
def test_what_a_mount_keeps_to_this_machine_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mount: str, refused: bool
) -> None:
    mounts = tmp_path / "mounts"
    home = tmp_path / "home"
    home.mkdir()
    mounts.write_text("/dev/root / ext4 rw 0 0\n" + mount.format(home.resolve()) + "\n")
    monkeypatch.setattr(shared_folder, "MOUNTS", mounts)
    if refused:
        with pytest.raises(ImJoyError) as caught:
            shared_folder.check_locks(home)
        assert "it is mounted with" in caught.value.why
    else:
        shared_folder.check_locks(home)
