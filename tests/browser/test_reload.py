"""What a page shows survives its reload; what would not is asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App


def kept(app: App, count: int) -> None:
    """Wait until the engine keeps that much of this page."""
    app.page.evaluate(
        """async (count) => {
            const { core } = await import("/static/app/core.js");
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
