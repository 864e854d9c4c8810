"""What a person does with a plugin's card: one main action, a menu with the rest, and a search over many."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from .conftest import ENVIRONMENT_MILLISECONDS, App

if TYPE_CHECKING:
    from .conftest import Seen


def test_run_becomes_stop_while_it_runs_and_a_double_click_is_no_stop(app: App) -> None:
    card = app.load("Endless")
    main = card.get_by_role("button", name="Run Endless")
    main.dblclick()
    stop = card.get_by_role("button", name="Stop Endless")
    expect(stop).to_be_focused()
    expect(main).to_have_count(0)
    expect(card.get_by_text("Running", exact=True)).to_be_visible()
    stop.click()
    expect(card.get_by_text("Stopped", exact=True)).to_be_visible()
    card.get_by_role("button", name="Start Endless").click()
    card.get_by_text("Ready", exact=True).wait_for()
    expect(main).to_be_focused()
    # What was stopped is neither a failure nor still awaited.
    expect(card.get_by_role("alert")).to_have_count(0)
    expect(app.page.locator(".entry.error")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 360])
def test_the_menu_is_used_by_keyboard_and_hands_the_focus_back(app: App, seen: Seen, width: int) -> None:
    page = app.page
    page.set_viewport_size({"width": width, "height": 800})
    app.load("Glass")
    more = page.get_by_role("button", name="More for Glass")
    more.focus()
    page.keyboard.press("ArrowDown")
    items = page.get_by_role("menuitem")
    expect(items).to_have_text(["About", "Edit", "Reload", "Stop", "Remove"])
    expect(items.first).to_be_focused()
    expect(page.get_by_role("menu")).to_be_in_viewport(ratio=1)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.keyboard.press("ArrowUp")
    expect(items.last).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="About Glass")).to_be_visible()
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    expect(items).to_have_count(0)
    expect(more).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(items.last).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("article")).to_have_count(0)
    expect(page.get_by_role("heading", name="Plugins")).to_be_focused()
    assert seen.complaints == []


def test_what_two_plugins_say_of_their_work_stands_on_their_own_cards(app: App) -> None:
    app.load("Talker")
    app.load("Numbers")
    app.run("Numbers")
    expect(app.card("Numbers").get_by_role("status")).to_have_text("Summing")
    expect(app.card("Talker").get_by_role("status")).to_have_text("")
    app.choose_for("Numbers", "Stop")
    expect(app.card("Numbers").get_by_role("status")).to_have_text("")


def test_many_cards_are_searched_and_a_new_one_is_never_hidden(app: App, tmp_path: Path) -> None:
    source = (app.plugins / "Busy.imjoy.html").read_text("utf-8")
    for number in range(8):
        described = source.replace("A web-worker plugin.", f"Number {number} of eight.")
        (tmp_path / f"Busy {number}.imjoy.html").write_text(
            described.replace('"name": "Busy"', f'"name": "Busy {number}"')
        )
    many = App(app.page, app.engine, tmp_path)
    search = app.page.get_by_label("Search the plugins")
    for number in range(7):
        many.load(f"Busy {number}")
    expect(search).to_have_count(0)
    many.load("Busy 7")
    search.fill("worker eight 3")
    expect(app.page.get_by_role("article")).to_have_count(1)
    expect(many.card("Busy 3")).to_be_visible()
    expect(app.page.get_by_role("status").filter(has_text="1 of 8")).to_be_visible()
    app.load("Glass")
    expect(search).to_have_value("")
    expect(app.page.get_by_role("article")).to_have_count(9)


def test_of_many_files_each_asks_after_the_other_and_no_problem_is_lost(app: App, tmp_path: Path) -> None:
    page = app.page
    kinds = (app.plugins / "Kinds.imjoy.html").read_text("utf-8")
    files = [app.plugins / "Malformed.imjoy.html", tmp_path / "Broken text.imjoy.html"]
    files[1].write_bytes(b"<config>\xff")
    for name in ("First", "Second"):
        files.append(tmp_path / f"{name}.imjoy.html")
        files[-1].write_text(kinds.replace('"Kinds"', f'"{name}"'), "utf-8")
    page.get_by_test_id("plugin-file").set_input_files([*files, app.plugins / "Glass.imjoy.html"])
    said = page.get_by_role("status").filter(has_text=" of 5: ")
    for number, name in ((3, "First"), (4, "Second")):
        dialog = page.get_by_role("dialog", name=name)
        dialog.get_by_label("Which one?").select_option("GPU")
        expect(said).to_have_text(f"Loading {number} of 5: {name}.imjoy.html")
        expect(page.get_by_role("dialog")).to_have_count(1)
        dialog.get_by_role("button", name="Load").click()
    for name in ("First", "Second", "Glass"):
        app.card(name).get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)
    expect(said).to_have_count(0)
    problem = page.locator(".plugins > .problem")
    expect(problem).to_contain_text("2 of 5 files could not be loaded.")
    expect(problem).to_contain_text("plugin.config-syntax")
    expect(problem).to_contain_text("plugin.encoding")
