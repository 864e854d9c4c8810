"""What engines note of the environments that they use."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from imjoy_engine.environments.prefix import MARKER_NAME, interpreter_of
from imjoy_engine.environments.store import usage
from imjoy_engine.environments.store.inventory import list_environments
from imjoy_engine.environments.store.usage import FORGET_SECONDS, note_running, running

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")

NAME = "0" * 24


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Return the interpreter of an environment in a store."""
    interpreter = interpreter_of(tmp_path / NAME)
    interpreter.parent.mkdir(parents=True)
    interpreter.touch()
    (tmp_path / NAME / MARKER_NAME).write_text("{}")
    return interpreter


def test_an_environment_is_in_use_while_a_plugin_of_a_live_engine_is(python: Path, tmp_path: Path) -> None:
    """No process needs to have its path in its command line."""
    noted = note_running(python, "plugin")
    assert noted is not None
    assert running(tmp_path) == {NAME}
    assert [each.in_use for each in list_environments(tmp_path)] == [True]
    noted.unlink()
    assert [each.in_use for each in list_environments(tmp_path)] == [False]


def test_what_a_killed_engine_noted_counts_no_more_and_is_forgotten(python: Path, tmp_path: Path) -> None:
    noted = note_running(python, "plugin")
    assert noted is not None
    noted.write_text(json.dumps({**json.loads(noted.read_text()), "birth": "long ago"}))
    assert running(tmp_path) == set()
    assert noted.exists()
    long_ago = noted.stat().st_mtime - FORGET_SECONDS - 60
    os.utime(noted, (long_ago, long_ago))
    assert running(tmp_path) == set()
    assert not noted.exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": "x", "birth": 1, "environment": []}'])
def test_a_record_that_is_none_bothers_nobody(python: Path, tmp_path: Path, content: str) -> None:
    noted = note_running(python, "plugin")
    assert noted is not None
    noted.write_text(content)
    assert running(tmp_path) == set()


def test_a_python_of_the_person_s_own_is_not_noted(tmp_path: Path) -> None:
    (tmp_path / "mine" / "bin").mkdir(parents=True)
    assert note_running(tmp_path / "mine" / "bin" / "python", "plugin") is None
    assert not (tmp_path / usage.RUNNING_FOLDER).exists()
