"""Windows side by side: split, resized, maximised, popped out, moved, remembered, and stacked where it is narrow."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from playwright.sync_api import expect

from .test_accessibility import axe, violations  # noqa: F401 (axe is a fixture)
from .test_inputs import tiff

if TYPE_CHECKING:
    from .conftest import App

OPEN = """async (names) => {
    const { openWindow } = await import("/static/app/layout/windows.js");
    for (const name of names) await openWindow(null, { type: "imjoy/generic", name, data: `this is ${name}` });
}"""


@pytest.fixture
def windows(app: App) -> App:
    """The app with two windows, One and Two; the second is shown."""
    open_windows(app, "One", "Two")
    return app


def open_windows(app: App, *names: str) -> None:
    app.page.evaluate(OPEN, list(names))
    expect(app.page.get_by_role("tab", name=names[-1], exact=True)).to_be_visible()


def window(app: App, name: str) -> Any:
    return app.page.locator(f"section.window[aria-label={name}]")


def button(app: App, name: str) -> Any:
    return app.page.get_by_role("button", name=name, exact=True)


def box(element: Any) -> Any:
    found = element.bounding_box()
    assert found is not None
    return found


def test_two_windows_stand_side_by_side_and_the_border_moves_by_keyboard_and_pointer(windows: App) -> None:
    app = windows
    button(app, "Put Two to the right").click()
    expect(window(app, "One")).to_be_visible()
    expect(window(app, "Two")).to_be_visible()
    border = app.page.get_by_role("separator")
    first, second = box(window(app, "One")), box(window(app, "Two"))
    assert abs(first["x"] + first["width"] - second["x"]) <= 1
    assert abs(first["width"] - second["width"]) <= 1

    border.focus()
    app.page.keyboard.press("ArrowRight")
    expect(border).to_have_attribute("aria-valuenow", "52")
    assert box(window(app, "One"))["width"] > first["width"]
    app.page.keyboard.press("End")
    expect(border).to_have_attribute("aria-valuenow", "90")

    at = box(border)
    app.page.mouse.move(at["x"] + 4, at["y"] + 200)
    app.page.mouse.down()
    app.page.mouse.move(second["x"] - 100, at["y"] + 200, steps=4)
    app.page.mouse.up()
    assert abs(box(window(app, "Two"))["x"] - (second["x"] - 100)) <= 5
    border.dblclick()
    expect(border).to_have_attribute("aria-valuenow", "50")


def test_a_window_is_maximised_over_the_whole_page_and_comes_back(windows: App) -> None:
    app = windows
    button(app, "Put Two below").click()
    before = box(window(app, "Two"))
    button(app, "Maximise Two").click()
    expect(window(app, "One")).to_be_hidden()
    assert box(window(app, "Two"))["width"] == 1280
    button(app, "Restore Two").focus()
    app.page.keyboard.press("Escape")
    expect(window(app, "One")).to_be_visible()
    assert box(window(app, "Two")) == before


def test_a_frame_goes_on_as_it_is_while_its_window_is_moved_maximised_and_popped_out(app: App) -> None:
    app.load("Glass")
    app.load("Opener")
    app.run("Opener")
    pane = app.page.frame_locator(".window iframe").locator("#pane")
    expect(pane).to_have_text("It shows 42")
    pane.evaluate("(element) => (element.textContent = 'changed since')")
    button(app, "Put Glass to the right").click()
    button(app, "Maximise Glass").click()
    button(app, "Restore Glass").click()
    button(app, "Pop out Glass").click()
    expect(pane).to_have_text("changed since")
    before = box(window(app, "Glass"))
    mover = app.page.get_by_role("button", name="Move Glass: arrow keys")
    mover.press("ArrowLeft")
    mover.press("Shift+ArrowDown")
    after = box(window(app, "Glass"))
    assert (after["x"], after["height"]) == (before["x"] - 24, before["height"] + 24)
    at = box(mover)
    app.page.mouse.move(at["x"] + 100, at["y"] + 8)
    app.page.mouse.down()
    app.page.mouse.move(at["x"], at["y"] + 58, steps=4)  # over the frame, which does not keep it
    app.page.mouse.up()
    moved = box(window(app, "Glass"))
    assert (round(moved["x"]), round(moved["y"])) == (round(after["x"]) - 100, round(after["y"]) + 50)
    button(app, "Put Glass back").click()
    expect(app.page.get_by_role("tab", name="Glass")).to_be_visible()
    expect(pane).to_have_text("changed since")
    button(app, "Close Glass").click()
    expect(app.page.locator(".window")).to_have_count(0)


def test_a_tab_is_dragged_to_a_side_and_into_another_pane(windows: App) -> None:
    app = windows
    whole = box(app.page.locator("main"))

    def drag(name: str, x: float, y: float) -> None:
        at = box(app.page.get_by_role("tab", name=name, exact=True))
        app.page.mouse.move(at["x"] + 10, at["y"] + 10)
        app.page.mouse.down()
        app.page.mouse.move(whole["x"] + x * whole["width"], whole["y"] + y * whole["height"], steps=4)
        expect(app.page.locator(".fall")).to_be_visible()
        app.page.mouse.up()
        expect(app.page.locator(".fall")).to_have_count(0)

    drag("Log", 0.5, 0.95)
    expect(app.page.get_by_role("separator")).to_have_attribute("aria-orientation", "horizontal")
    expect(app.page.locator(".log")).to_be_visible()
    expect(window(app, "Two")).to_be_visible()
    drag("One", 0.5, 0.75)
    expect(app.page.get_by_role("tablist", name="Views 2").get_by_role("tab")).to_have_text(["Log", "One"])
    button(app, "Move One to the next pane").click()
    expect(app.page.get_by_role("tablist", name="Views 2").get_by_role("tab")).to_have_text(["Log"])
    # What a run answers is shown in the pane that has the output, and the log stays where it is.
    app.page.get_by_role("tab", name="Output").click()
    expect(app.page.locator(".output")).to_be_visible()
    expect(app.page.locator(".log")).to_be_visible()


def keeps_the_place_of_one_that_floats(response: Any) -> bool:
    """Whether it answers to the layout in which One floats, and not to that of a step before."""
    request = response.request
    return bool(
        request.method == "PUT"
        and request.url.endswith("/layout")
        and "window One" in request.post_data_json["floats"]
    )


def test_a_window_comes_back_to_its_place_after_a_reload(windows: App) -> None:
    app = windows
    button(app, "Put Two to the right").click()
    button(app, "Pop out Two").click()
    button(app, "Put Two back").click()
    app.page.get_by_role("separator").press("ArrowLeft")
    app.page.get_by_role("tab", name="One").click()
    with app.page.expect_response(keeps_the_place_of_one_that_floats):
        button(app, "Pop out One").click()
    places = box(window(app, "One")), box(window(app, "Two"))
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    expect(app.page.get_by_role("separator")).to_have_count(0)
    app.page.evaluate(OPEN, ["Two", "One"])
    expect(app.page.get_by_role("separator")).to_have_attribute("aria-valuenow", "48")
    expect(button(app, "Put One back")).to_be_visible()
    assert (box(window(app, "One")), box(window(app, "Two"))) == places


def test_a_floating_window_stays_on_a_page_that_gets_smaller_and_goes_back_with_it(windows: App) -> None:
    app = windows
    app.page.get_by_role("tab", name="One").click()
    button(app, "Pop out One").click()
    heading = window(app, "One").locator(".mover")
    for _ in range(12):
        heading.press("ArrowRight")
    before = box(window(app, "One"))
    assert before["x"] > 900
    app.page.set_viewport_size({"width": 900, "height": 400})
    app.page.wait_for_function(
        "([heading, width]) => heading.getBoundingClientRect().left < width",
        arg=[heading.element_handle(), 900],
    )
    app.page.set_viewport_size({"width": 1280, "height": 800})
    app.page.wait_for_function(
        "([heading, x]) => heading.closest('.window').getBoundingClientRect().left === x",
        arg=[heading.element_handle(), before["x"]],
    )
    assert box(window(app, "One")) == before


def test_where_it_is_narrow_panes_are_stacked(windows: App) -> None:
    app = windows
    button(app, "Put Two to the right").click()
    app.page.get_by_role("tab", name="One").click()
    button(app, "Pop out One").click()
    app.page.set_viewport_size({"width": 360, "height": 800})
    expect(app.page.get_by_role("separator")).to_have_count(0)
    elements = [app.page.locator(".log"), window(app, "Two"), window(app, "One")]
    boxes = [box(element) for element in elements]
    assert all(each["x"] >= 0 and each["x"] + each["width"] <= 360 for each in boxes)
    assert all(one["y"] + one["height"] <= other["y"] for one, other in pairwise(boxes))
    assert app.page.evaluate("() => document.documentElement.scrollWidth") <= 360


def test_every_tab_and_the_menu_of_workspaces_are_within_the_page(app: App, tmp_path: Path) -> None:
    (image := tmp_path / "cells.tif").write_bytes(tiff(numpy.zeros((32, 40))))
    app.drop(image)
    expect(button(app, "Clear")).to_be_visible()
    menu = app.page.locator(".workspaces .popover")
    for width in (360, 768, 861):
        app.page.set_viewport_size({"width": width, "height": 800})
        app.page.get_by_role("button", name="Workspace default").click()
        for name in ("Output", "Log"):
            tab, bar = box(app.page.get_by_role("tab", name=name)), box(app.page.get_by_role("tablist"))
            assert bar["x"] <= tab["x"]
            assert tab["x"] + tab["width"] <= bar["x"] + bar["width"] + 1
        place = box(menu)
        assert place["x"] + place["width"] <= width
        assert app.page.evaluate("() => document.documentElement.scrollWidth") <= width
        app.page.keyboard.press("Escape")
        expect(menu).to_be_hidden()


def test_axe_finds_nothing_in_panes_and_floating_windows(windows: App, axe: str) -> None:  # noqa: F811
    app = windows
    button(app, "Put Two to the right").click()
    open_windows(app, "Three")
    button(app, "Pop out Three").click()
    assert violations(app.page, axe) == []
    button(app, "Maximise Two").click()
    assert violations(app.page, axe) == []
