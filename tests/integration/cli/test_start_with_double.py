"""`imjoy start` and `imjoy stop` when the engine misbehaves; the DoubleEngine does what a real one will not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psutil
import pytest

from imjoy.effects.processes.process import birth_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")


def test_an_engine_that_dies_while_it_boots_is_reported_with_its_last_words(
    double_engine: Callable[[str], None], imjoy: Callable[..., CompletedProcess[str]]
) -> None:
    double_engine("crash")
    done = imjoy("start", "--port", "0")
    assert done.returncode == 1
    assert "engine.boot" in done.stderr
    assert "the double crashes as it was told" in done.stderr
    assert done.stdout == ""


def test_an_error_that_the_engine_answers_is_passed_on_with_its_exit_code(
    double_engine: Callable[[str], None], imjoy: Callable[..., CompletedProcess[str]]
) -> None:
    double_engine("fail")
    done = imjoy("--port", "0", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["id"] == "workspace.unwritable"


def test_progress_while_booting_goes_to_stderr(
    double_engine: Callable[[str], None],
    imjoy: Callable[..., CompletedProcess[str]],
    stopped_afterwards: None,
) -> None:
    double_engine("slow")
    done = imjoy("start", "--detach", "--port", "0")
    assert done.returncode == 0
    assert "Fetching imjoy-core" in done.stderr
    assert "Fetching" not in done.stdout


def test_an_engine_that_dies_later_is_a_failure(
    double_engine: Callable[[str], None], imjoy: Callable[..., CompletedProcess[str]]
) -> None:
    double_engine("late-crash")
    done = imjoy("start", "--port", "0")
    assert done.returncode == 1
    assert "engine.crashed" in done.stderr
    assert "exit code 9" in done.stderr


def test_a_mute_engine_is_seen_as_running_and_stop_ends_it(
    double_engine: Callable[[str], None], imjoy: Callable[..., CompletedProcess[str]], workspace: Path
) -> None:
    double_engine("mute")
    assert imjoy("start", "--detach", "--port", "0").returncode == 0
    status = json.loads(imjoy("status", "--json").stdout)
    assert status["running"]
    assert "does not answer" in status["note"]
    stopped = json.loads(imjoy("stop", "--json").stdout)
    assert stopped["how"] == "terminated"
    assert not psutil.pid_exists(stopped["pid"]) or _is_zombie(stopped["pid"])
    assert not (workspace / ".imjoy" / "engine.json").exists()


@pytest.mark.slow
def test_an_engine_that_ignores_terminate_is_killed(
    double_engine: Callable[[str], None], imjoy: Callable[..., CompletedProcess[str]]
) -> None:
    double_engine("stubborn")
    assert imjoy("start", "--detach", "--port", "0").returncode == 0
    stopped = json.loads(imjoy("stop", "--json").stdout)
    assert stopped["how"] == "killed"
    assert _is_zombie(stopped["pid"])


def test_stop_never_touches_a_process_whose_command_line_is_not_an_engine_s(
    imjoy: Callable[..., CompletedProcess[str]], workspace: Path
) -> None:
    bystander = psutil.Popen(["sleep", "60"])
    try:
        private = workspace / ".imjoy"
        private.mkdir(parents=True)
        state = {"pid": bystander.pid, "birth": birth_of(bystander.pid), "instance": "1", "secret": "2"}
        state |= {"host": "127.0.0.1", "port": 1, "url": "http://127.0.0.1:1", "serve": False}
        (private / "engine.json").write_text(json.dumps(state))
        done = imjoy("stop")
        assert done.returncode == 1
        assert "engine.foreign" in done.stderr
        assert bystander.is_running()
    finally:
        bystander.kill()
        bystander.wait()


def test_a_stale_state_file_is_no_engine_and_stop_removes_it(
    imjoy: Callable[..., CompletedProcess[str]], workspace: Path
) -> None:
    private = workspace / ".imjoy"
    private.mkdir(parents=True)
    state = {"pid": os.getpid(), "birth": "long ago", "instance": "1", "secret": "2"}
    state |= {"host": "127.0.0.1", "port": 1, "url": "http://127.0.0.1:1", "serve": False}
    (private / "engine.json").write_text(json.dumps(state))
    assert imjoy("status").returncode == 1
    assert imjoy("stop").returncode == 0
    assert not (private / "engine.json").exists()


@pytest.mark.slow
def test_a_second_ctrl_c_ends_a_stubborn_engine(
    double_engine: Callable[[str], None], on_terminal: Callable[..., Any]
) -> None:
    double_engine("stubborn")
    terminal = on_terminal("--port", "0", "--no-open")
    terminal.expect("Ctrl-C, here")
    terminal.type("\x03")
    terminal.expect("Ctrl-C again ends it by force")
    terminal.type("\x03")
    assert terminal.wait() == 130


@pytest.mark.parametrize("columns", [80, 120])
def test_the_panel_fits_and_shows_the_token_on_a_terminal(
    double_engine: Callable[[str], None], on_terminal: Callable[..., Any], columns: int
) -> None:
    double_engine("good")
    terminal = on_terminal("--port", "0", "--no-open", columns=columns)
    text = terminal.expect("Ctrl-C, here")
    assert "t" * 43 in text
    longest = max(text.splitlines(), key=len)
    assert len(longest) <= columns, repr(longest)
    terminal.type("\x03")
    assert terminal.wait() == 130


def test_no_color_leaves_no_colour(
    double_engine: Callable[[str], None], on_terminal: Callable[..., Any]
) -> None:
    double_engine("good")
    terminal = on_terminal("--port", "0", "--no-open", NO_COLOR="1")
    terminal.expect("Ctrl-C, here")
    assert "\x1b[3" not in terminal.said
    terminal.type("\x03")
    terminal.wait()


def test_the_first_launch_opens_a_private_page_and_the_token_is_in_no_argv(
    double_engine: Callable[[str], None], on_terminal: Callable[..., Any], tmp_path: Path, workspace: Path
) -> None:
    double_engine("good")
    seen = tmp_path / "seen"
    os.mkfifo(seen)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {seen}\n')
    browser.chmod(0o755)
    terminal = on_terminal("--port", "0", BROWSER=f"{browser} %s")
    page = workspace / ".imjoy" / "welcome.html"
    assert seen.read_text().strip() == page.as_uri()
    assert page.stat().st_mode & 0o777 == 0o600
    assert "/#code=once" in page.read_text()
    terminal.expect("Ctrl-C, here")
    terminal.type("\x03")
    assert terminal.wait() == 130


def test_on_a_ci_machine_no_browser_opens(
    double_engine: Callable[[str], None], on_terminal: Callable[..., Any], workspace: Path
) -> None:
    double_engine("good")
    terminal = on_terminal("--port", "0", BROWSER="false", CI="true")
    terminal.expect("Ctrl-C, here")
    terminal.type("\x03")
    terminal.wait()
    assert not (workspace / ".imjoy" / "welcome.html").exists()


def test_classic_options_are_accepted_with_a_note_each(
    double_engine: Callable[[str], None],
    imjoy: Callable[..., CompletedProcess[str]],
    stopped_afterwards: None,
) -> None:
    double_engine("good")
    done = imjoy("--detach", "--port", "0", "--dev", "--base_url", "http://x", "--force_quit_timeout", "3")
    assert done.returncode == 0
    assert "--dev is an option of the classic engine" in done.stderr
    assert "--base_url is an option of the classic engine" in done.stderr


def test_a_token_given_as_an_option_reaches_the_engine_but_not_its_argv(
    double_engine: Callable[[str], None],
    imjoy: Callable[..., CompletedProcess[str]],
    stopped_afterwards: None,
) -> None:
    double_engine("good")
    token = "A-token-of-20-chars."
    started = json.loads(imjoy("--detach", "--port", "0", "--token", token, "--json").stdout)
    assert token not in " ".join(psutil.Process(started["pid"]).cmdline())
    assert imjoy("token").stdout == token + "\n"


def test_after_a_rotation_the_running_engine_is_named_and_can_still_be_stopped(
    double_engine: Callable[[str], None], imjoy: Callable[..., CompletedProcess[str]]
) -> None:
    double_engine("good")
    imjoy("start", "--detach", "--port", "0")
    rotated = imjoy("token", "--rotate")
    assert "restarted" in rotated.stderr
    assert len(rotated.stdout.strip()) == 43
    assert "imjoy stop" in imjoy("status").stdout
    assert imjoy("stop").returncode == 0
    assert imjoy("status").returncode == 1


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
