"""What a browser keeps of the way into the app: nothing that opens it again."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import run
from typing import Any

import pytest
from playwright.sync_api import Playwright, expect

from imjoy.effects.network.tls import http_connection
from imjoy.engines.welcome import write_welcome_page

from .conftest import CHROMIUM, CHROMIUM_FLAGS, App, Engine, StartEngine


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """Return the folder of a browser's profile, which stays when the browser has closed."""
    return tmp_path / "profile"


@pytest.fixture
def open_profile(profile: Path, playwright: Playwright) -> Iterator[Any]:
    """Return a function that opens the profile in a browser with a window's history file, and close what is open."""
    with ExitStack() as opened:
        yield lambda: opened.enter_context(
            playwright.chromium.launch_persistent_context(
                profile, executable_path=CHROMIUM, args=CHROMIUM_FLAGS, ignore_https_errors=True
            )
        )


def link_of(engine: Engine, page: Path) -> None:
    """Write the page that hands over the token, as `imjoy start` does."""
    certificate = json.loads((engine.workspace / ".imjoy" / "engine.json").read_text())["certificate"]
    connection = http_connection(engine.url, certificate, timeout=20)
    connection.request("POST", "/api/v1/codes", headers={"Authorization": f"Bearer {engine.token}"})
    code = json.loads(connection.getresponse().read())["code"]
    connection.close()
    write_welcome_page(page, url=engine.url, link=f"{engine.url}/#code={code}", token=engine.token)


@pytest.mark.parametrize("options", [("--serve",), ("--tls",)], ids=["the app", "the page, over https"])
def test_the_way_in_leaves_nothing_in_the_history_that_opens_it_again(
    start_engine: StartEngine, open_profile: Any, profile: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    engine = start_engine(*options)
    welcome = tmp_path / "welcome.html"
    link_of(engine, welcome)
    browser = open_profile()
    page = browser.new_page()
    page.goto(welcome.as_uri())
    page.get_by_role("link", name="Open it, connected").click()
    connected = (
        page.get_by_role("button", name="Connected") if "--serve" in options else page.get_by_text("Memory")
    )
    connected.wait_for()
    assert page.url == f"{engine.url}/"
    history = browser.new_cdp_session(page).send("Page.getNavigationHistory")["entries"]
    assert engine.token not in json.dumps(history)
    browser.close()
    kept = profile / "Default" / "History"
    assert b"#code=" in kept.read_bytes()
    assert engine.token.encode() not in kept.read_bytes()

    # The link in that history is spent: whoever else opens it is asked for the token.
    spent = run(
        [sys.executable, "-c", READ_LINK, str(kept)], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert spent.startswith(f"{engine.url}/#code=")
    with open_profile() as again:
        again.add_init_script("localStorage.clear()")
        page = again.new_page()
        page.goto(spent)
        page.get_by_label("Connection token").wait_for()
        expect(page.get_by_label("Connection token")).to_have_value("")


# In a process of its own: the browser may hold the file for a moment longer.
READ_LINK = """
import sqlite3, sys
found = sqlite3.connect(sys.argv[1], timeout=20).execute("select url from urls where url like '%#code=%'")
print(found.fetchone()[0])
"""


def test_a_page_over_plain_http_says_why_an_https_page_cannot_reach_it(
    start_engine: StartEngine, page: Any
) -> None:
    engine = start_engine()
    page.goto(engine.url)
    expect(page.locator("#reach")).to_contain_text("block https pages from plain http")
    expect(page.locator("#reach")).to_contain_text(f"ssh -L {engine.port}:127.0.0.1:{engine.port} HOST")


def test_a_page_over_https_says_when_an_https_page_reaches_it(
    start_engine: StartEngine, open_profile: Any
) -> None:
    engine = start_engine("--tls")
    with open_profile() as browser:
        page = browser.new_page()
        page.goto(engine.url)
        expect(page.locator("#reach")).to_contain_text("once this browser trusts")


def test_a_stranger_s_link_does_not_log_anybody_out(app: App) -> None:
    """A page may send people here with a token of its choice."""
    page = app.page
    for link in ("#token=not-the-token-of-this-engine", "#code=no-code-of-this-engine"):
        page.goto("about:blank")
        page.goto(f"{app.engine.url}/{link}")
        page.get_by_role("button", name="Connected").wait_for()
    page.reload()
    page.get_by_role("button", name="Connected").wait_for()


def test_a_stranger_s_link_leaves_the_plain_page_connected_too(page: Any, start_engine: StartEngine) -> None:
    engine = start_engine()
    for token in (engine.token, "not-the-token-of-this-engine"):
        page.goto("about:blank")
        page.goto(f"{engine.url}/#token={token}")
        page.get_by_text("Memory").wait_for()
    assert page.evaluate("() => localStorage.getItem('imjoy.token')") == engine.token
