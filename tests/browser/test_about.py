"""What a plugin's file says of it, as Markdown, and its source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from .conftest import App

if TYPE_CHECKING:
    from .conftest import Seen

DOCS = """# Glass

Makes *glass* of `sand`. <img src=x onerror="window.hacked = true">

## How

1. heat it, see [the manual](https://example.org/manual)
2. [wait](javascript:window.hacked=true)
"""


def test_docs_are_shown_as_markdown_and_never_as_html(app: App, tmp_path: Path, seen: Seen) -> None:
    source = (app.plugins / "Glass.imjoy.html").read_text("utf-8")
    (tmp_path / "Glass.imjoy.html").write_text(
        f"<docs>{DOCS}</docs>\n{source.partition('</docs>')[2] or source}"
    )
    App(app.page, app.engine, tmp_path).load("Glass")
    app.choose_for("Glass", "About")
    dialog = app.page.get_by_role("dialog", name="About Glass")
    expect(dialog.get_by_role("heading")).to_have_text(["Glass", "How"])
    expect(dialog.locator("em")).to_have_text("glass")
    expect(dialog.get_by_role("listitem")).to_have_text(["heat it, see the manual", "wait"])
    expect(dialog.get_by_role("link")).to_have_count(1)
    expect(dialog.get_by_role("link")).to_have_attribute("href", "https://example.org/manual")
    expect(dialog).to_contain_text("<img src=x onerror=")
    expect(dialog.locator("img")).to_have_count(0)
    dialog.get_by_text("Source", exact=True).click()
    expect(dialog.locator(".source")).to_contain_text("<config")
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)
    assert app.page.evaluate("window.hacked") is None
    assert seen.complaints == []
