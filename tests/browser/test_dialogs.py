"""What a plugin asks through the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from .conftest import ENVIRONMENT_MILLISECONDS

if TYPE_CHECKING:
    from .conftest import App


def test_alert_confirm_prompt_and_a_form_answer_the_plugin(app: App) -> None:
    app.load("Talker")
    app.begin_call("Talker", "talk")
    dialog = app.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Hello from Python")
    dialog.get_by_role("button", name="OK").click()
    expect(dialog).to_contain_text("Are you sure?")
    dialog.get_by_role("button", name="OK").click()
    expect(dialog).to_contain_text("Your name?")
    dialog.get_by_role("textbox").fill("Grace")
    app.page.keyboard.press("Enter")
    dialog.get_by_label("Rounds").fill("5")
    dialog.get_by_label("Note").fill("twice")
    dialog.get_by_role("button", name="OK").click()
    # It goes away by itself.
    expect(app.page.locator(".snackbar")).to_contain_text("All said")
    assert app.answer() == {"sure": True, "name": "Grace", "answer": {"rounds": 5, "note": "twice"}}
    expect(app.card("Talker").locator(".status")).to_have_text("Talked")


def test_a_cancelled_form_is_an_error_that_the_plugin_can_catch(app: App) -> None:
    app.load("Talker")
    app.begin_call("Talker", "cancelled")
    app.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert "cancelled" in app.answer()


def test_a_plugin_with_a_ui_is_asked_for_before_it_runs(app: App) -> None:
    app.load("Talker")
    app.run("Talker")
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_label("How wide").fill("2.5")
    dialog.get_by_label("Kind").select_option("square")
    dialog.get_by_role("button", name="Run").click()
    entry = app.page.locator(".entry.result")
    expect(entry).to_contain_text("2.5")
    expect(entry).to_contain_text("square")


def test_a_file_is_chosen_among_the_engine_s_files(app: App) -> None:
    folder = app.engine.workspace / "default" / "samples"
    folder.mkdir(parents=True)
    (folder / "cells.tif").write_bytes(b"not really")
    app.load("Talker")
    app.begin_call("Talker", "choose")
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("button", name="samples").click()
    dialog.get_by_role("button", name="cells.tif").click()
    dialog.get_by_role("button", name="Choose").click()
    assert app.answer().endswith("samples/cells.tif")


def test_what_a_plugin_says_is_text_never_markup(app: App) -> None:
    app.load("Numbers")
    app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            core.imjoy.pm.imjoy_api.showMessage(null, "<img src=x onerror='window.broken = true'>careful");
        }"""
    )
    expect(app.page.locator(".entry.message")).to_contain_text("careful")
    assert app.page.evaluate("() => window.broken") is None


def test_a_plugin_of_several_kinds_asks_which_and_its_operations_have_buttons(app: App) -> None:
    app.load("Glass")
    app.choose("Kinds")
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("combobox").select_option("GPU")
    dialog.get_by_role("button", name="Load").click()
    app.page.get_by_role("button", name="Halve").click(timeout=ENVIRONMENT_MILLISECONDS)
    dialog.get_by_label("By").fill("3")
    dialog.get_by_role("button", name="Run").click()
    expect(app.page.locator(".entry.result")).to_contain_text("3")
    with app.page.expect_download() as download:
        app.run("Kinds")
    assert download.value.suggested_filename == "kinds.bin"
    window = app.page.get_by_role("dialog", name="A window in a dialog")
    expect(window.frame_locator("iframe").locator("#pane")).to_have_text("It shows 1")
    window.get_by_role("button", name="Close").click()
    expect(window).to_have_count(0)
    expect(app.page.locator(".entry.result").first).to_contain_text("GPU")
