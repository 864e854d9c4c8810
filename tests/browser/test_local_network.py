"""An app of the web, on https, and an engine on this machine, in a Chromium that asks before the one reaches the other.

The app's two origins are on loopback too, and are told to Chromium as public ones.
"""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Playwright

from imjoy_engine.certificates import passing_certificate
from imjoy_engine.webapp.fetch import library_files

from .conftest import CHROMIUM, CHROMIUM_FLAGS
from .test_other_app import FRAME, LOAD_ENGINE_PLUGIN, PAGE, PLUGINS, RUN, QuietHandler

if TYPE_CHECKING:
    from .conftest import Engine, Seen, StartEngine

PERMISSION = "local-network-access"
ASKED = f"async () => (await navigator.permissions.query({{ name: '{PERMISSION}' }})).state"
FETCH = "(url) => fetch(url + '/healthz').then(() => 'reached', (error) => error.name)"
ADD_FRAME = """([name, src]) => new Promise((resolve) => {
    const frame = Object.assign(document.createElement("iframe"), { name, src, onload: () => resolve(true) });
    document.body.append(frame);
})"""
START = """async (site) => {
    const imjoy = new imjoyCore.ImJoy({
        imjoy_api: {
            alert: (plugin, text) => window.said.push(text),
            showMessage: (plugin, text) => window.said.push(text),
        },
        default_base_frame: site + "/frame.html",
        default_rpc_base_url: new URL("./", location.href).href,
    });
    Object.assign(window, { imjoy, said: [] });
    imjoy.pm.internal_plugins = {};
    await imjoy.start({ workspace: "default" });
}"""


class Site:
    """A web app on two sites, as imjoy.io is: its pages, and the frames that its plugins run in."""

    def __init__(self, app_port: int, frame_port: int) -> None:
        self.ports = (app_port, frame_port)
        self.app = f"https://localhost:{app_port}"
        self.frames = f"https://127.0.0.1:{frame_port}"


@pytest.fixture
def site(stores: Path, tmp_path: Path) -> Iterator[Site]:
    """Serve an app, and the frames of its plugins, over https."""
    pages = tmp_path / "pages"
    pages.mkdir()
    libraries = library_files(stores / "webapp")
    for name in ("imjoy-core.min.js", "imjoy-rpc.min.js"):
        shutil.copy(libraries[name], pages / name)
    (pages / "index.html").write_text(PAGE, "utf-8")
    (pages / "frame.html").write_text(FRAME, "utf-8")
    context = passing_certificate(["localhost", "127.0.0.1"], tmp_path).context

    @contextmanager
    def serving() -> Iterator[int]:
        handler = functools.partial(QuietHandler, directory=str(pages))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            server.socket = context.wrap_socket(server.socket, server_side=True)
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield server.server_port
            server.shutdown()
            thread.join()

    with ExitStack() as stack:
        yield Site(stack.enter_context(serving()), stack.enter_context(serving()))


@pytest.fixture
def profile_options() -> dict[str, object]:
    """Return a profile that has accepted the certificate."""
    return {"ignore_https_errors": True}


@pytest.fixture
def browser(site: Site, playwright: Playwright) -> Iterator[Browser]:
    """A Chromium to which the app's ports are on the internet, and which enforces what Chrome does since 142."""
    public = ",".join(f"127.0.0.1:{port}=public" for port in site.ports)
    flags = [
        "--enable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessForSubframeNavigations",
        f"--ip-address-space-overrides={public}",
        "--host-resolver-rules=MAP localhost 127.0.0.1",
    ]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*CHROMIUM_FLAGS, *flags])
    yield browser
    browser.close()


@pytest.fixture
def engine(start_engine: StartEngine, site: Site) -> Engine:
    """An engine on this machine, over plain http, that lets the app in."""
    return start_engine("--allow-origin", site.app)


@pytest.fixture
def visit(page: Any, site: Site, engine: Engine) -> Callable[[], Any]:
    """Return a function that opens the app; skips where this Chromium would not ask anybody."""

    def open_page() -> Any:
        page.goto(site.app)
        try:
            state = page.evaluate(ASKED)
        except Exception as error:
            pytest.skip(f"this Chromium knows no {PERMISSION}: {error}")
        if state != "granted" and page.evaluate(FETCH, engine.url) == "reached":
            pytest.skip("this Chromium does not enforce local network access")
        return page

    return open_page


def test_for_a_frame_of_a_third_site_nobody_is_asked_and_for_the_engines_own_somebody_is(
    page: Any, site: Site, engine: Engine, seen: Seen
) -> None:
    page.goto(site.app)
    if page.evaluate(ASKED) != "prompt":
        pytest.skip(f"this Chromium asks for no {PERMISSION}")
    page.evaluate(ADD_FRAME, ["third", f"{site.frames}/frame.html"])
    if page.frame(name="third").evaluate(FETCH, engine.url) == "reached":
        pytest.skip("this Chromium does not enforce local network access")
    assert page.evaluate(ASKED) == "prompt", "it was refused without a question"
    page.evaluate(ADD_FRAME, ["own", f"{engine.url}/engine-frame.html"])
    # Headless, the question is there and answered with no.
    assert page.evaluate(ASKED) == "denied"
    assert not page.frame(name="own").url.startswith(engine.url)


def test_with_the_permission_an_app_of_the_web_runs_native_plugins_through_the_engines_frame(
    context: Any, visit: Callable[[], Any], site: Site, engine: Engine
) -> None:
    context.grant_permissions([PERMISSION], origin=site.app)
    page = visit()
    page.evaluate(START, site.frames)
    page.evaluate(LOAD_ENGINE_PLUGIN, f"{engine.url}/imjoy-engine.imjoy.html")
    assert f"{engine.url}/engine-frame.html" in [frame.url for frame in page.frames]
    page.evaluate(
        """async ([url, token]) => await imjoy.em.getFactory("ImJoy-Engine").addEngine({ url, token })""",
        [engine.url, engine.token],
    )
    page.wait_for_function("url => imjoy.em.getEngineByUrl(url)?.connected", arg=engine.url)
    assert page.evaluate(RUN, (PLUGINS / "Numbers.imjoy.html").read_text("utf-8")) == [66, 3_000_000]


def test_an_app_runs_no_code_of_its_own_in_the_engines_frame(
    context: Any, visit: Callable[[], Any], site: Site, engine: Engine
) -> None:
    context.grant_permissions([PERMISSION], origin=site.app)
    page = visit()
    page.evaluate(START, site.frames)
    page.evaluate(LOAD_ENGINE_PLUGIN, f"{engine.url}/imjoy-engine.imjoy.html")
    told = page.evaluate(
        """async () => {
            const { _connection } = imjoy.pm.plugin_names["ImJoy-Engine"];
            const heard = [];
            addEventListener("message", ({ data }) => data.taken && heard.push(data));
            const code = "parent.postMessage({ taken: true }, '*')";
            const attempts = [
                { type: "script", content: code, attrs: { lang: "javascript" } },
                { type: "script", content: code, attrs: { lang: "javascript", type: "module" } },
                { type: "script", content: code, attrs: { type: "text/javascript" } },
                { type: "script", src: "data:text/javascript," + code, attrs: { type: "text/javascript" } },
                { type: "html", content: `<img src="x:" onerror="${code}">` },
                { type: "requirements", requirements: ["data:text/javascript," + code] },
            ];
            for (const code of attempts) _connection.emit({ type: "execute", code });
            // What is answered after them comes after what they would have said.
            const added = await imjoy.em.getFactory("ImJoy-Engine").addEngine({ url: "127.0.0.1:1", token: "x" });
            return [added, heard, window.said.length];
        }"""
    )
    assert told == [False, [], 1]


def test_a_page_that_may_not_use_the_engine_cannot_show_its_frame(
    start_engine: StartEngine, context: Any, site: Site, page: Any
) -> None:
    context.grant_permissions([PERMISSION], origin=site.app)
    engine = start_engine()
    page.goto(site.app)
    # The page of an error that takes its place is another frame, which need not have the name.
    with page.expect_event("framenavigated", lambda frame: frame.parent_frame is not None) as shown:
        page.evaluate(ADD_FRAME, ["own", f"{engine.url}/engine-frame.html"])
    assert not shown.value.url.startswith(engine.url)
