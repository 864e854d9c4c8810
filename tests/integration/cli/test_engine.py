"""`imjoy` with the real engine: start, stop, status, token, logs, and what stands in the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from urllib.request import ProxyHandler, build_opener

import psutil
import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")

Imjoy = Callable[..., CompletedProcess[str]]
END_SECONDS = 15


def alive(url: str) -> bool:
    """Whether an engine answers at ``url``."""
    try:
        with build_opener(ProxyHandler({})).open(f"{url}/healthz", timeout=5) as answer:
            return bool(json.load(answer)["alive"])
    except OSError:
        return False


def ended(pid: int) -> bool:
    """Whether a process ends within 15 s."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        process.wait(END_SECONDS)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_a_detached_engine_is_seen_and_stopped(
    imjoy: Imjoy, stopped_afterwards: None, workspace: Path
) -> None:
    begun = imjoy("start", "--detach", "--port", "0", "--json")
    assert begun.returncode == 0, begun.stderr
    started = json.loads(begun.stdout)
    assert alive(started["url"])
    status = imjoy("status", "--json")
    assert status.returncode == 0
    seen = json.loads(status.stdout)
    assert (seen["running"], seen["url"], seen["pid"]) == (True, started["url"], started["pid"])
    assert seen["details"]["plugins"] == []
    assert started["url"] in imjoy("status").stdout
    stopped = imjoy("stop", "--json")
    assert json.loads(stopped.stdout)["how"] == "asked"
    assert not alive(started["url"])
    assert ended(started["pid"])
    assert imjoy("status").returncode == 1
    assert not (workspace / ".imjoy" / "engine.json").exists()


def test_a_second_start_tells_the_url_of_the_first_and_exits_with_0(
    imjoy: Imjoy, stopped_afterwards: None
) -> None:
    started = json.loads(imjoy("start", "--detach", "--port", "0", "--json").stdout)
    again = imjoy("start", "--port", str(started["port"]), "--json")
    assert again.returncode == 0
    document = json.loads(again.stdout)
    assert (document["already_running"], document["url"]) == (True, started["url"])
    assert "already running" in imjoy("start").stdout
    assert alive(started["url"])


def test_a_port_that_another_program_has_is_one_sentence_and_exit_5(imjoy: Imjoy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = imjoy("start", "--port", str(port))
        assert done.returncode == 5
        assert "port.taken" in done.stderr
        assert str(port) in done.stderr
        assert f"(pid {os.getpid()}, you)" in done.stderr
        assert json.loads(imjoy("--port", str(port), "--json").stdout)["error"]["exit_code"] == 5


def test_a_workspace_that_cannot_be_made_is_told(imjoy: Imjoy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = imjoy("start", "--port", "0", "--workspace", str(tmp_path / "file" / "w"))
    assert done.returncode == 1
    assert "workspace.unwritable" in done.stderr


@pytest.mark.parametrize("token", ["short", "with spaces in between it", "x" * 129])
def test_a_token_that_cannot_be_one_is_refused(imjoy: Imjoy, token: str, workspace: Path) -> None:
    done = imjoy("start", "--port", "0", "--token", token)
    assert done.returncode == 2
    assert "token.invalid" in done.stderr
    assert token not in done.stderr


def test_the_token_alone_is_printed_and_lies_in_a_private_file(
    imjoy: Imjoy, stopped_afterwards: None, workspace: Path
) -> None:
    begun = imjoy("start", "--detach", "--port", "0")
    token = imjoy("token").stdout
    assert token == (workspace / ".imjoy" / "token").read_text()
    assert len(token.strip()) == 43
    assert (workspace / ".imjoy" / "token").stat().st_mode & 0o777 == 0o600
    assert token.strip() not in begun.stdout + begun.stderr
    assert token.strip() not in (workspace / ".imjoy" / "logs" / "engine.log").read_text()
    assert json.loads(imjoy("token", "--json").stdout)["token"] == token.strip()


def test_a_token_in_the_environment_is_taken_and_kept(
    imjoy: Imjoy, stopped_afterwards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMJOY_ENGINE_TOKEN", "a-token-of-the-environment")
    begun = imjoy("start", "--detach", "--port", "0")
    assert begun.stderr == ""
    assert imjoy("token").stdout == "a-token-of-the-environment\n"
    assert json.loads(imjoy("status", "--json").stdout)["details"]["plugins"] == []


def test_a_rotation_is_taken_by_the_running_engine_and_every_command_goes_on(
    imjoy: Imjoy, stopped_afterwards: None
) -> None:
    started = json.loads(imjoy("start", "--detach", "--port", "0", "--json").stdout)
    rotated = imjoy("token", "--rotate")
    assert "old token is no longer valid" in rotated.stderr
    status = json.loads(imjoy("status", "--json").stdout)
    assert (status["note"], status["details"]["plugins"]) == ("", [])
    again = json.loads(imjoy("start", "--json").stdout)
    assert (again["already_running"], again["pid"]) == (True, started["pid"])
    assert json.loads(imjoy("stop", "--json").stdout)["how"] == "asked"


def test_before_the_first_start_there_is_no_token(imjoy: Imjoy) -> None:
    done = imjoy("token")
    assert (done.returncode, done.stdout) == (1, "")
    assert "token.none" in done.stderr


def test_the_log_is_text_or_json(imjoy: Imjoy, stopped_afterwards: None) -> None:
    started = json.loads(imjoy("start", "--detach", "--port", "0", "--json").stdout)
    text = imjoy("logs").stdout
    assert f"ready at {started['url']}" in text
    assert not text.startswith("{")
    last = json.loads(imjoy("logs", "-n", "1", "--json").stdout)
    assert {"time", "level", "text"} <= set(last)


def test_ctrl_c_stops_the_engine_in_order(on_terminal: Callable[..., Any], workspace: Path) -> None:
    terminal = on_terminal("start", "--port", "0", "--no-open")
    terminal.expect("Ctrl-C, here")
    state = json.loads((workspace / ".imjoy" / "engine.json").read_text())
    terminal.type("\x03")
    terminal.expect("The engine has stopped.")
    assert terminal.wait() == 130
    assert ended(state["pid"])
    assert not (workspace / ".imjoy" / "engine.json").exists()


def test_the_terminal_shows_the_token_that_the_file_holds(
    on_terminal: Callable[..., Any], workspace: Path
) -> None:
    terminal = on_terminal("--port", "0", "--no-open")
    text = terminal.expect("Ctrl-C, here")
    assert (workspace / ".imjoy" / "token").read_text().strip() in text
    terminal.type("\x03")
    assert terminal.wait() == 130


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)]
)
def test_a_signal_to_the_command_stops_the_engine(
    number: signal.Signals, exit_code: int, workspace: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "imjoy", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as command:
        assert command.stdout is not None
        started = json.loads(command.stdout.readline())
        command.send_signal(number)
        assert command.wait(END_SECONDS) == exit_code
    assert ended(started["pid"])
    assert not (workspace / ".imjoy" / "engine.json").exists()


def test_a_command_that_is_killed_takes_its_engine_along(workspace: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "imjoy", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as command:
        assert command.stdout is not None
        started = json.loads(command.stdout.readline())
        command.kill()
        command.wait(END_SECONDS)
    assert ended(started["pid"])
    assert not alive(started["url"])


def test_a_terminal_that_is_closed_ends_the_engine_and_leaves_no_bug_report(
    on_terminal: Callable[..., Any], workspace: Path
) -> None:
    terminal = on_terminal("--port", "0", "--no-open")
    terminal.expect("Ctrl-C, here")
    state = json.loads((workspace / ".imjoy" / "engine.json").read_text())
    terminal.close()
    assert ended(state["pid"])
    terminal.process.wait(END_SECONDS)
    assert not list((workspace / ".imjoy" / "logs").glob("imjoy-bug-*"))


def test_the_log_can_be_followed_until_ctrl_c(
    on_terminal: Callable[..., Any], imjoy: Imjoy, stopped_afterwards: None
) -> None:
    imjoy("start", "--detach", "--port", "0")
    terminal = on_terminal("logs", "-f", "-n", "1")
    terminal.expect("ready at")
    imjoy("stop")
    terminal.expect("stopped")
    terminal.type("\x03")
    assert terminal.wait() == 130


def test_the_token_can_be_copied_instead_of_printed(
    imjoy: Imjoy, stopped_afterwards: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imjoy("start", "--detach", "--port", "0")
    tool = tmp_path / "bin" / "wl-copy"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat > {tmp_path}/clipboard\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    done = imjoy("token", "--copy")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "clipboard").read_text() == imjoy("token").stdout.strip()


def test_a_detached_engine_outlives_the_closed_terminal(
    on_terminal: Callable[..., Any], imjoy: Imjoy, stopped_afterwards: None
) -> None:
    terminal = on_terminal("start", "--detach", "--port", "0", "--no-open")
    assert terminal.wait() == 0
    terminal.close()
    assert json.loads(imjoy("status", "--json").stdout)["running"]


def test_a_foreground_engine_that_is_stopped_elsewhere_is_no_failure(imjoy: Imjoy) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "imjoy", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as command:
        assert command.stdout is not None
        command.stdout.readline()
        assert imjoy("stop").returncode == 0
        assert json.loads(command.stdout.readline()) == {"because": "stopped"}
        assert command.wait(END_SECONDS) == 0


def test_the_manual_s_line_for_remote_use_starts_and_says_how_to_reach_it(
    imjoy: Imjoy, stopped_afterwards: None, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("<!doctype html><title>app</title>")
    done = imjoy("--app-dir", str(tmp_path), "--host=0.0.0.0", "--port", "0", "--detach")
    assert done.returncode == 0, done.stderr
    assert "http://127.0.0.1:" in done.stdout
    assert "ssh -L" in done.stdout
    assert "https://imjoy.io" in done.stdout


def test_a_proxy_in_the_environment_is_never_asked(
    imjoy: Imjoy, stopped_afterwards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(20)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")

        def listen() -> None:
            try:
                proxy.accept()[0].close()
            except OSError:
                return
            asked.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        imjoy("start", "--detach", "--port", "0")
        assert json.loads(imjoy("status", "--json").stdout)["details"]
        assert imjoy("stop").returncode == 0
        proxy.shutdown(socket.SHUT_RDWR)
    listener.join(END_SECONDS)
    assert not asked.is_set()


def test_a_reader_that_leaves_early_is_no_error(imjoy: Imjoy) -> None:
    done = subprocess.run(
        f"{sys.executable} -m imjoy start --help | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("Usage: imjoy start")


@pytest.mark.parametrize(
    "arguments", [["start", "--port", "99999"], ["--nonsense"], ["frobnicate"], ["run"], ["logs", "-n", "-1"]]
)
def test_wrong_usage_exits_with_2_and_the_way_to_the_help(imjoy: Imjoy, arguments: list[str]) -> None:
    done = imjoy(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--help" in done.stderr
