"""HTML that a plugin returned is shown as itself, in a frame that reaches nothing; Markdown is elements of the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from .test_accessibility import axe, violations  # noqa: F401 (axe is a fixture)
from .test_reload import kept

if TYPE_CHECKING:
    from .conftest import App, Seen

SHOW = """async (result) => {
    const { addOutput } = await import("/static/app/state.js");
    addOutput({ plugin: "Shows", kind: "result", seconds: 1, value: Vue.markRaw({ result }) });
}"""

# What it reaches for, one after the other, and the name of the error that it met.
REACHES = """<!doctype html>
<style>body { margin: 0 } #found { color: rgb(200, 0, 0); margin: 0; height: 300px }</style>
<p id="found"></p>
<script>
  const attempts = {
    storage: () => localStorage.getItem("imjoy.token"),
    cookies: () => document.cookie,
    page: () => parent.document.title,
    leading: () => (top.location.href = "about:blank"),
    popup: () => { if (open("about:blank") === null) throw new Error("null"); },
    engine: () => fetch("ENGINE/api/v1/status"),
    network: () => fetch("https://example.invalid/"),
    image: () => new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = resolve;
      image.onerror = () => reject(new Error("image"));
      image.src = "ENGINE/static/logo.svg";
    }),
  };
  (async () => {
    const found = [];
    for (const [name, attempt] of Object.entries(attempts)) {
      found.push(name + " " + (await Promise.resolve().then(attempt).then(() => "REACHED", () => "refused")));
    }
    document.getElementById("found").textContent = found.join(", ");
  })();
</script>
</html>"""
NAMES = ("storage", "cookies", "page", "leading", "popup", "engine", "network", "image")


def frame(app: App) -> Any:
    return app.page.frame_locator("figure.html iframe")


def test_html_runs_its_scripts_and_reaches_neither_token_nor_engine_nor_network(app: App, seen: Seen) -> None:
    app.page.evaluate(SHOW, {"report": REACHES.replace("ENGINE", app.engine.url)})
    for _ in ("as it came", "after the reload"):
        found = frame(app).locator("#found")
        expect(found).to_have_text(", ".join(f"{name} refused" for name in NAMES))
        expect(found).to_have_css("color", "rgb(200, 0, 0)")
        expect(app.page.locator("figure.html iframe")).to_have_css("height", "300px")
        kept(app, 1)
        app.page.reload()
        app.page.get_by_role("button", name="Connected").wait_for()
    assert app.page.url.rstrip("/") == app.engine.url
    assert not [url for url in seen.requests if "example.invalid" in url]
    with app.page.expect_download() as waiting:
        app.page.get_by_role("button", name="Save as HTML").click()
    assert waiting.value.suggested_filename == "report.html"
    assert Path(waiting.value.path()).read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize("text", ["a < b > c", "<- left", "<div> alone", "<unknown>x</unknown>"])
def test_text_that_is_no_html_stays_text(app: App, text: str) -> None:
    app.page.evaluate(SHOW, text)
    expect(app.page.locator("pre.value")).to_have_text(text)


def test_markdown_is_shown_as_such_and_never_as_html(app: App, axe: str) -> None:  # noqa: F811
    text = (
        "# Found\n\n- **12** cells\n- <script>document.title = 'run'</script>\n\n[more](javascript:alert(1))"
    )
    app.page.evaluate(SHOW, {"markdown": text})
    app.page.evaluate(SHOW, "<table><tr><th>a</th></tr></table>")
    shown = app.page.locator(".entry .docs")
    expect(shown.get_by_role("heading", name="Found")).to_be_visible()
    expect(shown.locator("li strong")).to_have_text("12")
    expect(shown).to_contain_text("<script>document.title = 'run'</script>")
    expect(shown.get_by_role("link")).to_have_count(0)
    expect(frame(app).locator("th")).to_have_text("a")
    assert app.page.title() == "ImJoy"
    assert violations(app.page, axe) == []


def test_windows_of_the_kinds_html_and_markdown_show_them(app: App) -> None:
    app.page.evaluate(
        """async () => {
            const { openWindow } = await import("/static/app/layout/windows.js");
            await openWindow(null, { type: "imjoy/html", name: "Page", data: { source: "<h1>Hello</h1>" } });
            await openWindow(null, { type: "imjoy/markdown", name: "Text", data: { source: "## Hello" } });
        }"""
    )
    window = app.page.locator("section.window[aria-label=Text]")
    expect(window.get_by_role("heading", name="Hello")).to_be_visible()
    app.page.get_by_role("tab", name="Page").click()
    expect(frame(app).locator("h1")).to_have_text("Hello")
