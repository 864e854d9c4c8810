"""The engine plugin in another ImJoy app: imjoy-core on a page of another port, as any app may have it."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from imjoy_engine.webapp.fetch import library_files

if TYPE_CHECKING:
    from .conftest import StartEngine

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
    const deadline = Date.now() + 10000;
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
def source() -> str:
    return (PLUGINS / "Numbers.imjoy.html").read_text("utf-8")


def test_a_plugin_runs_in_another_app_and_the_engine_is_remembered(
    start_engine: StartEngine, other_app: str, page: Any, source: str
) -> None:
    engine = start_engine("--allow-origin", other_app)
    plugin_url = f"{engine.url}/imjoy-engine.imjoy.html"
    page.set_default_timeout(60_000)
    page.goto(other_app)
    page.evaluate(START)
    page.evaluate(LOAD_ENGINE_PLUGIN, plugin_url)
    page.evaluate(
        """async ([url, token]) => {
            window.answers.push(url, token);
            await imjoy.em.getFactory("ImJoy-Engine").addEngine();
        }""",
        [engine.url, engine.token],
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
