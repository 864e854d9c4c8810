"""The app in WebKit, which is as near to Safari as Linux gets: WebKitGTK's MiniBrowser, by its own WebDriver."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from tests.kit.ports import free_port

from .conftest import ENVIRONMENT_MILLISECONDS, PATIENCE_MILLISECONDS, PLUGINS, Engine, StartEngine, Stranger
from .test_html import LEADS, led

DRIVER, SCREEN = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
BROWSERS = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""What WebDriver calls a reference to an element: https://www.w3.org/TR/webdriver2/#elements"""
AWAIT = """
const done = arguments[arguments.length - 1];
const look = () => {
  try { const found = (() => { %s })(); if (found) return done(found); } catch (error) { console.debug(error); }
  setTimeout(look, 50);
};
look();
"""

pytestmark = pytest.mark.skipif(
    not (DRIVER and SCREEN and BROWSERS), reason="WebKitWebDriver, MiniBrowser or Xvfb is not installed"
)


class Refused(Exception):
    """What the driver answered when it did not do what it was told."""


class WebKit:
    """A page in WebKit, by the words of WebDriver."""

    def __init__(self, port: int) -> None:
        self.server = f"http://127.0.0.1:{port}"
        self.session = ""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        request = Request(
            self.server + self.session + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urlopen(request, timeout=ENVIRONMENT_MILLISECONDS / 1000 + 30) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            raise Refused(f"{method} {path}: {error.read().decode()}") from error

    def begin(self) -> None:
        options = {"binary": str(BROWSERS[-1]), "args": ["--automation"]}
        wanted = {"webkitgtk:browserOptions": options, "timeouts": {"script": ENVIRONMENT_MILLISECONDS}}
        begun = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{begun['sessionId']}"

    def open(self, url: str) -> None:
        self.ask("POST", "/url", {"url": url})

    def wait_for(self, code: str) -> Any:
        """Wait in the page until ``code`` returns something that is true there, and return that."""
        return self.ask("POST", "/execute/async", {"script": AWAIT % code, "args": []})

    def text(self, selector: str, *words: str) -> str:
        """Wait until an element has all the words, and return its text."""
        shown = f"document.querySelector({json.dumps(selector)})?.innerText"
        has = "".join(f" && {shown}.includes({json.dumps(word)})" for word in words)
        return str(self.wait_for(f"return {shown}{has} && {shown};"))

    def press(self, name: str) -> None:
        """Click the button with that name, as soon as it is shown."""
        self.wait_for(
            "const shown = [...document.querySelectorAll('button')].filter((each) => each.checkVisibility());"
            "const found = shown.find((each) => !each.disabled"
            f" && [each.ariaLabel, each.innerText.trim(), each.title].includes({json.dumps(name)}));"
            "found?.click(); return Boolean(found);"
        )

    def type(self, selector: str, text: str) -> None:
        """Type into a field, in the place of what it holds."""
        field = self.wait_for(f"return document.querySelector({json.dumps(selector)});")
        self.ask("POST", f"/element/{field[ELEMENT]}/clear", {})
        self.ask("POST", f"/element/{field[ELEMENT]}/value", {"text": text})

    def choose(self, name: str) -> None:
        """Choose a plugin file."""
        field = self.wait_for("return document.querySelector('[data-testid=plugin-file]');")
        file = str(PLUGINS / f"{name}.imjoy.html")
        self.ask("POST", f"/element/{field[ELEMENT]}/value", {"text": file})


@pytest.fixture
def webkit() -> Iterator[WebKit]:
    """Return WebKit, on a screen that nobody sees."""
    with ExitStack() as running:

        def start(*argv: str, **options: Any) -> subprocess.Popen[bytes]:
            process = running.enter_context(subprocess.Popen(argv, stderr=subprocess.DEVNULL, **options))
            running.callback(process.terminate)
            return process

        screen = start(str(SCREEN), "-displayfd", "1", "-screen", "0", "1280x900x24", stdout=subprocess.PIPE)
        assert screen.stdout is not None
        display = screen.stdout.readline().decode().strip()
        port = free_port()
        environ = {**os.environ, "DISPLAY": f":{display}", "NO_AT_BRIDGE": "1"}
        start(str(DRIVER), f"--port={port}", "--host=127.0.0.1", env=environ, stdout=subprocess.DEVNULL)
        webkit = WebKit(port)
        deadline = time.monotonic() + PATIENCE_MILLISECONDS / 1000
        while True:
            try:
                webkit.begin()
                break
            except (Refused, TimeoutError) as error:
                pytest.skip(f"WebKit does not start here: {error}")
            except (URLError, ConnectionError):
                assert time.monotonic() < deadline, "the driver does not answer"
                time.sleep(0.1)
        running.callback(webkit.ask, "DELETE", "")
        yield webkit


def test_the_app_connects_loads_a_plugin_runs_it_and_finds_all_again_after_a_reload(
    webkit: WebKit, engine: Engine
) -> None:
    webkit.open(f"{engine.url}/#token={engine.token}")
    webkit.text("body", "Connected")
    assert engine.token not in webkit.ask("GET", "/url")
    webkit.choose("Numbers")
    webkit.text("article", "Numbers", "Ready")
    webkit.press("Run Numbers")
    webkit.text(".entry.result", "66", "3 × 4")
    assert webkit.wait_for("return document.querySelector('.entry.result canvas')?.width;") > 0
    webkit.ask("POST", "/refresh", {})
    webkit.text("body", "Connected")
    webkit.text("article", "Numbers", "Ready")
    webkit.press("More for Numbers")
    webkit.press("Stop")
    webkit.text("article", "Stopped")
    webkit.press("Start")
    webkit.text("article", "Ready")


def test_a_page_without_the_token_asks_for_it(webkit: WebKit, start_engine: StartEngine) -> None:
    engine = start_engine("--serve")
    webkit.open(engine.url)
    webkit.type("input[type=password]", "a-wrong-token-of-enough-length")
    webkit.press("Connect")
    webkit.text("[role=alert]", "auth.token", "imjoy token")
    webkit.type("input[type=password]", engine.token)
    webkit.press("Connect")
    webkit.text("body", "Connected")


def test_html_that_a_plugin_returned_gets_to_no_other_page(
    webkit: WebKit, engine: Engine, stranger: Stranger
) -> None:
    webkit.open(f"{engine.url}/#token={engine.token}")
    webkit.text("body", "Connected")
    # That WebKit connects ahead of a request docs/security.md says.
    pages = {how: led(how, stranger) for how in LEADS if how != "ahead"}
    webkit.wait_for(
        "if (window.shows) return true; window.shows = true;"
        "import('/static/app/model/state.js').then(({ addOutput }) => { for (const [plugin, result] of"
        f" Object.entries({json.dumps(pages)}))"
        " addOutput({ plugin, kind: 'result', seconds: 1, value: Vue.markRaw({ result }) }); });"
    )
    webkit.wait_for(
        "const shown = [...document.querySelectorAll('figure.html > iframe')];"
        "shown.find((each) => each.clientHeight < 600)?.scrollIntoView();"
        f"return shown.length === {len(pages)} && shown.every((each) => each.clientHeight >= 600);"
    )
    assert stranger.heard == []
