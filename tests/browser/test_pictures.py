"""Arrays are pictures: their values are readable, their contrast is sensible, and files of them hold the values."""

from __future__ import annotations

import io
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


def await_colour(shown: Any, x: float, y: float, wanted: str) -> None:
    """Wait until a picture shows the colour that is `wanted` of r, g, b and a at a place, in parts of its size."""
    canvas = shown.locator("canvas")
    canvas.wait_for()
    shown.page.wait_for_function(
        f"""([canvas, x, y]) => {{
            if (!canvas.width) return false;
            const at = [Math.floor(canvas.width * x), Math.floor(canvas.height * y)];
            const [r, g, b, a] = canvas.getContext("2d").getImageData(...at, 1, 1).data;
            return {wanted};
        }}""",
        arg=[canvas.element_handle(), x, y],
    )


def test_sixteen_bits_are_a_picture_whose_values_are_under_the_cursor(app: App, pictures: Any) -> None:
    app.run("Pictures")
    shown = picture(app)
    shown.locator("canvas").hover()
    expect(shown.locator(".under")).to_have_text(re.compile(r"^x \d+, y \d+: \d+$"))
    x, y, value = map(int, re.findall(r"\d+", shown.locator(".under").inner_text()))
    assert value == 100 * y + x
    # One hot pixel does not make all the rest black.
    await_colour(shown, 0.5, 0.9, "r > 200")
    shown.get_by_role("button", name="Full range").click()
    await_colour(shown, 0.5, 0.9, "a === 255 && r < 40")
    expect(shown.locator(".scale-bar")).to_contain_text("µm")
    shown.get_by_label("Colours").select_option("green")
    shown.get_by_role("button", name="Auto contrast").click()
    await_colour(shown, 0.5, 0.9, "r === 0 && b === 0 && g > 200")


def test_the_picture_is_moved_and_zoomed_by_mouse_and_by_keyboard(app: App, pictures: Any) -> None:
    app.run("Pictures")
    canvas = picture(app).locator("canvas")
    canvas.focus()
    app.page.keyboard.press("1")
    for _ in range(30):
        app.page.keyboard.press("+")
    canvas.hover()
    under = picture(app).locator(".under")
    expect(under).to_have_text(re.compile(r"^x \d+, y \d+: \d+$"))
    before = under.inner_text()
    app.page.mouse.down()
    box = canvas.bounding_box()
    app.page.mouse.move(box["x"] + box["width"] / 2 + 200, box["y"] + box["height"] / 2 + 100)
    app.page.mouse.up()
    canvas.hover()
    x, y = map(int, re.findall(r"\d+", before)[:2])
    # A pixel is 64 on the screen by now.
    expect(under).to_have_text(re.compile(f"^x ({x - 3}|{x - 4}), y ({y - 1}|{y - 2}): "))
    # The cursor rests, and the picture moves beneath it.
    moved = under.inner_text()
    app.page.keyboard.press("ArrowLeft")
    app.page.keyboard.press("ArrowLeft")
    expect(under).not_to_have_text(moved)
    app.page.mouse.wheel(0, 100)
    app.page.keyboard.press("0")
    await_colour(picture(app), 0.5, 0.9, "r > 200")


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
    await_colour(shown, 0.5, 0.2, "[r, g, b, a].join() === '200,0,0,255'")
    await_colour(shown, 0.5, 0.8, "[r, g, b, a].join() === '200,100,0,255'")
    shown.locator("canvas").hover()
    expect(shown.locator(".under")).to_contain_text(": 200, ")


def test_a_picture_is_saved_with_its_values(app: App, pictures: Any) -> None:
    app.run("Pictures")
    contents = {}
    for kind in ("npy", "tiff", "png"):
        with app.page.expect_download() as waiting:
            picture(app).get_by_label("Save").select_option(kind)
        assert waiting.value.suggested_filename == f"cells.{kind}"
        contents[kind] = Path(waiting.value.path()).read_bytes()
    y, x = numpy.mgrid[0:48, 0:64]
    cells = (100 * y + x).astype("<u2")
    cells[0, 0] = 65535
    assert (numpy.load(io.BytesIO(contents["npy"])) == cells).all()
    assert contents["tiff"][:4] == b"II*\0"
    assert contents["tiff"].endswith(cells.tobytes())
    assert contents["png"].startswith(b"\x89PNG")
    assert contents["png"][16:24] == (64).to_bytes(4, "big") + (48).to_bytes(4, "big")


def test_a_large_picture_is_shown_without_being_copied(app: App) -> None:
    """The whole of it never becomes colours: only what the screen has is painted. How fast, the benchmark has."""
    painted = app.page.evaluate(
        """async () => {
            const { addOutput } = await import("/static/app/model/state.js");
            const painted = [];
            const { putImageData } = CanvasRenderingContext2D.prototype;
            CanvasRenderingContext2D.prototype.putImageData = function (pixels, ...at) {
                painted.push(pixels.width * pixels.height);
                return putImageData.call(this, pixels, ...at);
            };
            const items = new Uint16Array(4096 * 4096);
            for (let i = 0; i < items.length; i++) items[i] = (i * 31) & 4095;
            const result = { _rtype: "ndarray", _rdtype: "uint16", _rshape: [4096, 4096], _rvalue: items.buffer };
            addOutput({ plugin: "Large", kind: "result", value: Vue.markRaw({ result }) });
            for (;;) {
                await new Promise(requestAnimationFrame);
                const canvas = document.querySelector(".entry figure.picture canvas");
                const middle = canvas?.width ? [canvas.width / 2, canvas.height / 2, 1, 1] : null;
                if (middle && canvas.getContext("2d").getImageData(...middle).data[3]) return painted;
            }
        }"""
    )
    assert painted
    assert max(painted) <= 1280 * 800


def test_a_picture_is_copied_to_the_clipboard_as_a_png(app: App) -> None:
    app.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    app.page.evaluate(
        """async () => {
            const { addOutput } = await import("/static/app/model/state.js");
            const items = new Uint16Array(20 * 30).map((_, index) => index);
            const image = { _rtype: "ndarray", _rdtype: "uint16", _rshape: [20, 30], _rvalue: items.buffer };
            addOutput({ plugin: "P", kind: "result", value: Vue.markRaw({ result: image }) });
        }"""
    )
    picture(app).get_by_role("button", name="Copy").click()
    expect(app.page.locator(".snackbar")).to_contain_text("on the clipboard")
    size = app.page.evaluate(
        """async () => {
            const [item] = await navigator.clipboard.read();
            const bitmap = await createImageBitmap(await item.getType("image/png"));
            return [bitmap.width, bitmap.height];
        }"""
    )
    assert size == [30, 20]
