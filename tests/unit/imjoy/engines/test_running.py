"""The engine's state file and token, before any engine is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kit.files import is_private

from imjoy.effects.processes.process import birth_of
from imjoy.engines import running
from imjoy.engines.running import (
    Condition,
    engine_started,
    find_engine,
    read_state,
    read_token,
    rotate_token,
    stop_engine,
)
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")

STATE = {
    "pid": 1,
    "birth": "long ago",
    "instance": "i",
    "secret": "s",
    "host": "127.0.0.1",
    "port": 1,
    "url": "http://127.0.0.1:1",
    "serve": False,
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return the paths of a workspace whose private folder is there."""
    paths = Layout(tmp_path / "prefix", tmp_path / "workspace")
    paths.private.mkdir(parents=True)
    return paths


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"pid": 1}', json.dumps({**STATE, "pid": "1"}), '{"pid": "\\ud800"}']
)
def test_what_is_no_state_file_is_no_engine(layout: Layout, content: str) -> None:
    layout.state_file.write_text(content)
    assert read_state(layout) is None
    assert find_engine(layout).condition is Condition.ABSENT


def test_fields_of_a_later_version_are_passed_over(layout: Layout) -> None:
    layout.state_file.write_text(json.dumps({**STATE, "mood": "good"}))
    state = read_state(layout)
    assert state is not None
    assert state.url == "http://127.0.0.1:1"


def test_a_pid_that_was_given_away_again_is_stale(layout: Layout) -> None:
    later = birth_of(os.getpid()) + "0"
    layout.state_file.write_text(json.dumps({**STATE, "pid": os.getpid(), "birth": later}))
    assert find_engine(layout).condition is Condition.STALE


def test_a_process_that_does_not_prove_itself_is_silent(layout: Layout) -> None:
    birth = birth_of(os.getpid())
    layout.state_file.write_text(json.dumps({**STATE, "pid": os.getpid(), "birth": birth}))
    assert find_engine(layout).condition is Condition.SILENT


def test_stop_with_nothing_there_is_no_failure(layout: Layout) -> None:
    assert stop_engine(layout).how == "none"


def test_a_missing_token_names_the_command_that_makes_one(layout: Layout) -> None:
    with pytest.raises(ImJoyError) as caught:
        read_token(layout)
    assert (caught.value.id, caught.value.fix) == ("token.none", "imjoy start")


def test_rotation_makes_another_private_token_and_drops_the_page_with_the_old_one(layout: Layout) -> None:
    layout.token_file.write_text("old\n")
    layout.welcome_file.write_text("old")
    result = rotate_token(layout)
    assert result.token == read_token(layout) != "old"
    assert len(result.token) == 43
    assert not result.restart_needed
    assert is_private(layout.token_file)
    assert not layout.welcome_file.exists()


def test_a_token_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ImJoyError) as caught:
        rotate_token(Layout(tmp_path, blocked))
    assert caught.value.id == "workspace.unwritable"


def test_of_an_engine_that_was_running_already_the_state_file_tells_the_rest(layout: Layout) -> None:
    layout.state_file.write_text(json.dumps({**STATE, "serve": True}))
    result = engine_started({"event": "running", "url": "http://127.0.0.1:1"}, layout, detached=False)
    assert result.already_running
    assert result.serve
    assert (result.pid, result.urls) == (1, ("http://127.0.0.1:1",))


def test_an_empty_token_file_is_named(layout: Layout) -> None:
    layout.token_file.write_text("\n")
    with pytest.raises(ImJoyError) as refused:
        read_token(layout)
    assert (refused.value.id, refused.value.exit_code) == ("token.invalid", ExitCode.USAGE)
    assert f"{layout.token_file} is empty" in refused.value.what


@pytest.mark.skipif(os.name != "posix", reason="named pipes of POSIX systems")
def test_pipes_and_folders_in_the_place_of_files_are_neither_waited_for_nor_kept(layout: Layout) -> None:
    os.mkfifo(layout.state_file)
    assert find_engine(layout).condition is Condition.ABSENT
    for spoil in (os.mkfifo, os.mkdir):
        spoil(layout.token_file)
        with pytest.raises(ImJoyError) as refused:
            read_token(layout)
        assert refused.value.id == "token.unreadable"
        token = rotate_token(layout).token
        assert read_token(layout) == token
        layout.token_file.unlink()


@pytest.mark.parametrize(("module", "id"), [("imjoy_engine", "engine.immortal"), ("other", "engine.foreign")])
def test_an_engine_that_cannot_be_ended_keeps_its_state_file(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, module: str, id: str
) -> None:
    """As one that waits on a disk, or another account's; and a process that is no engine is not touched."""
    monkeypatch.setattr(running, "end_process_tree", lambda pid, birth: "killed")
    program = "print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, module], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        layout.state_file.write_text(
            json.dumps({**STATE, "pid": process.pid, "birth": birth_of(process.pid)})
        )
        with pytest.raises(ImJoyError) as caught:
            stop_engine(layout)
        assert caught.value.id == id
        assert process.poll() is None
        process.communicate(b"\n")
    assert layout.state_file.exists()
    assert stop_engine(layout).how == "none"
    assert not layout.state_file.exists()
