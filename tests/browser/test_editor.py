"""Plugins that are written on the page: begun from the template, saved, run, and followed in their file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Route, expect

from imjoy.new_plugin import plugin_source

from .conftest import ENVIRONMENT_MILLISECONDS

if TYPE_CHECKING:
    from .conftest import App, Seen


def test_a_first_plugin_is_written_saved_run_and_begun_anew_when_its_file_changes(
    app: App, seen: Seen
) -> None:
    page = app.page
    page.get_by_role("button", name="Write my first plugin").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("Blur")
    page.keyboard.press("Enter")
    code = page.get_by_role("textbox", name="Source of Blur.imjoy.html")
    expect(code).to_be_focused()
    expect(code).to_contain_text('"name": "Blur"')

    # It is `imjoy new`'s, to which a line is added as a person does, by keyboard alone.
    page.keyboard.press("ControlOrMeta+Home")
    page.keyboard.type("<!-- mine -->")
    page.keyboard.press("Enter")
    page.keyboard.press("ControlOrMeta+Enter")
    page.get_by_role("dialog").get_by_role("button", name="Run").click(timeout=ENVIRONMENT_MILLISECONDS)
    expect(page.locator(".entry.result canvas")).to_be_visible()
    source = "<!-- mine -->\n" + plugin_source("Blur")[1]
    file = app.engine.workspace / "default" / "Blur.imjoy.html"
    assert file.read_text("utf-8") == source

    app.choose_for("Blur", "Reload when its file changes", role="menuitemcheckbox")
    page.get_by_role("tab", name="Log").click()
    log = page.get_by_role("log")
    expect(log.get_by_text("Blur is ready")).to_have_count(1)
    file.write_text(source.replace("is ready", "was changed"), "utf-8")
    expect(log.get_by_text("Blur was changed")).to_have_count(1)
    app.card("Blur").get_by_text("Ready", exact=True).wait_for()
    page.get_by_role("tab", name="Blur.imjoy.html").click()
    expect(code).to_contain_text("was changed")
    assert seen.complaints == []


def test_an_editor_that_comes_late_takes_the_focus_from_nothing_opened_meanwhile(app: App) -> None:
    page = app.page
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/code_editor.js", hold)
    page.get_by_role("button", name="Write my first plugin").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("Blur")
    with page.expect_request("**/code_editor.js"):
        page.keyboard.press("Enter")
    workspaces = page.get_by_role("button", name="Workspace default")
    workspaces.click()
    for route in held:
        route.continue_()
    expect(page.get_by_role("textbox", name="Source of Blur.imjoy.html")).to_be_visible()
    expect(workspaces).to_have_attribute("aria-expanded", "true")
    expect(workspaces).to_be_focused()


def test_what_is_in_the_workspace_is_not_replaced_unasked_nor_what_was_written_lost(app: App) -> None:
    page = app.page
    file = app.engine.workspace / "default" / "Glass.imjoy.html"
    file.parent.mkdir(exist_ok=True)
    file.write_text("something else", "utf-8")
    app.load("Glass")
    app.choose_for("Glass", "Edit")
    code = page.get_by_role("textbox", name="Source of Glass.imjoy.html")
    code.press("ControlOrMeta+s")
    dialog = page.get_by_role("dialog", name="Replace Glass.imjoy.html?")
    dialog.get_by_role("button", name="Cancel").click()
    assert file.read_text("utf-8") == "something else"

    close = page.get_by_role("button", name="Close Glass.imjoy.html")
    close.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    code.press("ControlOrMeta+s")
    dialog.get_by_role("button", name="Replace it").click()
    expect(page.get_by_text("Saved as Glass.imjoy.html in the workspace.")).to_be_visible()
    assert file.read_text("utf-8") == (app.plugins / "Glass.imjoy.html").read_text("utf-8")
    close.click()
    expect(code).to_have_count(0)


def test_a_plugin_of_the_workspace_is_chosen_there(app: App) -> None:
    page = app.page
    source = (app.plugins / "Busy.imjoy.html").read_text("utf-8")
    folder = app.engine.workspace / "default"
    folder.mkdir(exist_ok=True)
    (folder / "Busy.imjoy.html").write_text(source, "utf-8")
    app.load("Glass")
    page.get_by_role("button", name="the workspace").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Busy.imjoy.html").click()
    dialog.get_by_role("button", name="Choose").click()
    app.card("Busy").get_by_text("Ready", exact=True).wait_for()
    app.choose_for("Busy", "Remove")
    expect(app.card("Busy")).to_have_count(0)
    assert (folder / "Busy.imjoy.html").read_text("utf-8") == source
