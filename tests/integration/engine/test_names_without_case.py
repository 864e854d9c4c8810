"""A workspace, a prefix and a store on a disk where names are as good in another case, as on nearly every Mac."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy.provision.records.record import begin_record, install_lock, read_state
from imjoy_engine.environments.prefix import MARKER_NAME, interpreter_of
from imjoy_engine.environments.store.inventory import list_environments
from imjoy_engine.environments.store.usage import note_running
from imjoy_engine.workspace.files import WorkspaceFiles


def imjoy(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def test_an_engine_is_found_and_stopped_by_another_spelling_of_its_workspace(case_insensitive: Path) -> None:
    one, other = case_insensitive / "Work", case_insensitive / "WORK"
    start = ("start", "--detach", "--no-open", "--port", "0", "--workspace")
    try:
        assert "imjoy stop" in imjoy(*start, one)
        assert "already running" in imjoy(*start, other)
    finally:
        stopped = imjoy("stop", "--workspace", other)
    assert "has stopped" in stopped
    assert "No engine is running" in imjoy("status", "--workspace", one)


def test_two_installs_into_one_folder_are_kept_apart_whichever_way_it_is_spelled(
    case_insensitive: Path,
) -> None:
    one, other = case_insensitive / "ImJoyApp", case_insensitive / "imjoyapp"
    with install_lock(one):
        begin_record(one, "unfinished", made=one)
        with pytest.raises(ImJoyError) as locked, install_lock(other):
            pass
    assert locked.value.id == "install.locked"
    assert read_state(other) == "unfinished"


def test_a_plugin_s_environment_is_in_use_whichever_way_the_store_is_spelled(case_insensitive: Path) -> None:
    store, name = case_insensitive / "envs", "0" * 24
    python = interpreter_of(store / name)
    python.parent.mkdir(parents=True)
    python.touch()
    (store / name / MARKER_NAME).write_text("{}")
    assert note_running(python, "plugin") is not None
    assert [each.in_use for each in list_environments(case_insensitive / "ENVS")] == [True]


def test_files_are_the_same_in_another_case_and_ours_are_kept_from_every_spelling(
    case_insensitive: Path,
) -> None:
    work = case_insensitive / "workspace" / "default"
    work.mkdir(parents=True)
    (work / "Cells.tif").write_text("mine")
    (work / ".imjoy").mkdir()
    (work / ".imjoy" / "token").write_text("secret")
    files = WorkspaceFiles(work.parent, max_upload=100)
    with pytest.raises(ImJoyError) as there:
        files.upload("cells.TIF", "default", overwrite=False, size=1)
    assert there.value.id == "files.exists"
    with files.upload("cells.TIF", "default", overwrite=True, size=5) as upload:
        upload.write(b"newer")
        upload.finish()
    assert sorted(each.name for each in work.iterdir()) == [".imjoy", "cells.tif"]
    for path in (".IMJOY/token", "x/../.Imjoy/TOKEN"):
        with pytest.raises(ImJoyError) as ours:
            files.file(path, "DEFAULT")
        assert ours.value.id == "files.outside"
