"""The end of a log file, and what is added to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.engines.logs import follow_log, tail_log
from imjoy.model.errors import ImJoyError


def test_the_tail_has_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("1\n2\n3\n")
    assert tail_log(log, 2) == ["2", "3"]
    assert tail_log(log, 0) == []


def test_no_log_yet_is_told(tmp_path: Path) -> None:
    with pytest.raises(ImJoyError) as caught:
        tail_log(tmp_path / "log", 1)
    assert caught.value.id == "log.none"


def test_what_is_no_log_is_told_and_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(ImJoyError) as caught:
        tail_log(tmp_path, 1)
    assert caught.value.id == "log.unreadable"
    assert caught.value.fix


def test_following_gives_what_is_written_later_and_waits_for_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1\n2\n")
    lines = follow_log(log, 1)
    assert next(lines) == "2"
    with log.open("ab") as file:
        file.write(b"3\n4")
    assert next(lines) == "3"
    with log.open("ab") as file:
        file.write(b"4\n")
    assert next(lines) == "44"


def test_following_goes_on_in_the_new_file_after_a_rotation(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1\n")
    lines = follow_log(log, 1)
    assert next(lines) == "1"
    log.rename(tmp_path / "log.1")
    log.write_bytes(b"new\n")
    assert next(lines) == "new"
