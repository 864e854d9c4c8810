"""How an engine starts, refuses to start, and stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from imjoy.engines.running import Condition, find_engine
from imjoy.model.layout import Layout

from .conftest import RunningEngine, StartEngine


def refused(*options: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Start an engine that says one line and ends; return its exit code and the line."""
    done = subprocess.run(
        [sys.executable, "-m", "imjoy_engine", "serve", "--lifeline", *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **(env or {})},
        check=False,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 1, (lines, done.stderr)
    assert done.stderr == ""
    return done.returncode, json.loads(lines[0])


@pytest.mark.parametrize("listens_on", ["127.0.0.1", "0.0.0.0"])
def test_a_port_that_is_taken_is_one_sentence_and_exit_5(tmp_path: Path, listens_on: str) -> None:
    with socket.create_server((listens_on, 0)) as stranger:
        port = stranger.getsockname()[1]
        code, said = refused("--port", str(port), "--workspace", str(tmp_path))
    assert (code, said["event"], said["error"]["id"]) == (5, "failed", "port.taken")
    assert str(port) in said["error"]["what"]
    assert str(port + 1) in said["error"]["fix"]
    assert not (tmp_path / ".imjoy" / "engine.json").exists()


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "256.256.256.256"])
def test_a_host_that_is_not_this_machine_is_refused(tmp_path: Path, host: str) -> None:
    code, said = refused("--port", "0", "--host", host, "--workspace", str(tmp_path))
    assert (code, said["error"]["id"]) == (2, "host.unknown")


def test_a_workspace_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    code, said = refused("--port", "0", "--workspace", str(tmp_path / "file"))
    assert (code, said["error"]["id"]) == (1, "workspace.unwritable")
    assert str(tmp_path / "file") in said["error"]["what"]


@pytest.mark.parametrize("stored", ["", "short", "with space inside it", "x" * 200])
def test_a_damaged_token_file_is_refused_and_kept(tmp_path: Path, stored: str) -> None:
    token_file = tmp_path / ".imjoy" / "token"
    token_file.parent.mkdir()
    token_file.write_text(stored, encoding="utf-8")
    code, said = refused("--port", "0", "--workspace", str(tmp_path))
    assert (code, said["error"]["id"], said["error"]["fix"]) == (2, "token.invalid", "imjoy token --rotate")
    assert token_file.read_text(encoding="utf-8") == stored


def test_a_wanted_token_of_the_wrong_form_is_refused(tmp_path: Path) -> None:
    code, said = refused("--port", "0", "--workspace", str(tmp_path), env={"IMJOY_ENGINE_TOKEN": "short"})
    assert (code, said["error"]["id"]) == (2, "token.invalid")


def test_the_first_launch_makes_a_token_and_the_next_keeps_it(start_engine: StartEngine) -> None:
    first = start_engine()
    token = first.token
    assert first.ready["first_launch"] is True
    assert len(token) == 43
    assert first.stop() == 0
    second = start_engine()
    assert (second.ready["first_launch"], second.token) == (False, token)


def test_a_second_engine_for_the_workspace_points_to_the_first(engine: RunningEngine) -> None:
    code, said = refused("--port", "0", "--workspace", str(engine.workspace))
    assert (code, said["event"], said["url"]) == (0, "running", engine.url)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, "input", "request"])
def test_it_stops_in_order_however_it_is_asked(engine: RunningEngine, how: signal.Signals | str) -> None:
    if isinstance(how, signal.Signals):
        engine.process.send_signal(how)
        assert engine.process.wait(10) == 0
    elif how == "request":
        engine.client._request("POST", "/api/v1/stop", None)
        assert engine.process.wait(10) == 0
    else:
        assert engine.stop() == 0
    assert not (engine.workspace / ".imjoy" / "engine.json").exists()
    assert [json.loads(line)["text"] for line in engine.log().splitlines()][-1] == "stopped"


def test_it_listens_on_every_address_when_asked(start_engine: StartEngine) -> None:
    engine = start_engine("--host", "0.0.0.0")
    assert engine.url.startswith("http://127.0.0.1:")
    assert engine.ready["host"] == "0.0.0.0"


def test_a_freshly_stopped_port_can_be_used_again(start_engine: StartEngine) -> None:
    first = start_engine()
    port = first.ready["port"]
    assert first.stop() == 0
    assert start_engine("--port", str(port)).ready["port"] == port


def test_the_engine_may_have_more_files_open_than_its_session(workspace: Path) -> None:
    resource = pytest.importorskip("resource")
    line = f'ulimit -S -n 256 && exec {sys.executable} -m imjoy_engine serve --port 0 --lifeline --workspace "$0"'
    with subprocess.Popen(
        ["sh", "-c", line, str(workspace)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        limits = psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE)
        assert limits[0] == min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 16)
        process.stdin.close()


def test_an_engine_that_was_slow_to_begin_is_found_again(workspace: Path) -> None:
    # More than the two seconds by which two clocks may differ.
    line = f'sleep 3; exec {sys.executable} -m imjoy_engine serve --port 0 --lifeline --workspace "$0"'
    with subprocess.Popen(
        ["sh", "-c", line, str(workspace)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "ready"
        assert find_engine(Layout(workspace, workspace)).condition is Condition.PROVEN
        process.stdin.close()
