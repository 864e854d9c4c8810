"""`imjoy open` and `imjoy restart` with the real engine, and doubles of browsers that write down what they get."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the doubles are shell scripts")

Imjoy = Callable[..., CompletedProcess[str]]


def double(folder: Path, name: str) -> Path:
    """Make a double of a browser; return the pipe that it writes its arguments into."""
    folder.mkdir(exist_ok=True)
    pipe = folder / f"{name}.said"
    os.mkfifo(pipe)
    (folder / name).write_text(f'#!/bin/sh\n(echo "$@" >"{pipe}") >/dev/null 2>&1 &\n')
    (folder / name).chmod(0o755)
    return pipe


def opened(pipe: Path) -> str:
    """Return what a double was told to open; waits for it."""
    return pipe.read_text().strip()


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setenv("DISPLAY", ":99")


def test_without_an_engine_there_is_nothing_to_open_or_to_restart(imjoy: Imjoy) -> None:
    for verb in ("open", "restart"):
        done = imjoy(verb, "--json")
        assert (done.returncode, json.loads(done.stdout)["error"]["id"]) == (1, "engine.none")


def test_an_engine_is_opened_in_a_tab_or_a_window_and_restarted_where_it_was(
    imjoy: Imjoy,
    stopped_afterwards: None,
    display: None,
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started = json.loads(imjoy("start", "--detach", "--port", "0", "--json", "--no-open").stdout)
    again = json.loads(imjoy("start", "--json").stdout)
    assert (started["detached"], again["detached"], again["already_running"]) == (True, True, True)

    browsers = tmp_path / "browsers"
    pipe = double(browsers, "chromium")
    monkeypatch.setenv("PATH", f"{browsers}:{os.environ['PATH']}")
    page = workspace / ".imjoy" / "open.html"
    assert json.loads(imjoy("open", "--window", "--json").stdout) == {"url": started["url"], "how": "window"}
    assert opened(pipe) == f"--app={page.as_uri()}"
    assert page.stat().st_mode & 0o077 == 0
    links = re.findall(rf"{re.escape(started['url'])}/#code=[\w.~-]+", page.read_text())
    assert len(set(links)) == 1

    # Who has chosen a browser gets a tab of that one.
    pipe = double(browsers, "mine")
    monkeypatch.setenv("BROWSER", f"{browsers / 'mine'} %s")
    assert imjoy("open", "--window").stdout == f"Opened {started['url']}\n"
    assert opened(pipe) == page.as_uri()
    assert links[0] not in page.read_text(), "a code is good once"

    restarted = json.loads(imjoy("restart", "--json").stdout)
    assert (restarted["port"], restarted["detached"]) == (started["port"], True)
    assert restarted["pid"] != started["pid"]
    assert json.loads(imjoy("status", "--json").stdout)["pid"] == restarted["pid"]


def test_a_click_on_an_icon_that_fails_says_why_in_the_browser(
    imjoy: Imjoy, display: None, home: Path, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = workspace / ".imjoy"
    private.mkdir(parents=True)
    (private / "token").write_text("short\n")
    pipe = double(tmp_path / "browsers", "mine")
    monkeypatch.setenv("BROWSER", f"{tmp_path / 'browsers' / 'mine'} %s")
    done = imjoy("open", "--start", "--window", "--json")
    assert json.loads(done.stdout)["error"]["id"] == "token.invalid"
    assert opened(pipe) == (private / "open.html").as_uri()
    told = (private / "open.html").read_text()
    assert "is not a valid connection token" in told
    assert "imjoy token --rotate" in told


def test_where_there_is_no_browser_the_address_is_printed(
    imjoy: Imjoy, stopped_afterwards: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    url = json.loads(imjoy("start", "--detach", "--port", "0", "--json").stdout)["url"]
    done = imjoy("open")
    assert (done.returncode, url in done.stdout) == (1, True)
