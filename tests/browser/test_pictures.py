"""Arrays are pictures: their values are readable, their contrast is sensible, and files of them hold the values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App


@pytest.fixture
def pictures(app: App) -> Any:
    """The card of the plugin that makes pictures."""
    return app.load("Pictures")


def picture(app: App) -> Any:
    """The picture that was shown last."""
    return app.page.locator(".entry").first.locator("figure.picture")


def colour(shown: Any, x: float, y: float) -> list[int]:
    """What a picture shows at a place, as parts of its width and height, when it has painted."""
    found: list[int] = shown.locator("canvas").evaluate(
        """(canvas, [x, y]) => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
            const at = [Math.floor(canvas.width * x), Math.floor(canvas.height * y)];
            resolve([...canvas.getContext("2d").getImageData(...at, 1, 1).data]);
        })))""",
        [x, y],
    )
    return found


def test_sixteen_bits_are_a_picture_whose_values_are_under_the_cursor(app: App, pictures: Any) -> None:
    app.run("Pictures")
    shown = picture(app)
    shown.locator("canvas").hover()
    expect(shown.locator(".under")).to_have_text(re.compile(r"^x \d+, y \d+: \d+$"))
    x, y, value = map(int, re.findall(r"\d+", shown.locator(".under").inner_text()))
    assert value == 100 * y + x
    # One hot pixel does not make all the rest black.
    assert colour(shown, 0.5, 0.9)[0] > 200
    shown.get_by_role("button", name="Full range").click()
    assert colour(shown, 0.5, 0.9)[0] < 40
    expect(shown.locator(".scale-bar")).to_contain_text("µm")
    shown.get_by_label("Colours").select_option("green")
    shown.get_by_role("button", name="Auto contrast").click()
    red, green, blue, _ = colour(shown, 0.5, 0.9)
    assert (red, blue) == (0, 0)
    assert green > 200


def test_the_picture_is_moved_and_zoomed_by_mouse_and_by_keyboard(app: App, pictures: Any) -> None:
    app.run("Pictures")
    canvas = picture(app).locator("canvas")
    canvas.focus()
    app.page.keyboard.press("1")
    for _ in range(30):
        app.page.keyboard.press("+")
    canvas.hover()
    before = picture(app).locator(".under").inner_text()
    app.page.mouse.down()
    box = canvas.bounding_box()
    app.page.mouse.move(box["x"] + box["width"] / 2 + 200, box["y"] + box["height"] / 2 + 100)
    app.page.mouse.up()
    canvas.hover()
    moved = picture(app).locator(".under").inner_text()
    x, y = map(int, re.findall(r"\d+", before)[:2])
    # A pixel is 64 on the screen by now.
    assert list(map(int, re.findall(r"\d+", moved)[:2])) in (
        [x - 3, y - 1],
        [x - 3, y - 2],
        [x - 4, y - 2],
        [x - 4, y - 1],
    )
    app.page.mouse.wheel(0, 100)
    app.page.keyboard.press("0")
    assert colour(picture(app), 0.5, 0.9)[0] > 200


def test_every_further_axis_has_a_slider_with_its_name(app: App, pictures: Any) -> None:
    pictures.get_by_role("button", name="Stack").click()
    shown = picture(app)
    shown.get_by_label("t", exact=False).first.wait_for()
    shown.locator("label.axis", has_text="2 of 3").get_by_role("slider").fill("2")
    expect(shown.locator("label.axis").nth(1)).to_contain_text("3 of 3")
    shown.locator("label.axis").nth(0).get_by_role("slider").fill("1")
    shown.locator("canvas").hover()
    # t = 1 and z = 2 is the plane that begins with 5.
    expect(shown.locator(".under")).to_have_text(re.compile(r": 5\.\d+$"))


def test_colours_are_shown_as_they_are(app: App, pictures: Any) -> None:
    pictures.get_by_role("button", name="Colours").click()
    shown = picture(app)
    shown.locator("canvas").wait_for()
    assert colour(shown, 0.5, 0.2) == [200, 0, 0, 255]
    assert colour(shown, 0.5, 0.8) == [200, 100, 0, 255]
    shown.locator("canvas").hover()
    expect(shown.locator(".under")).to_contain_text(": 200, ")


@pytest.mark.parametrize("kind", ["npy", "tiff", "png"])
def test_a_picture_is_saved_with_its_values(app: App, pictures: Any, kind: str) -> None:
    app.run("Pictures")
    with app.page.expect_download() as waiting:
        picture(app).get_by_label("Save").select_option(kind)
    file = Path(waiting.value.path())
    assert waiting.value.suggested_filename == f"cells.{kind}"
    y, x = numpy.mgrid[0:48, 0:64]
    cells = (100 * y + x).astype("<u2")
    cells[0, 0] = 65535
    content = file.read_bytes()
    if kind == "npy":
        assert (numpy.load(file) == cells).all()
    elif kind == "tiff":
        assert content[:4] == b"II*\0"
        assert content.endswith(cells.tobytes())
    else:
        assert content.startswith(b"\x89PNG")
        assert content[16:24] == (64).to_bytes(4, "big") + (48).to_bytes(4, "big")


def test_a_large_picture_is_shown_without_being_copied(app: App) -> None:
    """The whole of it never becomes colours: only what the screen has is painted."""
    took = app.page.evaluate(
        """async () => {
            const { addOutput } = await import("/static/app/state.js");
            const items = new Uint16Array(4096 * 4096);
            for (let i = 0; i < items.length; i++) items[i] = (i * 31) & 4095;
            const result = { _rtype: "ndarray", _rdtype: "uint16", _rshape: [4096, 4096], _rvalue: items.buffer };
            const begin = performance.now();
            addOutput({ plugin: "Large", kind: "result", value: Vue.markRaw({ result }) });
            for (;;) {
                await new Promise(requestAnimationFrame);
                const canvas = document.querySelector(".entry figure.picture canvas");
                const middle = canvas?.width ? [canvas.width / 2, canvas.height / 2, 1, 1] : null;
                if (middle && canvas.getContext("2d").getImageData(...middle).data[3]) return performance.now() - begin;
            }
        }"""
    )
    # A tenth of this on a quiet machine: the benchmark has the figure. A copy of it all takes longer than this.
    assert took < 10_000
