"""What holds off a Mac's sleep, by a double of caffeinate(8)."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from imjoy.effects.machine import awake
from imjoy.model.project import TOKEN_VARIABLE, URL_VARIABLE
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.environments.store import store
from imjoy_engine.terminal import run
from imjoy_engine.terminal.client import EngineClient

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the double is a script of the shell")


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be on a Mac whose caffeinate writes down what it was told and stays; return that file, a pipe."""
    file = tmp_path / "told"
    os.mkfifo(file)
    double = tmp_path / "caffeinate"
    double.write_text(f'#!/bin/sh\necho "$@" >"{file}"\nexec sleep 600\n')
    double.chmod(0o755)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(awake, "CAFFEINATE", (str(double), *awake.CAFFEINATE[1:]))
    return file


def test_a_mac_is_kept_awake_for_as_long_as_we_live_at_most(told: Path) -> None:
    with pytest.raises(KeyError), awake.kept_awake():
        assert told.read_text() == f"-i -w {os.getpid()}\n"
        [child] = psutil.Process().children()
        raise KeyError
    assert not child.is_running()


def test_elsewhere_and_without_caffeinate_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for platform in ("linux", "win32", "darwin"):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setattr(awake, "CAFFEINATE", ("/nowhere/caffeinate", "-i", "-w"))
        with awake.kept_awake():
            assert psutil.Process().children() == []


def test_it_is_kept_awake_while_plugins_run_and_while_environments_are_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []

    @contextlib.contextmanager
    def kept_awake() -> Iterator[None]:
        told.append("awake")
        yield
        told.append("asleep")

    async def run_file(client: EngineClient, file: str, *more: object) -> None:
        told.append(file)

    async def fill(prefix: Path, report: object) -> None:
        await asyncio.to_thread(prefix.mkdir)
        told.append("built")

    for module in (run, store):
        monkeypatch.setattr(module, "kept_awake", kept_awake)
    monkeypatch.setattr(run, "run_file", run_file)
    options = argparse.Namespace(stop_with_stdin=False, workspace=tmp_path, files=["one", "two"])
    environ = {URL_VARIABLE: "http://127.0.0.1:9", TOKEN_VARIABLE: "x" * 32}
    assert asyncio.run(run.run_files(options, environ)) == 0
    asyncio.run(
        store.EnvironmentStore(tmp_path, freeze=False).ensure(
            EnvironmentSpec(None, ("a",)), lambda _: None, fill
        )
    )
    assert told == ["awake", "one", "two", "asleep", "awake", "built", "asleep"]
