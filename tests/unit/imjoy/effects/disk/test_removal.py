"""Removing: read-only files, links, long names, what is open, and on Windows what this process itself runs from."""

from __future__ import annotations

import ctypes
import shutil
import stat
import sys
from pathlib import Path

import pytest

from imjoy.effects.disk.removal import InUse, remove
from imjoy.effects.machine.windows import long_name

ON_WINDOWS = pytest.mark.skipif(sys.platform != "win32", reason="needs Windows")


def test_a_folder_goes_with_all_that_is_in_it_and_what_is_not_there_is_gone(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").touch()
    remove(tmp_path / "a")
    remove(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_read_only_goes(tmp_path: Path) -> None:
    file = tmp_path / "a" / "file"
    file.parent.mkdir()
    file.touch()
    file.chmod(stat.S_IREAD)
    remove(file.parent)
    assert not file.parent.exists()


def test_what_a_link_names_stays(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").write_text("mine")
    (tmp_path / "ours").mkdir()
    link = tmp_path / "ours" / "link"
    if sys.platform == "win32":
        import _winapi

        try:
            _winapi.CreateJunction(str(tmp_path / "theirs"), str(link))
        except OSError as error:
            pytest.skip(f"this Windows makes no junctions: {error}")
    else:
        link.symlink_to(tmp_path / "theirs")
    remove(tmp_path / "ours")
    assert not (tmp_path / "ours").exists()
    assert (tmp_path / "theirs" / "thesis.tex").read_text() == "mine"


def test_a_folder_that_we_stand_in_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    remove(tmp_path / "here")
    assert not (tmp_path / "here").exists()


@ON_WINDOWS
def test_names_of_more_than_260_characters_go(tmp_path: Path) -> None:
    deep = Path(long_name(tmp_path / "a" / ("b" * 150) / ("c" * 150)))
    deep.mkdir(parents=True)
    (deep / "file").touch()
    remove(tmp_path / "a")
    assert not (tmp_path / "a").exists()


@ON_WINDOWS
def test_a_file_that_is_open_is_named_and_the_rest_goes(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "other").touch()
    with (folder / "open.txt").open("w") as held:
        held.write("x")
        with pytest.raises(InUse, match=r"a\\open.txt: in use"):
            remove(folder)
        assert [each.name for each in folder.iterdir()] == ["open.txt"]
    remove(folder)
    assert not folder.exists()


@ON_WINDOWS
def test_what_this_process_was_loaded_from_is_moved_out_of_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, script_folder = tmp_path / "a", tmp_path / "script"
    folder.mkdir()
    script_folder.mkdir()
    monkeypatch.setenv("IMJOY_DOOR_FOLDER", str(script_folder))
    library = Path(shutil.copy(Path(sys.base_prefix, "DLLs", "_queue.pyd"), folder))
    loaded = ctypes.CDLL(str(library))
    remove(folder)
    assert not folder.exists()
    assert len(list(script_folder.rglob("*"))) == 2
    assert loaded
