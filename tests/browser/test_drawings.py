"""Figures and SVG are shown as drawings, which stay after a reload."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from .test_reload import kept

if TYPE_CHECKING:
    from .conftest import App, Seen

PLUGIN = """
<config lang="json">{"name": "Draws", "type": "native-python", "version": "1", "api_version": "0.1.8",
 "requirements": ["matplotlib"]}</config>
<script lang="python">
import matplotlib.pyplot as plt
from imjoy import api

# A plugin's file ends a script where one ends.
EVIL = "<{0}>document.title = 'run'</{0}>".format("script")
SVG = "<svg width='120' height='40'>" + EVIL + "<rect width='120' height='40' fill='teal'/></svg>"

class Plugin:
    def setup(self):
        pass

    def run(self, ctx):
        figure, axes = plt.subplots(figsize=(3, 2), dpi=100)
        axes.plot([1, 3, 2])
        return {"figure": figure, "svg": SVG}

api.export(Plugin())
</script>
"""


def test_a_figure_and_an_svg_are_drawn_and_saved_and_stay_after_a_reload(
    app: App, tmp_path: Path, seen: Seen
) -> None:
    (tmp_path / "Draws.imjoy.html").write_text(PLUGIN)
    app.plugins = tmp_path
    app.load("Draws")
    app.run("Draws")
    for _ in ("as it came", "after the reload"):
        expect(app.page.get_by_role("img", name="figure")).to_have_js_property("naturalWidth", 300)
        expect(app.page.get_by_role("img", name="svg")).to_have_js_property("naturalWidth", 120)
        with app.page.expect_download() as waiting:
            app.page.get_by_role("button", name="Save as PNG").click()
        assert waiting.value.suggested_filename == "figure.png"
        assert Path(waiting.value.path()).read_bytes().startswith(b"\x89PNG")
        kept(app, 1)
        app.page.reload()
        app.page.get_by_role("button", name="Connected").wait_for()
    assert app.page.title() == "ImJoy"
    assert seen.complaints == []
