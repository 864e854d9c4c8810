"""Snapshots of what an upgrade replaced: which one is gone back to, and which are removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imjoy.upgrade.steps.snapshots import Snapshot, newest_snapshot, next_folder, sweep_snapshots, write_facts


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a folder with three snapshots, of 1.0, 2.0 and 3.0."""
    for number in (1, 2, 3):
        folder = tmp_path / "snapshots" / f"{number:04d}"
        folder.mkdir(parents=True)
        write_facts(Snapshot(folder, f"{number}.0", "git+https://example.org/imjoy", "id", {}, ()), folder)
    return tmp_path


def kept(home: Path) -> list[str]:
    """Return the names of the snapshots that are there."""
    return sorted(folder.name for folder in (home / "snapshots").iterdir())


def test_the_newest_two_stay_and_a_half_written_one_does_not(home: Path) -> None:
    (home / "snapshots" / "0004" / "layer").mkdir(parents=True)
    sweep_snapshots(home)
    assert kept(home) == ["0002", "0003"]


def test_a_snapshot_of_a_later_version_with_more_facts_is_gone_back_to(home: Path) -> None:
    file = home / "snapshots" / "0003" / "facts.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "later": True}))
    newest = newest_snapshot(home)
    assert newest is not None
    assert newest.version == "3.0"


def test_a_snapshot_that_cannot_be_read_now_is_neither_removed_nor_written_over(home: Path) -> None:
    (home / "snapshots" / "0003" / "facts.json").write_text("")
    sweep_snapshots(home)
    assert kept(home) == ["0002", "0003"]
    assert next_folder(home).name == "0004"
