"""The engine's menu: doctor, log, token, restart and stop, without a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from imjoy.engines.running import stop_engine
from imjoy.model.layout import Layout

from .conftest import ENVIRONMENT_MILLISECONDS

if TYPE_CHECKING:
    from .conftest import App

RESTART_MILLISECONDS = 60_000
EXAMINATION_MILLISECONDS = 90_000
CHECKS = [
    {"id": "net.proxy", "status": "ok", "what": "no proxy is set", "why": "", "command": ""},
    {
        "id": "path.command",
        "status": "fail",
        "what": "`imjoy` is gone.",
        "why": "Lost.",
        "command": "imjoy path --apply",
    },
]

STATE = """async () => {
    window.shown = (await import("/static/app/model/state.js")).state;
    return window.shown.engine.status.instance;
}"""
IS_ANOTHER = """(before) => window.shown.engine.phase === "connected"
    && window.shown.engine.status.instance !== before"""


def choose(app: App, item: str) -> Any:
    """Choose from the menu; return the page's dialogs."""
    app.page.get_by_role("button", name="Connected").click()
    app.page.get_by_role("button", name=item, exact=True).click()
    return app.page.get_by_role("dialog")


def test_the_doctor_of_the_engine_s_machine_says_what_it_finds(app: App) -> None:
    # What is on the network is not this test's business.
    app.page.route("**/api/v1/doctor", lambda route: route.continue_(url=f"{route.request.url}?offline=1"))
    dialog = choose(app, "Doctor")
    every = dialog.get_by_role("button", name="Show all checks")
    every.click(timeout=EXAMINATION_MILLISECONDS)
    expect(dialog.locator("li", has_text="engine.state")).to_contain_text("OK")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


def test_what_the_doctor_finds_comes_with_the_command_that_repairs_it(app: App) -> None:
    found = {"ok": False, "checks": CHECKS}
    app.page.route("**/api/v1/doctor", lambda route: route.fulfill(json=found))
    app.page.evaluate(
        """async () => {
            const { state } = await import("/static/app/model/state.js");
            state.command = "~/ImJoyApp/bin/imjoy";
        }"""
    )
    dialog = choose(app, "Doctor")
    expect(dialog).to_contain_text("2 checks, 1 finding.")
    expect(dialog.get_by_role("listitem")).to_have_count(1)
    expect(dialog.get_by_role("listitem")).to_contain_text("Lost.")
    expect(dialog.locator("strong")).to_have_text("imjoy is gone.")
    expect(dialog.locator("pre")).to_have_text("~/ImJoyApp/bin/imjoy path --apply")
    dialog.get_by_role("button", name="Show all checks").click()
    expect(dialog.get_by_role("listitem")).to_have_count(2)


def test_the_log_and_the_token_are_shown(app: App) -> None:
    dialog = choose(app, "Engine log")
    expect(dialog.get_by_role("log")).to_contain_text(app.engine.url)
    dialog.get_by_role("button", name="Close").click()
    dialog = choose(app, "Show the token")
    expect(dialog.get_by_role("textbox")).to_have_value(app.engine.token)


def test_the_engine_starts_again_and_its_plugins_with_it(app: App) -> None:
    app.load("Numbers")
    before = app.page.evaluate(STATE)
    dialog = choose(app, "Restart the engine")
    try:
        dialog.get_by_role("button", name="Restart the engine").click()
        app.page.wait_for_function(IS_ANOTHER, arg=before, timeout=RESTART_MILLISECONDS)
        app.card("Numbers").get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)
    finally:
        stop_engine(Layout(prefix=Path(), workspace=app.engine.workspace))


def test_the_engine_is_stopped_after_a_question(app: App) -> None:
    choose(app, "Stop the engine").get_by_role("button", name="Cancel").click()
    expect(app.page.get_by_role("dialog")).to_have_count(0)
    choose(app, "Stop the engine").get_by_role("button", name="Stop the engine").click()
    expect(app.page.get_by_role("alert")).to_contain_text("The engine does not answer.")
    assert app.engine.process.wait(30) == 0


def test_the_engine_starts_at_login_where_the_switch_is_on(app: App) -> None:
    asked: list[Any] = []

    def autostart(route: Any) -> None:
        if route.request.method == "PUT":
            asked.append(route.request.post_data_json)
        route.fulfill(json={"autostart": bool(asked)})

    app.page.route("**/api/v1/autostart", autostart)
    switch = choose(app, "Start at login").get_by_role("checkbox")
    expect(switch).not_to_be_checked()
    switch.click()
    expect(switch).to_be_checked()
    assert asked == [{"autostart": True}]


def test_an_upgrade_is_offered_done_and_its_end_told(app: App) -> None:
    # This one runs from a checkout, which another tool upgrades.
    dialog = choose(app, "Upgrade")
    expect(dialog.get_by_role("alert")).to_contain_text("git -C")
    expect(dialog.get_by_role("button", name="Upgrade and restart")).to_have_count(0)
    dialog.get_by_role("button", name="Close").click()
    found = {
        "available": True,
        "version": "0.12.0",
        "new_id": "version:0.13.0",
        "source": "here",
        "command": "imjoy upgrade",
    }
    error = {"id": "upgrade.failed", "what": "It failed.", "why": "", "fix": ""}
    outcomes: Iterator[Any] = iter([None, {"error": error}])

    def answer(route: Any) -> None:
        if route.request.method == "POST":
            route.fulfill(json={"upgrading": True}, status=202)
        else:
            route.fulfill(json=found)

    app.page.route("**/api/v1/upgrade", answer)
    app.page.route("**/api/v1/upgrade/outcome", lambda route: route.fulfill(json={"outcome": next(outcomes)}))
    dialog = choose(app, "Upgrade")
    expect(dialog).to_contain_text("0.13.0")
    dialog.get_by_role("button", name="Upgrade and restart").click()
    expect(dialog.get_by_role("status")).to_contain_text("being installed and tested")
    expect(dialog.get_by_role("alert")).to_contain_text("It failed.")
    outcomes = iter([{"action": "upgrade", "done": True}])
    dialog.get_by_role("button", name="Close").click()
    dialog = choose(app, "Upgrade")
    dialog.get_by_role("button", name="Upgrade and restart").click()
    expect(dialog).to_contain_text("The newer imjoy is running.")
    expect(dialog.get_by_role("button", name="Load the page again")).to_be_visible()


def test_an_engine_that_does_not_come_back_from_an_upgrade_is_told_of_and_still_awaited(app: App) -> None:
    found = {"available": True, "version": "1", "new_id": "version:2", "source": "here"}
    away = [True]

    def outcome(route: Any) -> None:
        if away[0]:
            route.abort()
        else:
            route.fulfill(json={"outcome": {"action": "upgrade", "done": True}})

    app.page.route(
        "**/api/v1/upgrade", lambda route: route.fulfill(json=found | {"command": "imjoy upgrade"})
    )
    app.page.route("**/api/v1/upgrade/outcome", outcome)
    dialog = choose(app, "Upgrade")
    dialog.get_by_role("button", name="Upgrade and restart").click()
    expect(dialog.get_by_role("status")).to_contain_text("being installed and tested")
    app.page.evaluate("() => { const now = Date.now; Date.now = () => now() + 121_000; }")
    expect(dialog.get_by_role("alert")).to_contain_text("has not come back")
    expect(dialog.get_by_role("alert")).to_contain_text("start --serve")
    away[0] = False
    expect(dialog).to_contain_text("The newer imjoy is running.")
    expect(dialog.get_by_role("alert")).to_have_count(0)
