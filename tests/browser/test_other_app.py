"""The engine plugin in another ImJoy app: imjoy-core on a page of another port, as any app may have it."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from imjoy_engine.webapp.fetch import library_files

if TYPE_CHECKING:
    from .conftest import App, Engine, StartEngine

GONE_SECONDS = 60
PLUGINS = Path(__file__).parent / "plugins"
PAGE = """<!doctype html><title>Another app</title><script src="imjoy-core.min.js"></script>"""
FRAME = """<!doctype html><script src="imjoy-rpc.min.js"></script>
<script>imjoyRPC.waitForInitialization({ target_origin: "*", enable_service_worker: false });</script>"""
START = """async () => {
    const imjoy = new imjoyCore.ImJoy({
        imjoy_api: {
            prompt: (plugin, text) => window.answers.shift(),
            alert: (plugin, text) => window.said.push(text),
            showMessage: (plugin, text) => window.said.push(text),
        },
        default_base_frame: new URL("frame.html", location.href).href,
        default_rpc_base_url: new URL("./", location.href).href,
    });
    Object.assign(window, { imjoy, answers: [], said: [] });
    imjoy.pm.internal_plugins = {};
    await imjoy.start({ workspace: "default" });
}"""
LOAD_ENGINE_PLUGIN = """async (url) => {
    await imjoy.pm.reloadPluginRecursively({ uri: url });
    const deadline = Date.now() + 60000;
    while (!imjoy.em.getFactory("ImJoy-Engine") && Date.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
}"""
RUN = """async (code) => {
    const plugin = await imjoy.pm.reloadPlugin({ code });
    const result = await plugin.api.run({ config: {}, data: {} });
    const echoed = await plugin.api.echo(new Uint8Array(3000000).fill(7).buffer);
    return [result.sum, echoed.byteLength];
}"""


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def other_app(stores: Path, tmp_path: Path) -> Iterator[str]:
    """The origin of an app that is none of ours."""
    libraries = library_files(stores / "webapp")
    for name in ("imjoy-core.min.js", "imjoy-rpc.min.js"):
        shutil.copy(libraries[name], tmp_path / name)
    (tmp_path / "index.html").write_text(PAGE, "utf-8")
    (tmp_path / "frame.html").write_text(FRAME, "utf-8")
    handler = functools.partial(QuietHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def other_engines_plugins() -> Callable[[Engine], list[str]]:
    """Return a function that names the plugins which an engine runs."""

    def ask(engine: Engine) -> list[str]:
        headers = {"Authorization": f"Bearer {engine.token}"}
        request = urllib.request.Request(f"{engine.url}/api/v1/plugins", headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            plugins = json.load(answer)["plugins"]
        return [plugin["name"] for plugin in plugins if plugin["state"] == "ready"]

    return ask


@pytest.fixture
def source() -> str:
    return (PLUGINS / "Numbers.imjoy.html").read_text("utf-8")


def test_a_plugin_runs_in_another_app_and_the_engine_is_remembered(
    start_engine: StartEngine, other_app: str, page: Any, source: str
) -> None:
    engine = start_engine("--allow-origin", other_app)
    plugin_url = f"{engine.url}/imjoy-engine.imjoy.html"
    page.goto(other_app)
    page.evaluate(START)
    page.evaluate(LOAD_ENGINE_PLUGIN, plugin_url)
    page.evaluate(
        """async ([url, token]) => {
            window.answers.push(url, token);
            await imjoy.em.getFactory("ImJoy-Engine").addEngine();
        }""",
        # As people type it.
        [engine.url.removeprefix("http://"), engine.token],
    )
    page.wait_for_function("url => imjoy.em.getEngineByUrl(url)?.connected", arg=engine.url)
    assert page.evaluate(RUN, source) == [66, 3_000_000]

    page.goto(other_app)
    page.evaluate(START)
    page.evaluate(LOAD_ENGINE_PLUGIN, plugin_url)
    page.wait_for_function("url => imjoy.em.getEngineByUrl(url)?.connected", arg=engine.url)
    assert page.evaluate(RUN, source) == [66, 3_000_000]


def test_a_wrong_token_is_said_in_words(start_engine: StartEngine, other_app: str, page: Any) -> None:
    engine = start_engine("--allow-origin", other_app)
    page.goto(other_app)
    page.evaluate(START)
    page.evaluate(LOAD_ENGINE_PLUGIN, f"{engine.url}/imjoy-engine.imjoy.html")
    said = page.evaluate(
        """async (url) => {
            const added = await imjoy.em.getFactory("ImJoy-Engine").addEngine({ url, token: "x".repeat(20) });
            return [added, window.said.join(" ")];
        }""",
        engine.url,
    )
    assert said[0] is False
    assert "imjoy token" in said[1]


def test_an_app_that_was_not_allowed_gets_nothing(
    start_engine: StartEngine, other_app: str, page: Any
) -> None:
    engine = start_engine()
    page.goto(other_app)
    answer = page.evaluate(
        "url => fetch(url + '/imjoy-engine.imjoy.html').then(() => 'read', (error) => error.name)", engine.url
    )
    assert answer == "TypeError"


def test_the_app_of_one_engine_runs_plugins_on_another(
    app: App, start_engine: StartEngine, other_engines_plugins: Callable[[Engine], list[str]]
) -> None:
    other = start_engine("--allow-origin", app.engine.url)
    app.page.get_by_role("button", name="From url").click()
    app.page.get_by_label("Url of a plugin file").fill(f"{other.url}/imjoy-engine.imjoy.html")
    app.page.keyboard.press("Enter")
    dialog = app.page.get_by_role("dialog")
    expect(dialog.get_by_label("Its url")).to_have_value(other.url)
    dialog.get_by_label("Its connection token").fill(other.token)
    dialog.get_by_role("button", name="Connect").click()
    expect(app.page.locator(".snackbar")).to_contain_text(other.url)
    app.load("Numbers")
    assert other_engines_plugins(other) == ["Numbers"]
    app.run("Numbers")
    expect(app.page.locator(".entry.result")).to_contain_text("66")

    app.page.get_by_role("button", name="Connected").click()
    app.page.get_by_label("this engine").check()
    app.page.keyboard.press("Escape")
    app.choose_for("Numbers", "Reload")
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for()
    deadline = time.monotonic() + GONE_SECONDS
    while other_engines_plugins(other):
        assert time.monotonic() < deadline
