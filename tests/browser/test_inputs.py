"""A person's own image: dropped on the page, shown, kept in the workspace, run on, and what comes out run on again."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App


def tiff(array: numpy.ndarray, description: bytes = b"", *, deflated: bool = False) -> bytes:
    """Return a TIFF file of 16 bits with a page for each plane, as a microscope's program writes it."""
    pages = array.astype(">u2").reshape(-1, *array.shape[-2:])
    height, width = pages.shape[1:]
    data = [page.tobytes() for page in pages]
    data = [zlib.compress(each) for each in data] if deflated else data
    text = description + b"\0"
    out = bytearray(b"MM\0*\0\0\0\x08")
    for number, plane in enumerate(data):
        tags = [
            (256, 4, 1, width),
            (257, 4, 1, height),
            (258, 3, 1, 16 << 16),
            (259, 3, 1, (8 if deflated else 1) << 16),
            (262, 3, 1, 1 << 16),
            (270, 2, len(text), 0),
            (273, 4, 1, 0),
            (278, 4, 1, height),
            (279, 4, 1, len(plane)),
        ]
        end = len(out) + 2 + 12 * len(tags) + 4
        places = {270: end, 273: end + len(text)}
        out += struct.pack(">H", len(tags))
        for tag, kind, count, value in tags:
            out += struct.pack(">HHII", tag, kind, count, places.get(tag, value))
        after = end + len(text) + len(plane)
        after += after % 2
        out += struct.pack(">I", after if number + 1 < len(data) else 0)
        out += text + plane
        out += bytes(after - len(out))
    return bytes(out)


def cells() -> numpy.ndarray:
    y, x = numpy.mgrid[0:32, 0:40]
    return numpy.asarray(100 * y + x, dtype="uint16")


def value_in_the_middle(app: App) -> tuple[int, int, float]:
    shown = app.page.locator(".entry").first.locator("figure.picture")
    # It may rest where the canvas is going to be.
    app.page.mouse.move(0, 0)
    shown.locator("canvas").hover()
    expect(shown.locator(".under")).to_have_text(re.compile(r"^x"))
    x, y, value = re.findall(r"[\d.]+", shown.locator(".under").inner_text())
    return int(x), int(y), float(value)


def test_an_image_that_is_dropped_is_filtered_and_what_comes_out_is_filtered_again(
    app: App, tmp_path: Path
) -> None:
    app.load("Invert")
    file = tmp_path / "cells.tif"
    file.write_bytes(tiff(cells()))
    app.drop(file)
    entry = app.page.locator(".entry.input")
    expect(entry).to_contain_text("uint16 32 × 40")
    x, y, value = value_in_the_middle(app)
    assert value == 100 * y + x
    entry.get_by_label("Run a plugin on this").select_option("Invert")
    expect(app.page.locator(".entry.result")).to_have_count(1)
    x, y, value = value_in_the_middle(app)
    assert value == 3139 - (100 * y + x)
    app.page.locator(".entry").first.get_by_label("Run a plugin on this").select_option("Invert")
    expect(app.page.locator(".entry.result")).to_have_count(2)
    x, y, value = value_in_the_middle(app)
    assert value == 100 * y + x
    assert (app.engine.workspace / "default" / "cells.tif").read_bytes() == file.read_bytes()
    app.page.get_by_role("tab", name="Log").click()
    expect(app.page.get_by_role("log")).to_contain_text("cells.tif uint16 (32, 40)")


OME = (
    b'<?xml version="1.0"?><OME><Image><Pixels DimensionOrder="XYCZT" SizeX="40" SizeY="32" SizeC="2" SizeZ="3" '
    b'SizeT="1" PhysicalSizeX="250" PhysicalSizeXUnit="nm" Type="uint16"/></Image></OME>'
)


@pytest.mark.parametrize(
    ("name", "description", "words"),
    [
        ("stack.ome.tif", OME, ["3 × 2 × 32 × 40", "z", "c", "µm"]),
        ("imagej.tif", b"ImageJ=1.53\nimages=6\nchannels=2\nslices=3\n", ["3 × 2 × 32 × 40", "z", "c"]),
        ("plain.tiff", b"", ["6 × 32 × 40", "4 of 6"]),
    ],
)
def test_stacks_have_their_axes(
    app: App, tmp_path: Path, name: str, description: bytes, words: list[str]
) -> None:
    stack = numpy.stack([cells() + 1000 * plane for plane in range(6)])
    (tmp_path / name).write_bytes(tiff(stack, description, deflated=True))
    app.drop(tmp_path / name)
    entry = app.page.locator(".entry.input")
    for word in words[:1]:
        expect(entry).to_contain_text(word)
    entry.locator("label.axis").first.get_by_role("slider").fill("2")
    x, y, value = value_in_the_middle(app)
    # The first axis moved to its third place, any second one is in the middle, which is its first.
    assert value == 100 * y + x + 1000 * (2 if name == "plain.tiff" else 4)


def test_npy_png_and_what_is_no_picture_are_taken_too_and_nothing_is_overwritten(
    app: App, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    numpy.save(packed, cells().astype("float32") / 2)
    (tmp_path / "cells.npy").write_bytes(packed.getvalue())
    app.drop(tmp_path / "cells.npy")
    expect(app.page.locator(".entry").first).to_contain_text("float32 32 × 40")
    x, y, value = value_in_the_middle(app)
    assert value == (100 * y + x) / 2
    app.drop(tmp_path / "cells.npy")
    expect(app.page.locator(".entry.input")).to_have_count(2)
    work = app.engine.workspace / "default"
    assert sorted(each.name for each in work.iterdir()) == ["cells (2).npy", "cells.npy"]
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    app.drop(tmp_path / "notes.csv")
    expect(app.page.locator(".entry").first).to_contain_text("notes.csv is in the workspace.")
    (tmp_path / "broken.tif").write_bytes(b"II*\0 and no more")
    app.drop(tmp_path / "broken.tif")
    expect(app.page.locator(".entry").first).to_contain_text("It is not shown here. The file is cut off.")


def test_a_file_of_the_workspace_or_of_this_computer_is_opened_from_the_output(
    app: App, tmp_path: Path
) -> None:
    folder = app.engine.workspace / "default" / "series"
    folder.mkdir(parents=True)
    (folder / "cells.tiff").write_bytes(tiff(cells()))
    app.page.get_by_role("button", name="Open file").click()
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("button", name="series").click()
    dialog.get_by_role("button", name="cells.tiff").click()
    dialog.get_by_role("button", name="Choose", exact=True).click()
    expect(app.page.locator(".entry.input")).to_contain_text("cells.tiff")
    x, y, value = value_in_the_middle(app)
    assert value == 100 * y + x

    other = tmp_path / "other.tiff"
    other.write_bytes(tiff(cells()))
    app.page.get_by_role("button", name="Open file").click()
    app.page.get_by_test_id("other-files").set_input_files(other)
    expect(app.page.locator(".entry.input")).to_have_count(2)
    assert (app.engine.workspace / "default" / "other.tiff").read_bytes() == other.read_bytes()


def test_a_plugins_form_takes_a_file_of_the_workspace(app: App, tmp_path: Path) -> None:
    (tmp_path / "Sums.imjoy.html").write_text(SUMS)
    app.plugins = tmp_path
    app.load("Sums")
    (app.engine.workspace / "default" / "numbers.txt").write_text("40 2")
    app.run("Sums")
    form = app.page.get_by_role("dialog", name="Sums")
    form.get_by_role("button", name="Choose File of numbers").click()
    files = app.page.get_by_role("dialog", name="File of numbers")
    files.get_by_role("button", name="numbers.txt").click()
    files.get_by_role("button", name="Choose", exact=True).click()
    expect(form.get_by_label("File of numbers", exact=True)).to_have_value("numbers.txt")
    form.get_by_role("button", name="Run").click()
    expect(app.page.locator(".entry.result")).to_contain_text("42")


SUMS = """
<config lang="json">{"name": "Sums", "type": "native-python", "version": "1", "api_version": "0.1.8",
 "ui": "File of numbers: {id: 'file', type: 'file', required: true}"}</config>
<script lang="python">
from imjoy import api

class Plugin:
    def setup(self):
        pass

    def run(self, ctx):
        return sum(map(int, open(ctx["config"]["file"]).read().split()))

api.export(Plugin())
</script>
"""
