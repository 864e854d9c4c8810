"""More plugins than a browser opens connections to one host (six, over HTTP/1.1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from .conftest import ENVIRONMENT_MILLISECONDS

if TYPE_CHECKING:
    from .conftest import App

COUNT = 8
PLUGIN = """
<config lang="json">{"name": "NAME", "type": "native-python", "version": "1", "api_version": "0.1.8"}</config>
<script lang="python">
from imjoy import api

class Plugin:
    def setup(self):
        pass

    def run(self, ctx):
        print("NAME says this")
        return "NAME has run"

api.export(Plugin())
</script>
"""


def test_the_page_goes_on_with_more_native_plugins_than_a_browser_opens_connections(
    app: App, tmp_path: Path
) -> None:
    names = [f"P{number}" for number in range(COUNT)]
    files = [tmp_path / f"{name}.imjoy.html" for name in names]
    for name, file in zip(names, files, strict=True):
        file.write_text(PLUGIN.replace("NAME", name))
    app.page.get_by_test_id("plugin-file").set_input_files(files)
    for name in names:
        ready = app.card(name).get_by_text("Ready", exact=True)
        ready.wait_for(timeout=ENVIRONMENT_MILLISECONDS)
    app.run(names[-1])
    expect(app.page.locator(".entry.result")).to_contain_text("P7 has run")
    app.page.get_by_role("tab", name="Log").click()
    expect(app.page.get_by_role("log")).to_contain_text("P7 says this")
    app.page.get_by_role("button", name="Connected").click()
    expect(app.page.locator(".popover")).to_contain_text(f"{COUNT} running")
