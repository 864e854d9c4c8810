"""Two prefixes of one account, which has one entry for all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imjoy.desktop.entries import Desktop
from imjoy.desktop.operations import (
    RECORD_NAME,
    add_entry,
    recorded_files_of_desktop,
    remove_recorded,
    set_autostart,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows writes its shortcut itself")
PROGRAMS = {"linux": "bin/imjoy", "darwin": "bin/imjoy", "win32": "Scripts/pythonw.exe"}


@pytest.fixture(autouse=True)
def powershell_double(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have a double of PowerShell write the shortcut."""

    def write(*_: object, **__: object) -> None:
        next(tmp_path.glob("AppData/Roaming/**/Programs")).joinpath("ImJoy.lnk").write_bytes(b"L")

    monkeypatch.setattr("imjoy.effects.processes.process.ask", write)


def put_in(prefix: Path, system: str) -> list[Path]:
    """Make a prefix, put it into the menu and have it start at login; return the files of that."""
    command = prefix / PROGRAMS[system]
    command.parent.mkdir(parents=True)
    command.touch()
    (prefix / ".imjoy").mkdir()
    desktop = Desktop(prefix.parent, {}, system, (str(command),), (), b"\x89PNG")
    made = add_entry(desktop, prefix, dry_run=False).files
    if system == "win32":
        return [*made]  # at login a value of the registry starts it
    return [*made, *set_autostart(desktop, prefix, on=True, dry_run=False).files]


@pytest.mark.parametrize("system", PROGRAMS)
def test_what_another_prefix_has_written_over_is_not_removed(system: str, tmp_path: Path) -> None:
    first, second = tmp_path / "First", tmp_path / "First 2"
    put_in(first, system)
    files = put_in(second, system)
    assert recorded_files_of_desktop(first) == ()
    remove_recorded(first)
    assert all(each.exists() for each in files)
    remove_recorded(second)
    assert not any(each.exists() or each.is_symlink() for each in files)


def test_a_record_of_before_there_was_a_file_that_tells_what_windows_starts_claims_nothing_of_another(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "First", tmp_path / "Second"
    put_in(first, "win32")
    record = first / ".imjoy" / RECORD_NAME
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(each for each in lines if "starts.txt" not in each))
    files = put_in(second, "win32")
    assert recorded_files_of_desktop(first) == ()
    remove_recorded(first)
    assert all(each.exists() for each in files)


@pytest.mark.parametrize("system", PROGRAMS)
def test_what_starts_a_prefix_that_is_gone_is_removed(system: str, tmp_path: Path) -> None:
    put_in(tmp_path / "First", system)
    files = put_in(tmp_path / "Second", system)
    (tmp_path / "Second" / PROGRAMS[system]).unlink()
    remove_recorded(tmp_path / "First")
    assert not any(each.exists() or each.is_symlink() for each in files)
