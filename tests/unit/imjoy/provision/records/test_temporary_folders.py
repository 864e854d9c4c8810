"""What install scripts that were killed have left goes; what is in use, or somebody else's, stays."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from imjoy.effects.disk.lock import identity
from imjoy.provision.records.temporary_folders import STARTING_SECONDS, note_user, places, remove_abandoned

HERE = platform.node()
LONG_AGO = time.time() - 2 * STARTING_SECONDS


@pytest.fixture(scope="module")
def ended() -> str:
    """Return who a process was that has ended."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        who = identity(process.pid)
        process.communicate(b"\n")
    return who


def folder(place: Path, name: str, user: str = "") -> Path:
    """Make a folder as an install script does; ``user`` is who used it."""
    made = place / name
    (made / "python" / "bin").mkdir(parents=True)
    if user:
        (made / "planner").write_text(user + "\n")
    os.utime(made, (LONG_AGO, LONG_AGO))
    return made


def test_what_nobody_uses_goes(tmp_path: Path, ended: str) -> None:
    pid = ended.partition(" ")[0]
    folder(tmp_path, f"imjoy-door-{HERE}-{pid}-aX09")
    folder(tmp_path, f".imjoy-door-{HERE}-{pid}-k3_y", user=ended)
    remove_abandoned([tmp_path, tmp_path / "nowhere"])
    assert list(tmp_path.iterdir()) == []


def test_what_may_be_in_use_stays(tmp_path: Path, ended: str) -> None:
    pid = ended.partition(" ")[0]
    kept = [
        # Its script runs; what the script started does; the script may just have started one; all on another machine.
        folder(tmp_path, f"imjoy-door-{HERE}-{os.getpid()}-aX09"),
        folder(tmp_path, f"imjoy-door-{HERE}-{pid}-used", user=identity(os.getpid())),
        folder(tmp_path, f"imjoy-door-{HERE}-{pid}-new"),
        folder(tmp_path, f"imjoy-door-other-{HERE}-{pid}-aX09"),
    ]
    os.utime(kept[2])
    kept += [folder(tmp_path, f"imjoy-door-{HERE}-{pid}"), folder(tmp_path, "thesis")]
    (tmp_path / f"imjoy-door-{HERE}-{pid}-file").touch()
    if sys.platform != "win32":
        (tmp_path / f"imjoy-door-{HERE}-{pid}-link").symlink_to(tmp_path / "thesis")
    before = sorted(tmp_path.rglob("*"))
    remove_abandoned([tmp_path])
    assert sorted(tmp_path.rglob("*")) == before


def test_on_a_mac_whose_name_has_changed_its_own_temporary_folder_is_swept_and_no_other(
    ended: str, a_mac: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = a_mac / "shared"
    shared.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(a_mac))
    name = f"imjoy-door-adas-mac.cafe.example-{ended.partition(' ')[0]}-aX09"
    ours, elsewhere = folder(a_mac, name), folder(shared, name)
    remove_abandoned([a_mac, shared])
    assert (ours.exists(), elsewhere.exists()) == (False, True)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give files away")
def test_another_person_s_stays(tmp_path: Path, ended: str) -> None:
    theirs = folder(tmp_path, f"imjoy-door-{HERE}-{ended.partition(' ')[0]}-aX09")
    os.chown(theirs, 12345, 12345)
    remove_abandoned([tmp_path])
    assert theirs.exists()


def test_the_user_of_a_folder_is_noted(tmp_path: Path) -> None:
    note_user(tmp_path)
    assert (tmp_path / "planner").read_text().strip() == identity(os.getpid())
    note_user(tmp_path / "nowhere")


def test_scripts_make_them_in_the_temporary_folder_and_beside_the_prefix(tmp_path: Path) -> None:
    assert places(tmp_path / "a" / "b" / "ImJoyApp")[-1] == tmp_path
