"""What a page shows survives its reload; what would not is asked about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
from playwright.sync_api import expect
from tests.kit.tunnel import Tunnel

from .conftest import App

if TYPE_CHECKING:
    from .conftest import Engine


def kept(app: App, count: int) -> None:
    """Wait until the engine keeps that much of this page."""
    app.page.evaluate(
        """async (count) => {
            const { core } = await import("/static/app/core/core.js");
            const path = `/api/v1/shown/${sessionStorage.getItem("imjoy.page")}`;
            while ((await core.client.json("GET", path)).entries.length < count)
                await new Promise((resolve) => setTimeout(resolve, 50));
        }""",
        count,
    )


def test_output_with_its_arrays_and_the_log_are_there_after_a_reload(app: App) -> None:
    app.load("Numbers")
    app.run("Numbers")
    entry = app.page.locator(".entry.result")
    expect(entry).to_contain_text("66")
    expect(entry.get_by_label("Run a plugin on this")).to_be_visible()
    before = entry.inner_text()
    kept(app, 2)
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    entry = app.page.locator(".entry.result")
    expect(entry).to_contain_text("66")
    # What it can be run on is offered again when the plugin is there again.
    expect(entry.get_by_label("Run a plugin on this")).to_be_visible()
    expect(entry).to_have_text(before, use_inner_text=True)
    expect(entry.locator("canvas").first).to_be_visible()
    app.page.get_by_role("tab", name="Log").click()
    expect(app.page.get_by_role("log")).to_contain_text("numpy is here")
    # What comes later stands above it.
    app.page.get_by_role("tab", name="Output").click()
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for()
    app.run("Numbers")
    expect(app.page.locator(".entry.result")).to_have_count(2)


def test_output_that_was_cleared_stays_away(app: App) -> None:
    app.load("Numbers")
    app.run("Numbers")
    expect(app.page.locator(".entry.result")).to_contain_text("66")
    kept(app, 2)
    with app.page.expect_response(lambda response: response.request.method == "DELETE"):
        app.page.get_by_role("button", name="Clear").click()
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for()
    expect(app.page.locator(".entry.result")).to_have_count(0)


def test_the_page_asks_before_it_is_left_in_the_middle_of_a_run_and_names_the_run_that_was_lost(
    app: App,
) -> None:
    app.load("Endless")
    asked: list[str] = []

    def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    app.page.on("dialog", leave)
    app.run("Endless")
    expect(app.card("Endless")).to_contain_text("Running")
    app.page.reload()
    assert asked == ["beforeunload"]
    expect(app.page.locator(".entry.error")).to_contain_text(
        "The run of Endless ended when this page was reloaded."
    )


def reload_in_mid_run(app: App, *, asks: bool = False) -> None:
    """Reload, and fail where the page asks whether it may, or does not: nothing would be lost."""
    asked: list[str] = []

    def leave(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.accept()

    # What it showed, and the log.
    kept(app, app.page.locator(".entry").count() + 1)
    app.page.on("dialog", leave)
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    app.page.remove_listener("dialog", leave)
    assert asked == (["beforeunload"] if asks else [])


def test_a_run_of_a_native_plugin_goes_on_over_a_reload_with_what_it_says_and_its_outcome(
    app: App,
) -> None:
    work = app.engine.workspace / "default"
    card = app.load("Steps")
    app.run("Steps")
    expect(card).to_contain_text("measuring")
    reload_in_mid_run(app)
    card = app.card("Steps")
    expect(card).to_contain_text("measuring")
    expect(card.get_by_role("button", name="Stop Steps")).to_be_visible()
    (work / "go").touch()
    expect(app.page.locator(".entry.result")).to_contain_text("pid")
    expect(app.page.locator(".entry.message")).to_contain_text("almost done")
    # Each line once, also those of before.
    app.page.get_by_role("tab", name="Log").click()
    expect(app.page.get_by_role("log").get_by_text("it works")).to_have_count(1)
    app.page.get_by_role("tab", name="Output").click()
    # Its operations are there again; one that holds up its whole process tells all the same how far it is.
    (work / "go").unlink()
    card.get_by_role("button", name="Block").click()
    expect(card.get_by_role("progressbar")).to_be_visible()
    reload_in_mid_run(app)
    expect(card.get_by_role("progressbar")).to_be_visible()
    (work / "step").touch()
    expect(card).to_contain_text("a step further")
    (work / "go").touch()
    expect(app.page.locator(".entry.result").first).to_contain_text("no more")
    # What it asked is asked again, and it can be stopped.
    card.get_by_role("button", name="Ask").click()
    app.page.get_by_role("dialog").wait_for()
    reload_in_mid_run(app)
    app.page.get_by_role("dialog").get_by_role("textbox").fill("seven")
    app.page.get_by_role("dialog").get_by_role("button", name="OK").click()
    expect(app.page.locator(".entry.result").first).to_contain_text("seven")
    (work / "go").unlink()
    app.run("Steps")
    expect(card).to_contain_text("measuring")
    # One that has gone on for an hour: the tab may be closed by mistake.
    app.page.evaluate(
        """async () => {
            const { state } = await import("/static/app/model/state.js");
            for (const held of state.plugins[0].held) held.begun -= 3_600_000;
        }"""
    )
    reload_in_mid_run(app, asks=True)
    card.get_by_role("button", name="Stop Steps").click()
    expect(card).to_contain_text("Stopped")
    expect(app.page.locator(".entry.error")).to_have_count(0)


def test_a_run_that_blocks_its_plugin_can_be_stopped_after_a_reload_and_nothing_begins_anew(app: App) -> None:
    card = app.load("Steps")
    card.get_by_role("button", name="Block").click()
    expect(card.get_by_role("progressbar")).to_be_visible()
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    expect(card.get_by_role("progressbar")).to_be_visible()
    # It is told of its end once its process is killed: a plugin that blocks does not leave by itself.
    app.page.evaluate(
        """async () => {
            const { on } = await import("/static/app/core/core.js");
            on("ended", (name) => (window.ended = name));
        }"""
    )
    card.get_by_role("button", name="Stop Steps").click()
    expect(card).to_contain_text("Stopped")
    app.page.wait_for_function("() => window.ended === 'Steps'")
    plugins = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            return (await core.client.status()).plugins;
        }"""
    )
    assert [plugin for plugin in plugins if plugin["state"] != "exited"] == []
    expect(card).to_contain_text("Stopped")
    expect(app.page.locator(".entry.error")).to_have_count(0)


def test_a_tab_that_is_made_of_one_with_a_run_leaves_it_there_and_says_nothing_else_of_it(app: App) -> None:
    card = app.load("Steps")
    app.run("Steps")
    expect(card).to_contain_text("measuring")
    with app.page.expect_popup() as opened:
        app.page.evaluate("() => { window.open(location.href); }")
    other = type(app)(opened.value, app.engine)
    other.card("Steps").get_by_text("Ready", exact=True).wait_for()
    other.page.get_by_role("tab", name="Log").click()
    expect(other.page.get_by_role("log")).to_contain_text("in another tab goes on there")
    expect(other.page.locator(".entry.error")).to_have_count(0)
    other.page.close()
    expect(card).to_contain_text("measuring")
    (app.engine.workspace / "default" / "go").touch()
    expect(app.page.locator(".entry.result")).to_contain_text("pid")


def test_a_run_goes_on_where_its_page_stayed_and_only_the_connection_broke(engine: Engine, page: Any) -> None:
    work = engine.workspace / "default"
    with Tunnel(engine.port) as tunnel:
        app = App(page, replace(engine, url=tunnel.url)).connect()
        card = app.load("Steps")
        app.run("Steps")
        expect(card).to_contain_text("measuring")
        with page.expect_websocket(lambda socket: "resume=" in socket.url):
            tunnel.cut()
        expect(card).to_contain_text("measuring")
        (work / "go").touch()
        expect(page.locator(".entry.result")).to_contain_text("pid")
        expect(page.locator(".entry.message")).to_contain_text("almost done")
        page.get_by_role("tab", name="Log").click()
        expect(page.get_by_role("log").get_by_text("it works")).to_have_count(1)
        page.get_by_role("tab", name="Output").click()
        # What it asked is asked once, and a second time it is found as well.
        card.get_by_role("button", name="Ask").click()
        for _ in range(2):
            page.get_by_role("dialog").wait_for()
            with page.expect_websocket(lambda socket: "resume=" in socket.url):
                tunnel.cut()
        page.get_by_role("dialog").get_by_role("textbox").fill("seven")
        page.get_by_role("dialog").get_by_role("button", name="OK").click()
        expect(page.locator(".entry.result").first).to_contain_text("seven")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator(".entry.result")).to_have_count(2)
        expect(page.locator(".entry.error")).to_have_count(0)


def test_a_page_that_comes_back_is_told_what_its_plugin_died_of_meanwhile(app: App) -> None:
    card = app.load("Steps")
    app.run("Steps")
    expect(card).to_contain_text("measuring")
    pid = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            return (await core.client.status()).plugins[0].pid;
        }"""
    )
    address = app.page.url
    app.page.goto("about:blank")
    process = psutil.Process(pid)
    process.kill()
    process.wait(60)
    app.page.goto(address)
    error = app.page.locator(".entry.error")
    expect(error).to_contain_text("Steps was ended by SIGKILL")
    expect(error).to_contain_text("it works")
    card.get_by_text("Ready", exact=True).wait_for()
