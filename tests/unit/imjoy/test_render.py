"""Text where there is no terminal, and JSON from the same results."""

from __future__ import annotations

import io
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imjoy import render
from imjoy.model.errors import ImJoyError
from imjoy.model.results import ConnectionToken, EngineStarted, EngineStatus, EngineStopped

STARTED = EngineStarted(
    url="http://127.0.0.1:8080",
    host="127.0.0.1",
    port=8080,
    pid=1,
    instance="i",
    token_file=Path("/w/token"),
    log_file=Path("/w/log"),
    urls=("http://127.0.0.1:8080",),
    fingerprint="",
    tunnel="ssh -L 8080:127.0.0.1:8080 HOST",
    serve=False,
    detached=False,
    first_launch=True,
    already_running=False,
)


def test_the_token_is_not_printed_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    render.started(STARTED, token="secret-token", log="~/log")
    out = capsys.readouterr().out
    assert "secret-token" not in out
    assert "imjoy token" in out
    assert "http://127.0.0.1:8080" in out


def test_an_engine_for_other_machines_comes_with_its_urls_and_the_way_round_https(
    capsys: pytest.CaptureFixture[str],
) -> None:
    urls = ("http://127.0.0.1:8080", "http://10.0.0.5:8080")
    remote = EngineStarted(**{**vars(STARTED), "host": "0.0.0.0", "urls": urls})
    render.started(remote, token="t", log="~/log")
    out = capsys.readouterr().out
    assert "http://10.0.0.5:8080" in out
    assert out.count("http://127.0.0.1:8080\n") == 1
    assert "ssh -L 8080:127.0.0.1:8080 HOST" in out


def test_a_token_without_a_terminal_is_one_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    render.emit(ConnectionToken("abc", Path("/w/token")), as_json=False)
    assert capsys.readouterr() == ("abc\n", "")


def test_json_is_one_line_with_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    render.emit(STARTED, as_json=True)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out)["token_file"] == str(Path("/w/token"))


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (EngineStopped(None, None, "none"), "No engine is running."),
        (EngineStopped("http://u", 3, "asked"), "The engine at http://u has stopped."),
        (EngineStopped("http://u", 3, "killed"), "process 3 was killed"),
    ],
)
def test_stop_says_what_it_did(capsys: pytest.CaptureFixture[str], result: EngineStopped, words: str) -> None:
    render.emit(result, as_json=False)
    assert words in capsys.readouterr().out


def test_status_says_where_on_a_cluster_plugins_run_and_what_they_wait_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plugin = {"name": "Sum", "state": "ready", "pid": 7, "workspace": "default", "id": "a" * 16}
    runs = {"cluster": "SLURM", "job": "4711", "node": "n2", "gpus": "0", "ends": time.time() + 6750}
    waits = {"cluster": "SLURM", "job": "4712", "node": "", "why": "Resources", "state": "PENDING"}
    plugins = [{**plugin, "place": runs}, {**plugin, "place": waits}, {**plugin, "place": None}]
    render.emit(EngineStatus(True, Path("/w"), details={"plugins": plugins}), as_json=False)
    rows = capsys.readouterr().out.splitlines()[-3:]
    assert "n2, GPU 0, 1 h 52 min left" in rows[0]
    assert "SLURM job 4712 waits: Resources" in rows[1]
    assert " - " in rows[2]


def test_status_lists_the_plugins(capsys: pytest.CaptureFixture[str]) -> None:
    plugin = {"id": "abc", "name": "Blur", "state": "ready", "pid": None, "workspace": "default"}
    details: dict[str, object] = {"version": "1", "uptime": 3700, "memory": 40 * 2**20, "plugins": [plugin]}
    render.emit(EngineStatus(True, Path("/w"), "http://u", 3, "", details), as_json=False)
    out = capsys.readouterr().out
    assert "1 h 1 min" in out
    assert "40 MiB" in out
    assert "Blur    ready  -    default    abc" in out


def test_status_says_when_the_log_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    details: dict[str, object] = {"log_error": "No space left on device"}
    render.emit(EngineStatus(True, Path("/w"), "http://u", 3, "", details), as_json=False)
    assert "cannot be written: No space left on device" in capsys.readouterr().out
    render.emit(EngineStatus(True, Path("/w"), "http://u", 3, "", {"log_error": ""}), as_json=False)
    assert "cannot be written" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"), (90061, "25 h 1 min")],
)
def test_durations_are_told_in_two_units(seconds: float, words: str) -> None:
    assert render.duration(seconds) == words


def test_a_log_line_is_readable_and_keeps_its_traceback() -> None:
    line = render.log_line(
        {"time": 0, "level": "error", "logger": "imjoy", "text": "it failed", "traceback": "Traceback"}
    )
    assert line.splitlines()[0].endswith("error   imjoy: it failed")
    assert line.splitlines()[1] == "Traceback"


class Terminal(io.StringIO):
    """A double of a terminal that shows what is written to it."""

    def isatty(self) -> bool:
        return True


PATH = str(Path(f"/home/ada/{'a-rather-long-name-of-a-folder/' * 3}engine.log"))
PROSE = (
    f"Some words that are long enough to be broken, then {PATH} and as many words after it, until the end."
)


@pytest.mark.parametrize(
    "printed",
    [
        lambda: render.note(PROSE),
        lambda: render.error(ImJoyError("a.b", PROSE, why=f"{PROSE}\n{PROSE}", fix=PROSE), as_json=False),
        lambda: render.started(STARTED, token="t" * 40, log=PATH),
        lambda: render.emit(EngineStatus(False, Path(PATH), note=PROSE), as_json=False),
    ],
    ids=["note", "error", "start", "status"],
)
def test_at_80_columns_nothing_breaks_within_a_path_or_a_word(
    printed: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", terminal := Terminal())
    monkeypatch.setattr("sys.stderr", terminal)
    printed()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert PATH in shown
    assert all(len(line) <= 80 or PATH in line for line in shown.splitlines())
    words = set(re.findall(r"\w+", shown))
    assert words >= set(re.findall(r"\w+", PROSE if "Some words" in shown else PATH))
