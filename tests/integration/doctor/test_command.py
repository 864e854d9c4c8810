"""`imjoy doctor` as a person runs it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from imjoy.doctor.registry import our_checks

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")

Imjoy = Callable[..., CompletedProcess[str]]
TOKEN = "a-token-that-nobody-may-see-anywhere"


@pytest.fixture
def open_token(workspace: Path) -> Path:
    """Return a token file that others can read."""
    file = workspace / ".imjoy" / "token"
    file.parent.mkdir(parents=True)
    file.write_text(TOKEN + "\n")
    file.chmod(0o644)
    return file


def test_the_document_holds_every_check_once(imjoy: Imjoy) -> None:
    done = imjoy("doctor", "--offline", "--json")
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    assert [each["id"] for each in document["checks"]] == [each.id for each in our_checks()]
    found = {each["id"]: each for each in document["checks"]}
    assert found["engine.starts"]["status"] == "ok"
    assert found["net.index"]["status"] == "skipped"
    assert {each["status"] for each in document["checks"]} <= {"ok", "warn", "skipped"}, done.stdout
    assert (done.returncode, document["ok"]) == (0, True)
    assert done.stderr == ""


def test_the_engine_of_the_examination_leaves_the_workspace_alone(imjoy: Imjoy, workspace: Path) -> None:
    assert imjoy("doctor", "--only", "engine").returncode == 0
    assert not workspace.exists()


def test_a_running_engine_is_seen_and_goes_on(imjoy: Imjoy, stopped_afterwards: None) -> None:
    started = json.loads(imjoy("start", "--detach", "--port", "0", "--json").stdout)
    text = imjoy("doctor", "--only", "engine").stdout
    assert started["url"] in text
    assert json.loads(imjoy("status", "--json").stdout)["pid"] == started["pid"]


@pytest.mark.parametrize("manner", ["crash", "fail"])
def test_start_and_doctor_tell_the_same_cause(
    imjoy: Imjoy, double_engine: Callable[[str], None], manner: str
) -> None:
    double_engine(manner)
    error = json.loads(imjoy("start", "--port", "0", "--json").stdout)["error"]
    [check] = json.loads(imjoy("doctor", "--only", "engine.starts", "--json").stdout)["checks"]
    assert check["status"] == "fail"
    assert check["what"] == error["what"]
    assert error["why"] in check["why"]
    assert error["id"] in check["why"]
    assert (check["command"] or check["advice"]) == error["fix"]
    assert "Traceback" not in error["why"] + check["why"]


def test_a_start_that_fails_points_to_the_doctor(imjoy: Imjoy, double_engine: Callable[[str], None]) -> None:
    double_engine("crash")
    assert "next      imjoy doctor" in imjoy("start", "--port", "0").stderr


def test_exit_codes_follow_what_was_found(imjoy: Imjoy, open_token: Path, workspace: Path) -> None:
    assert imjoy("doctor", "--only", "engine.token").returncode == 1
    open_token.chmod(0o600)
    assert imjoy("doctor", "--only", "engine.token", "--strict").returncode == 0
    (workspace / ".imjoy" / "engine.json").write_text("{")
    assert imjoy("doctor", "--only", "engine.state").returncode == 0
    assert imjoy("doctor", "--only", "engine.state", "--strict").returncode == 1
    unknown = imjoy("doctor", "--only", "nonsense")
    assert unknown.returncode == 2
    assert "imjoy doctor --list" in unknown.stderr


def test_fix_without_anybody_to_ask_changes_nothing(imjoy: Imjoy, open_token: Path) -> None:
    done = imjoy("doctor", "--only", "engine.token", "--fix")
    assert done.returncode == 2
    assert "doctor.unconfirmed" in done.stderr
    assert open_token.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(("answer", "mode"), [("y\n", 0o600), ("n\n", 0o644), ("\n", 0o644)])
def test_fix_shows_its_plan_asks_and_looks_again(
    on_terminal: Callable[..., Any], open_token: Path, answer: str, mode: int
) -> None:
    terminal = on_terminal("doctor", "--only", "engine.token", "--fix")
    terminal.expect("What can be repaired")
    terminal.expect("do it? [y/N] ")
    terminal.type(answer)
    assert terminal.wait() == (0 if mode == 0o600 else 1)
    assert open_token.stat().st_mode & 0o777 == mode
    if mode == 0o600:
        assert f"undo  chmod 644 '{open_token}'" in terminal.text
        assert "✓ engine.token" in terminal.text


def test_the_report_can_be_pasted(imjoy: Imjoy, open_token: Path, tmp_path: Path, home: Path) -> None:
    file = tmp_path / "report.md"
    done = imjoy("doctor", "--offline", "--report", str(file))
    assert str(file) in done.stderr
    text = file.read_text()
    assert text.startswith("# imjoy doctor\n")
    assert "| engine.token | fail" in text
    assert TOKEN not in text
    assert str(home) not in text
    assert "~/ImJoyWorkspace" in text
    assert (
        "doctor.no-report" in imjoy("doctor", "--only", "git", "--report", str(tmp_path / "a" / "b")).stderr
    )


def test_explain_prints_cause_and_fix(imjoy: Imjoy) -> None:
    for check in our_checks():
        assert check.explanation
    text = imjoy("doctor", "explain", "conda.shell_init").stdout
    assert "CommandNotFoundError" in text
    assert "Fix:" in text
    assert json.loads(imjoy("doctor", "explain", "port.free", "--json").stdout)["id"] == "port.free"
    assert imjoy("doctor", "explain", "nonsense").returncode == 2


def test_the_checks_of_the_port_can_be_asked_about_another_one(imjoy: Imjoy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        document = json.loads(imjoy("doctor", "--only", "port", "--port", str(port), "--json").stdout)
    assert [each["status"] for each in document["checks"]] == ["warn", "ok", "ok"]
    assert str(port) in document["checks"][0]["what"]


def test_list_names_every_check(imjoy: Imjoy) -> None:
    text = imjoy("doctor", "--list").stdout
    assert [line.split()[0] for line in text.splitlines()] == [each.id for each in our_checks()]


@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_the_lines_fit(on_terminal: Callable[..., Any], open_token: Path, columns: int) -> None:
    terminal = on_terminal("doctor", "--offline", columns=columns)
    assert terminal.wait() == 1
    # Commands and paths are given whole, so that they can be copied.
    lines = [
        line for line in terminal.text.splitlines() if "type " not in line and str(open_token) not in line
    ]
    assert max(map(len, lines)) <= columns
    assert "\x1b[" in terminal.said
    plain = on_terminal("doctor", "--only", "engine.token", columns=columns, NO_COLOR="1")
    plain.wait()
    assert "\x1b[3" not in plain.said


def test_without_utf_8_the_marks_are_ascii(imjoy: Imjoy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    text = imjoy("doctor", "--only", "host").stdout
    assert text.isascii()
    assert "ok host.python" in text


def test_milliseconds_are_shown_when_asked_for(imjoy: Imjoy) -> None:
    assert "ms)" in imjoy("doctor", "--only", "host", "-v").stdout
