"""HTML that a plugin returned is shown as itself, in a frame that reaches nothing; Markdown is elements of the page."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from .conftest import PATIENCE_MILLISECONDS
from .test_accessibility import axe, violations  # noqa: F401 (axe is a fixture)
from .test_reload import kept

if TYPE_CHECKING:
    from .conftest import App, Seen, Stranger

SHOW = """async (result) => {
    const { addOutput } = await import("/static/app/model/state.js");
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

# How a page may try to get to another one, or to that one's server: a word for it, and its HTML.
LEADS = {
    "refresh": '<meta http-equiv="refresh" content="0;url=STRANGER/refresh">',
    "script": "<script>location.href = 'STRANGER/script'</script>",
    "self": "<script>open('STRANGER/self', '_self')</script>",
    "parent": "<script>open('STRANGER/parent', '_parent')</script>",
    "window": "<script>open('STRANGER/window')</script>",
    "link": "<a href='STRANGER/link'></a><script>document.querySelector('a').click()</script>",
    "base": "<base href='STRANGER/base/'><script>location.href = 'page'</script>",
    "form": "<form action='STRANGER/form'></form><script>document.forms[0].submit()</script>",
    "frame": "<iframe src='STRANGER/frame'></iframe>",
    "frame of its own": "<iframe srcdoc='<script>location.href = `STRANGER/own`</script>'></iframe>",
    "blob": "<script>location.href = URL.createObjectURL(new Blob("
    "['<script>location.href = `STRANGER/blob`</' + 'script>'], { type: 'text/html' }))</script>",
    "again": "<script>onload = () => { document.open();"
    "document.write('<meta http-equiv=refresh content=0;url=STRANGER/again><script>setTimeout(() =>"
    " parent.postMessage({ height: 700 }, `*`), 500)</' + 'script>'); document.close() }</script>",
    "ahead": "<link rel=preconnect href='STRANGER'><link rel=prefetch href='STRANGER/ahead'>",
}
WEBRTC = """<!doctype html><p id="found"></p><script>
  let found = "refused";
  try {
    new RTCPeerConnection({ iceServers: [{ urls: "stun:localhost:9" }] });
    found = "REACHED";
  } catch (error) {
    document.title = error.message;
  }
  document.getElementById("found").textContent = found;
</script>"""


def frame(app: App) -> Any:
    return app.page.frame_locator("figure.html iframe").frame_locator("iframe")


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


def led(how: str, stranger: Stranger) -> str:
    """A page that tries to get to the stranger's, and, where it is still there afterwards, grows to 600 pixels."""
    stays = (
        "<p></p><script>setTimeout(() => document.querySelector('p').style.height = '600px', 500)</script>"
    )
    return f"<!doctype html><html>{stays}{LEADS[how].replace('STRANGER', stranger.url)}</html>"


def at_rest(app: App, outer: Any) -> None:
    """Wait until what is shown has stayed where it was, or is the browser's page that says that it refused."""
    # What is not to be seen is not drawn, and does not tell its height.
    outer.frame_element().scroll_into_view_if_needed()
    deadline = time.monotonic() + PATIENCE_MILLISECONDS / 1000
    while True:
        inner = outer.child_frames
        if inner and inner[0].url.startswith("chrome-error:"):
            return
        if outer.frame_element().evaluate("(element) => element.clientHeight") >= 600:
            return
        assert time.monotonic() < deadline, [each.url for each in inner]
        app.page.wait_for_timeout(50)


def test_html_leads_its_frame_to_no_other_page_and_connects_to_no_server(
    app: App, stranger: Stranger
) -> None:
    for how in LEADS:
        app.page.evaluate(SHOW, led(how, stranger))
    figures = app.page.locator("figure.html > iframe")
    expect(figures).to_have_count(len(LEADS))
    for figure in figures.element_handles():
        at_rest(app, figure.content_frame())
    app.page.evaluate("(url) => fetch(`${url}/last`, { mode: 'no-cors' })", stranger.url)
    # A browser that waits a moment for its connection opens a second one, which says nothing.
    assert stranger.heard[: stranger.heard.index("GET /last HTTP/1.1")] == []


def test_html_has_no_webrtc(app: App) -> None:
    app.page.evaluate(SHOW, WEBRTC)
    expect(frame(app).locator("#found")).to_have_text("refused")


def test_where_a_link_of_html_leads_is_shown_and_opens_a_tab_of_nobody_s(
    app: App,
    stranger: Stranger,
    axe: str,  # noqa: F811
) -> None:
    links = f"<a href='{stranger.url}/paper'>paper</a> <a href='#end'>end</a> <a href='javascript:1'>none</a>"
    swaps = f"<script>onblur = () => parent.postMessage({{ link: '{stranger.url}/other' }}, '*')</script>"
    app.page.evaluate(
        SHOW, f"<!doctype html><p>{links}</p><div style='height: 3000px'></div><p id=end>The end</p>{swaps}"
    )
    frame(app).get_by_role("link", name="none").click()
    frame(app).get_by_role("link", name="end").click()
    expect(frame(app).get_by_text("The end")).to_be_in_viewport()
    expect(app.page.locator("figure.html .link")).to_have_count(0)
    frame(app).get_by_role("link", name="paper").click()
    link = app.page.locator("figure.html .link a")
    expect(link).to_have_text(f"{stranger.url}/paper")
    assert stranger.heard == []
    assert violations(app.page, axe) == []
    app.page.evaluate(
        """() => {
            window.swap = new Promise((done) => addEventListener("message", ({ data }) => data.link && done()));
        }"""
    )
    link.hover()
    app.page.mouse.down()
    app.page.evaluate("() => window.swap")
    with app.page.context.expect_page() as opened:
        app.page.mouse.up()
    opened.value.wait_for_load_state()
    assert opened.value.evaluate("() => [opener, document.referrer]") == [None, ""]
    assert "GET /paper HTTP/1.1" in stranger.heard


def test_text_that_is_no_html_stays_text(app: App) -> None:
    texts = ("a < b > c", "<- left", "<div> alone", "<unknown>x</unknown>")
    for text in texts:
        app.page.evaluate(SHOW, text)
    # The newest is on top.
    expect(app.page.locator("pre.value")).to_have_text(list(reversed(texts)))


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
