"""What is printed for a person to type works as it stands, on PATH or not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from imjoy import render
from imjoy.cli import group
from imjoy.effects.machine.own_command import OF_A_WORKSPACE, VERBS, as_typed, name_workspace, own_command
from imjoy.model.errors import ImJoyError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="names and quotes of POSIX systems")


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    own_command.cache_clear()
    yield
    own_command.cache_clear()
    name_workspace(None)


def program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a program `imjoy` in a folder that is not on PATH, and be it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "imjoy"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(file), "start"])
    return file


def test_a_command_that_is_not_on_path_is_called_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = program(tmp_path / "ImJoyApp" / "bin", monkeypatch)
    said = "`imjoy token` prints it; imjoy upgrade --from X. The imjoy of ~/imjoy start.\nimjoy doctor"
    assert (
        as_typed(said)
        == f"`{file} token` prints it; {file} upgrade --from X. The imjoy of ~/imjoy start.\n{file} doctor"
    )


def test_one_in_the_home_is_written_with_a_tilde_where_a_shell_understands_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(home / "ImJoyApp" / "bin", monkeypatch)
    assert own_command() == "~/ImJoyApp/bin/imjoy"
    own_command.cache_clear()
    file = program(home / "my apps", monkeypatch)
    assert own_command() == f"'{file}'"


def test_one_that_path_leads_to_is_called_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = program(tmp_path / "bin", monkeypatch)
    link = tmp_path / "links" / "imjoy"
    link.parent.mkdir()
    link.symlink_to(file)
    monkeypatch.setenv("PATH", f"{link.parent}:{os.environ['PATH']}")
    assert as_typed("imjoy stop") == "imjoy stop"


def test_another_imjoy_on_path_is_not_taken_for_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = program(tmp_path / "other", monkeypatch)
    file = program(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    assert own_command() == str(file)


def test_commands_of_a_workspace_name_the_one_that_was_named() -> None:
    name_workspace("/data/my lab")
    typed = as_typed(
        "`imjoy token --rotate`: imjoy stop, then imjoy env list. imjoy --port 0; imjoy path --apply"
    )
    named = "--workspace '/data/my lab'"
    assert typed == (
        f"`imjoy token {named} --rotate`: imjoy stop {named}, then imjoy env list {named}. "
        f"imjoy {named} --port 0; imjoy path --apply"
    )
    assert as_typed("imjoy token --rotate --workspace DIR") == "imjoy token --rotate --workspace DIR"


def test_every_verb_is_known_as_one_and_those_of_a_workspace_take_it() -> None:
    assert set(group.VERBS) <= set(VERBS)
    for verb in group.VERBS:
        command = group.verbs.get_command(click.Context(group.verbs), verb)
        assert command is not None
        takes = any("--workspace" in each.opts for each in command.params)
        assert takes == (verb in OF_A_WORKSPACE or verb in ("desktop", "env")), verb


def test_an_error_tells_the_next_command_that_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = program(tmp_path / "bin", monkeypatch)
    render.error(ImJoyError("token.none", "There is none.", fix="imjoy start"), as_json=False)
    assert f"{file} start" in capsys.readouterr().err
