"""`imjoy run`: plugin files in the terminal, with the real engine and with a scripted run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")

Imjoy = Callable[..., CompletedProcess[str]]

PLUGIN = """
<config lang="json">
{"name": "Adder", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8", "tags": [], "flags": [],
 "env": "", "requirements": [], "inputs": null, "outputs": null}
</config>
<script lang="python">
import time

from imjoy import api


class Adder:
    async def setup(self):
        await api.log("set up")

    async def run(self, ctx):
        name = await api.prompt("Name?", "Ada")
        await api.alert("Hello " + str(name))
        return {"sum": 3}

    def add(self, a, b):
        return a + b

    async def linger(self):
        await api.log("lingering")
        time.sleep(60)

    def fail(self):
        raise ValueError("seven is too many")


api.export(Adder())
</script>
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Return the path of a small plugin file."""
    path = tmp_path / "Adder.imjoy.html"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def scripted(
    double_engine: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Return a function that makes the DoubleEngine's `run` say these events; it returns a plugin file."""

    def script(*events: dict[str, object]) -> Path:
        double_engine("good")
        lines = tmp_path / "events.jsonl"
        lines.write_text("".join(json.dumps(event) + "\n" for event in events))
        monkeypatch.setenv("DOUBLE_RUN", str(lines))
        file = tmp_path / "a.imjoy.html"
        file.write_text("")
        return file

    return script


@pytest.mark.slow
def test_a_plugin_runs_on_an_engine_of_its_own_that_is_gone_afterwards(imjoy: Imjoy, plugin: Path) -> None:
    done = imjoy("run", str(plugin), text="Grace\n")
    assert done.returncode == 0, done.stderr
    assert "set up" in done.stdout
    assert "Hello Grace" in done.stdout
    assert done.stdout.splitlines()[-1] == '{"sum": 3}'
    assert imjoy("status").returncode == 1


@pytest.mark.slow
def test_a_running_engine_is_used_and_stays(imjoy: Imjoy, plugin: Path, stopped_afterwards: None) -> None:
    imjoy("start", "--detach", "--port", "0")
    done = imjoy("run", str(plugin), "--call", "add", "--args", "[1, 2]")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "3"
    assert "Starting an engine" not in done.stderr
    assert imjoy("status").returncode == 0


@pytest.mark.slow
def test_a_plugin_that_raises_is_an_error_with_its_traceback_and_exit_1(imjoy: Imjoy, plugin: Path) -> None:
    done = imjoy("run", str(plugin), "--call", "fail")
    assert done.returncode == 1
    assert "seven is too many" in done.stderr
    assert "plugin.call-failed" in done.stderr


@pytest.mark.slow
def test_with_json_every_line_is_an_event(imjoy: Imjoy, plugin: Path) -> None:
    done = imjoy("run", str(plugin), "--call", "add", "--args", '["a", "b"]', "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["value"] for event in events if event["event"] == "result"] == ["ab"]
    assert events[-1] == {"event": "done", "exit_code": 0}


def test_a_file_that_is_not_there_is_told_before_any_engine_starts(imjoy: Imjoy, workspace: Path) -> None:
    done = imjoy("run", "nowhere.imjoy.html")
    assert done.returncode == 2
    assert "run.no-file" in done.stderr
    assert not workspace.exists()


def test_arguments_that_are_no_json_are_a_usage_error(imjoy: Imjoy, plugin: Path) -> None:
    done = imjoy("run", str(plugin), "--args", "[1,")
    assert done.returncode == 2
    assert "not JSON" in done.stderr


def test_questions_are_answered_on_a_terminal(
    scripted: Callable[..., Path], on_terminal: Callable[..., Any]
) -> None:
    file = scripted(
        {"event": "call", "method": "prompt", "id": 1, "args": ["Sigma?", "1.5"]},
        {"event": "call", "method": "confirm", "id": 2, "args": ["Go on?"]},
        {"event": "done", "exit_code": 0},
    )
    terminal = on_terminal("run", str(file))
    terminal.expect("Sigma? [1.5]:")
    terminal.type("2\n")
    terminal.expect("Go on? [y/N]:")
    terminal.type("y\n")
    assert terminal.wait() == 0
    assert terminal.text.splitlines()[-1] == "true"


def test_ctrl_c_at_a_question_ends_the_run(
    scripted: Callable[..., Path], on_terminal: Callable[..., Any]
) -> None:
    file = scripted({"event": "call", "method": "prompt", "id": 1, "args": ["Sigma?"]})
    terminal = on_terminal("run", str(file))
    terminal.expect("Sigma?")
    terminal.type("\x03")
    assert terminal.wait() == 130


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_run_that_is_ended_from_outside_takes_plugin_and_engine_along(
    number: signal.Signals, plugin: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "imjoy", "run", str(plugin), "--call", "linger"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as command:
        assert command.stdout is not None
        assert any("lingering" in line for line in command.stdout)
        command.send_signal(number)
        assert command.wait(20) == (130 if number != signal.SIGKILL else -9)
    # The fixture `no_process_left_behind` sees the rest.


def test_a_plugin_s_own_output_is_passed_on_as_it_is(scripted: Callable[..., Path], imjoy: Imjoy) -> None:
    file = scripted(
        {"event": "log", "stream": "stdout", "text": "half a "},
        {"event": "log", "stream": "stdout", "text": "line\n"},
        {"event": "log", "stream": "stderr", "text": "a warning\n"},
        {"event": "failed", "error": {"id": "plugin.died", "what": "It died.", "exit_code": 1}},
        {"event": "done", "exit_code": 1},
    )
    done = imjoy("run", str(file))
    assert done.returncode == 1
    assert done.stdout == "half a line\n"
    assert "a warning" in done.stderr
    assert "plugin.died" in done.stderr


def test_a_run_that_breaks_off_is_an_error(scripted: Callable[..., Path], imjoy: Imjoy) -> None:
    done = imjoy("run", str(scripted({"event": "log", "stream": "stdout", "text": "x\n"})))
    assert done.returncode == 1
    assert "run.cut-short" in done.stderr
