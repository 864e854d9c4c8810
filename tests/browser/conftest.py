"""A real engine and a real Chromium for each test, and proof that no request leaves this machine."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright
from tests.kit.isolation import move_to, shared

from imjoy_engine.workspace.gallery import Gallery

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WINDOWLESS = shutil.which("chromium-headless-shell") or CHROMIUM
"""The same without windows: two thirds of the work of a Chromium that shows none is to draw their toolbars."""
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLUGINS = Path(__file__).parent / "plugins"
TOKEN = "a-token-of-the-browser-tests"
LOOPBACK = ("127.0.0.1", "localhost")
STOP_SECONDS = 60
ENVIRONMENT_MILLISECONDS = 120_000
"""The first plugin of a run waits for its environment."""
PATIENCE_MILLISECONDS = 60_000
"""For all that is awaited; two busy cores may need most of them."""


@dataclass
class Engine:
    """A running engine."""

    url: str
    workspace: Path
    process: subprocess.Popen[str]
    token: str = TOKEN

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0


@dataclass
class Seen:
    """What a page did that a person does not see."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def elsewhere(self) -> list[str]:
        return [
            url
            for url in self.requests
            if urlsplit(url).scheme in ("http", "https", "ws", "wss")
            and urlsplit(url).hostname not in LOOPBACK
        ]


expect.set_options(timeout=PATIENCE_MILLISECONDS)


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory, webapp_packages: Path) -> Path:
    """The web app's packages and the plugins' environments, made once and shared by every engine here."""
    folder = tmp_path_factory.mktemp("stores")
    (folder / "environments").mkdir()
    (folder / "webapp").symlink_to(webapp_packages, target_is_directory=True)
    return folder


def without_public_list(private: Path) -> None:
    """Have the gallery ask nobody for public plugins; it would ask the network."""
    Gallery(private / "gallery.json").choose("")


StartEngine = Callable[..., Engine]


@pytest.fixture
def start_engine(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartEngine]:
    """Return a function that starts an engine with more arguments, and stops it after the test."""

    @contextmanager
    def run(*arguments: str, workspace: Path | None = None) -> Iterator[Engine]:
        workspace = workspace or tmp_path_factory.mktemp("workspace")
        private = workspace / ".imjoy"
        private.mkdir(mode=0o700, exist_ok=True)
        for name in ("webapp", "environments"):
            if not (private / name).exists():
                (private / name).symlink_to(stores / name, target_is_directory=True)
        without_public_list(private)
        argv = ["serve", "--port", "0", "--workspace", str(workspace), "--lifeline", *arguments]
        with subprocess.Popen(
            [sys.executable, "-m", "imjoy_engine", *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "IMJOY_ENGINE_TOKEN": TOKEN},
        ) as process:
            assert process.stdin is not None and process.stdout is not None
            try:
                event = next(
                    event for event in map(json.loads, process.stdout) if event["event"] != "progress"
                )
                assert event["event"] == "ready", event
                yield Engine(event["url"], workspace, process)
            finally:
                process.stdin.close()
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    raise

    with ExitStack() as running:
        yield lambda *arguments, **options: running.enter_context(run(*arguments, **options))


@pytest.fixture
def engine(start_engine: StartEngine) -> Engine:
    """An engine that serves the app."""
    return start_engine("--serve")


@dataclass
class Stranger:
    """Somebody else's server; ``heard`` is what has been said to it, with "" for a connection alone."""

    url: str
    heard: list[str] = field(default_factory=list)


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = Stranger(f"http://127.0.0.1:{server.getsockname()[1]}")

        def listen() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if done.is_set():
                        return
                    connection.settimeout(1)
                    found.heard.append("")
                    with suppress(OSError):
                        found.heard[-1] = connection.recv(1024).partition(b"\r\n")[0].decode("latin-1")
                        connection.sendall(
                            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                        )

        done = threading.Event()
        listener = threading.Thread(target=listen)
        listener.start()
        yield found
        done.set()
        socket.create_connection(server.getsockname()).close()
        listener.join()


@contextmanager
def start_playwright(home: Path) -> Iterator[Playwright]:
    """Start what drives browsers, to all of which ``home`` is the home; skip where there is none to drive."""
    if WINDOWLESS is None:
        pytest.skip("chromium is not installed")
    with ExitStack() as running:
        with pytest.MonkeyPatch.context() as patch:
            move_to(home, patch)
            playwright = running.enter_context(sync_playwright())
        yield playwright


# As long as it is there no test may have an asyncio loop of its own: so it ends with the file.
@pytest.fixture(scope="module")
def playwright(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playwright]:
    """What starts browsers."""
    with shared(start_playwright(tmp_path_factory.mktemp("home-of-browsers"))) as playwright:
        yield playwright


@pytest.fixture(scope="module")
def browser_command() -> str | None:
    """The browser; a file whose tests are about the whole program replaces it."""
    return WINDOWLESS


@pytest.fixture(scope="module")
def browser(playwright: Playwright, browser_command: str | None) -> Iterator[Browser]:
    """A Chromium for all tests of a file; each has a profile of its own in it."""
    browser = playwright.chromium.launch(executable_path=browser_command, args=CHROMIUM_FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def profile_options() -> dict[str, object]:
    """What else the browser's profile is, in Playwright's words."""
    return {}


@pytest.fixture
def context(browser: Any, seen: Seen, profile_options: dict[str, object]) -> Iterator[Any]:
    """A browser's profile, empty at first; fails the test when anything in it reaches beyond loopback."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, **profile_options)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    context.on("request", lambda request: seen.requests.append(request.url))
    context.on("console", lambda message: _complain(seen, message.type, message.text))
    context.on("weberror", lambda error: seen.complaints.append(str(error.error)))
    yield context
    context.close()
    assert seen.elsewhere() == []


def _complain(seen: Seen, kind: str, text: str) -> None:
    if kind == "error" or "Content Security Policy" in text:
        seen.complaints.append(text)


@pytest.fixture
def page(context: Any) -> Any:
    return context.new_page()


class App:
    """The app on a page, as a person uses it."""

    def __init__(self, page: Any, engine: Engine, plugins: Path = PLUGINS) -> None:
        self.page = page
        self.engine = engine
        self.plugins = plugins

    def connect(self) -> App:
        self.page.goto(f"{self.engine.url}/#token={self.engine.token}")
        self.page.get_by_role("button", name="Connected").wait_for()
        return self

    def load(self, name: str) -> Any:
        """Load a plugin file and wait until it is ready; return its card."""
        self.choose(name)
        card = self.card(name)
        card.get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)
        return card

    def choose(self, name: str) -> None:
        self.page.get_by_test_id("plugin-file").set_input_files(self.plugins / f"{name}.imjoy.html")

    def card(self, name: str) -> Any:
        return self.page.get_by_role("article", name=name, exact=True)

    def run(self, name: str) -> None:
        self.page.get_by_role("button", name=f"Run {name}", exact=True).click()

    def choose_for(self, name: str, item: str, role: Any = "menuitem") -> None:
        """Choose an item of the menu of a plugin's card."""
        self.page.get_by_role("button", name=f"More for {name}", exact=True).click()
        self.page.get_by_role(role, name=f"{item} {name}", exact=True).click()

    def call(self, name: str, function: str, *arguments: object) -> Any:
        """Call a function that a plugin exports, through imjoy-core."""
        return self.page.evaluate(
            """async ([name, method, args]) => {
                const { core } = await import("/static/app/core/core.js");
                return core.imjoy.pm.callPlugin(null, name, method, ...args);
            }""",
            [name, function, list(arguments)],
        )

    def drop(self, file: Path, place: str = "main") -> None:
        """Drop a file on a part of the page as a person does: from another program, by the browser's own events."""
        target = self.page.locator(place).first
        target.wait_for()
        box = target.bounding_box()
        session = self.page.context.new_cdp_session(self.page)
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("dragEnter", "dragOver", "drop"):
            session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
        session.detach()

    def begin_call(self, name: str, function: str) -> None:
        """Call a function whose answer the test waits for later, with :meth:`answer`."""
        self.page.evaluate(
            """([name, method]) => {
                window.answer = import("/static/app/core/core.js").then(({ core }) =>
                    core.imjoy.pm.callPlugin(null, name, method));
            }""",
            [name, function],
        )

    def answer(self) -> Any:
        return self.page.evaluate("() => window.answer")


@pytest.fixture
def open_app(page: Any) -> Callable[[Engine], App]:
    """Return a function that opens an engine's app, connected."""
    return lambda engine: App(page, engine).connect()


@pytest.fixture
def app(open_app: Callable[[Engine], App], engine: Engine) -> App:
    """The app, connected."""
    return open_app(engine)
