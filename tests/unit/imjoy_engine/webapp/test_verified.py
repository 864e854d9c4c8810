from __future__ import annotations

import os
from pathlib import Path

import pytest

from imjoy_engine.webapp import verified
from imjoy_engine.webapp.verified import is_verified, note_verified


@pytest.fixture
def library(tmp_path: Path) -> Path:
    file = tmp_path / "core" / "1.0" / "core.js"
    file.parent.mkdir(parents=True)
    file.write_text("code")
    assert not is_verified(tmp_path)
    note_verified(tmp_path, [file])
    assert is_verified(tmp_path)
    return file


def test_a_file_that_was_changed_is_to_be_verified_again(library: Path, tmp_path: Path) -> None:
    os.utime(library, (1, 1))
    assert not is_verified(tmp_path)


def test_a_file_that_is_gone_is_to_be_fetched_again(library: Path, tmp_path: Path) -> None:
    library.unlink()
    assert not is_verified(tmp_path)


def test_another_list_of_packages_is_to_be_verified(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "packages.toml").write_text("")
    monkeypatch.setattr(verified, "PACKAGES_FILE", tmp_path / "packages.toml")
    assert not is_verified(tmp_path)


@pytest.mark.parametrize("broken", ["", "[]", "{}", '{"packages": 1', '{"files": {}}', "\xff"])
def test_a_note_that_is_none_verifies_nothing(broken: str, library: Path, tmp_path: Path) -> None:
    (tmp_path / verified.NOTE_NAME).write_text(broken, encoding="latin-1")
    assert not is_verified(tmp_path)


def test_a_folder_that_cannot_be_written_is_verified_each_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    note_verified(tmp_path / "file", [])
    assert not is_verified(tmp_path / "file")
