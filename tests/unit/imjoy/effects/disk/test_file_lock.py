from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.effects.disk import file_lock
from imjoy.effects.disk.file_lock import take_lock

HOLD = """
import sys
from pathlib import Path
from imjoy.effects.disk.file_lock import take_lock
lock = take_lock(Path(sys.argv[1]))
print(lock is not None, flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_by_one_until_it_is_released(tmp_path: Path) -> None:
    first = take_lock(tmp_path / "lock")
    assert first is not None
    assert take_lock(tmp_path / "lock") is None
    first.release()
    first.release()
    second = take_lock(tmp_path / "lock")
    assert second is not None
    second.release()


def test_a_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert take_lock(tmp_path / "lock") is None
        holder.kill()
    lock = take_lock(tmp_path / "lock")
    assert lock is not None
    lock.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_has_the_file_open_too_keeps_no_lock_that_was_released(tmp_path: Path) -> None:
    lock = take_lock(tmp_path / "lock")
    assert lock is not None
    ends, end = os.pipe()
    child = os.fork()
    if not child:
        os.close(end)
        os.read(ends, 1)
        os._exit(0)
    lock.release()
    again = take_lock(tmp_path / "lock")
    os.close(ends)
    os.close(end)
    os.waitpid(child, 0)
    assert again is not None
    again.release()


def test_it_is_the_lock_that_engines_before_0_12_take(tmp_path: Path) -> None:
    theirs = pytest.importorskip("filelock", reason="filelock is not here")
    with theirs.FileLock(tmp_path / "lock"):
        assert take_lock(tmp_path / "lock") is None
    ours = take_lock(tmp_path / "lock")
    assert ours is not None
    with pytest.raises(theirs.Timeout):
        theirs.FileLock(tmp_path / "lock").acquire(timeout=0)
    ours.release()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted there")
def test_a_file_that_is_deleted_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = file_lock._locked
    descriptors: list[int] = []

    def delete_first(descriptor: int) -> bool:
        if not descriptors:
            (tmp_path / "lock").unlink()
        descriptors.append(descriptor)
        return real(descriptor)

    monkeypatch.setattr(file_lock, "_locked", delete_first)
    lock = take_lock(tmp_path / "lock")
    assert lock is not None
    assert take_lock(tmp_path / "lock") is None, "whoever comes next finds the same file"
    lock.release()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes in folders there")
def test_what_is_no_file_is_no_lock(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(OSError, match="It is no file"):
        take_lock(tmp_path / "lock")


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        take_lock(tmp_path / "nowhere" / "lock")
