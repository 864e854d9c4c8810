"""axe finds nothing to complain about, whatever the page shows, in light and in dark."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from imjoy.model.errors import ImJoyError
from imjoy_engine.webapp import fetch
from imjoy_engine.webapp.fetch import Package, PackageFile

if TYPE_CHECKING:
    from .conftest import App, Engine, StartEngine

AXE = Package(
    "axe-core",
    "4.10.2",
    "sha512-RE3mdQ7P3FRSe7eqCWoeQ/Z9QXrtniSjp1wUjt5nRC3WIpz5rSCve6o3fsZ2aCpJtrZjSZgjwXAoTO5k4tEI0w==",
    (PackageFile("axe.min.js", 553290, "b511cd9dec01c76f4b2ad1723b66b6db37d4c2eb4ed199076e1829d9ee7b75e3"),),
)

FILL = """async () => {
    const { addOutput, addLog, state } = await import("/static/app/model/state.js");
    const items = new Uint16Array(3 * 64 * 64).map((_, index) => index);
    const stack = { _rtype: "ndarray", _rdtype: "uint16", _rshape: [3, 64, 64], _rvalue: items.buffer };
    const show = (plugin, result) => addOutput({ plugin, kind: "result", seconds: 1, value: Vue.markRaw({ result }) });
    show("Picture", { stack, pixel_size: 0.1, unit: "µm", axes: "ZYX" });
    show("Table", [{ name: "a", size: 1 }, { name: "b", size: 2 }]);
    show("Drawing", "<svg width='90' height='30'><rect width='90' height='30' /></svg>");
    show("Text", "done");
    const error = { id: "a.b", what: "It failed.", why: "No reason.", fix: "Type `imjoy logs`.", output: "Traceback" };
    addOutput({ plugin: "Error", kind: "error", error });
    for (let line = 0; line < 100; line++) addLog("Picture", "stdout", `line ${line}`);
    state.loadError = error;
}"""

NEWER = {
    "available": True,
    "version": "1",
    "new_id": "version:2",
    "source": "here",
    "command": "imjoy upgrade",
}
# What each view of the engine's menu shows once it is filled.
SHOWN = {
    "Doctor": "path --apply",
    "Engine log": "info",
    "Show the token": "programs as you",
    "Start at login": "whenever I log in",
    "Upgrade": "is available",
}
FOUND = {
    "ok": False,
    "checks": [
        {"id": "a.b", "status": status, "what": "It.", "why": "So.", "command": "imjoy path --apply"}
        for status in ("fail", "warn", "crashed")
    ],
}


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe."""
    folder = tmp_path_factory.mktemp("axe")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch, "pinned_packages", lambda: (AXE,))
        try:
            fetch.ensure_webapp(folder, lambda text, done, total: None, environ=os.environ)
        except ImJoyError as error:
            pytest.skip(f"axe is missing: {error.why}")
    return Path(AXE.folder(folder), "axe.min.js").read_text("utf-8")


@pytest.fixture(params=["light", "dark"])
def profile_options(request: pytest.FixtureRequest) -> dict[str, object]:
    return {"color_scheme": request.param}


def violations(page: Any, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
    return [f"{each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


def test_the_page_before_it_is_connected(page: Any, engine: Engine, axe: str) -> None:
    page.goto(engine.url)
    page.get_by_label("Connection token").fill("a-wrong-token-of-enough-length")
    assert violations(page, axe) == []
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert violations(page, axe) == []


def test_the_page_of_an_engine_that_does_not_serve_the_app(
    page: Any, start_engine: StartEngine, axe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMJOY_COMMAND", "~/ImJoyApp/bin/imjoy")
    engine = start_engine()
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(engine.url)
    expect(page.locator("#url")).to_have_text(engine.url)
    expect(page.get_by_role("button", name="Copy imjoy start --serve")).to_be_visible()
    assert violations(page, axe) == []
    page.get_by_label("Connection token").fill("a-wrong-token-of-enough-length")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("auth.")
    page.get_by_label("Connection token").fill(engine.token)
    page.keyboard.press("Enter")
    expect(page.locator(".figures")).to_contain_text(str(engine.workspace))
    # With the token it tells what is typed there.
    expect(page.get_by_role("button", name="Copy ~/ImJoyApp/bin/imjoy start --serve")).to_be_visible()
    assert violations(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_with_all_that_it_can_show(app: App, axe: str) -> None:
    page = app.page
    page.route("**/api/v1/doctor", lambda route: route.fulfill(json=FOUND))
    page.route("**/api/v1/autostart", lambda route: route.fulfill(json={"autostart": True}))
    page.route("**/api/v1/upgrade", lambda route: route.fulfill(json=NEWER))
    assert violations(page, axe) == []
    page.get_by_role("button", name="Gallery").click()
    page.get_by_label("Search").wait_for()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    app.load("Glass")
    app.load("Talker")
    page.get_by_role("button", name="More for Talker").click()
    page.get_by_role("menu").wait_for()
    assert violations(page, axe) == []
    page.get_by_role("menuitem", name="About Talker").click()
    page.get_by_role("dialog").get_by_text("Source").click()
    assert violations(page, axe) == []
    page.keyboard.press("Escape")
    app.choose_for("Talker", "Edit")
    page.get_by_role("textbox", name="Source of Talker.imjoy.html").wait_for()
    assert violations(page, axe) == []
    page.get_by_role("tab", name="Output").click()
    page.evaluate(FILL)
    page.locator("figure.picture canvas").wait_for()
    assert violations(page, axe) == []
    page.get_by_role("tab", name="Log").click()
    page.get_by_role("log").wait_for()
    assert violations(page, axe) == []
    page.get_by_role("button", name="Connected").click()
    page.get_by_role("button", name="Forget the token").wait_for()
    assert violations(page, axe) == []
    for item in SHOWN:
        page.get_by_role("button", name=item, exact=True).click()
        page.get_by_role("dialog", name=item).get_by_text(SHOWN[item]).first.wait_for()
        assert violations(page, axe) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Connected").click()
    page.keyboard.press("Escape")
    app.run("Talker")
    page.get_by_role("dialog").get_by_label("How wide").wait_for()
    assert violations(page, axe) == []


def test_a_window_of_a_plugin(app: App, axe: str) -> None:
    app.load("Glass")
    app.load("Opener")
    app.run("Opener")
    app.page.frame_locator(".window iframe").locator("#pane").wait_for()
    assert violations(app.page, axe) == []


def test_what_a_plugin_asks_of_a_cluster(app: App, axe: str) -> None:
    offered = {
        "name": "SLURM",
        "default": {"cpus": 1, "gpus": 0, "memory": 2 * 10**9, "time": 0},
        "maximum": {"cpus": 4, "time": 5400},
    }

    def with_a_cluster(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "cluster": offered})

    page = app.page
    page.route("**/api/v1/status", with_a_cluster)
    page.reload()
    page.get_by_role("button", name="Connected").wait_for()
    app.load("Talker")
    page.get_by_text("Asks SLURM for 1 CPU, 2 GB").wait_for()
    page.get_by_role("button", name="Change what Talker asks for").click()
    page.get_by_role("dialog").get_by_label("Time").wait_for()
    assert violations(page, axe) == []
    page.unroute_all(behavior="wait")
