"""The sheet that plugins' windows may use, and the commands that are copied with a click."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App, Engine, StartEngine

WINDOW = """
<config lang="json">{"name": "Pane", "type": "window", "version": "1", "api_version": "0.1.8"}</config>
<script lang="javascript">api.export({ setup() {}, run() {} });</script>
<window><div class="imjoy"><p id="text">text</p><button class="primary">Go</button></div></window>
"""
OPEN = """async () => {
    const { openWindow } = await import("/static/app/layout/windows.js");
    await openWindow(null, { type: "Pane", name: "Pane" });
}"""


def test_a_window_that_asks_for_it_looks_as_the_app_does_in_light_and_dark(app: App, tmp_path: Path) -> None:
    (tmp_path / "Pane.imjoy.html").write_text(WINDOW)
    app.plugins = tmp_path
    app.load("Pane")
    app.page.evaluate(OPEN)
    pane = app.page.frame_locator(".window iframe")
    for scheme in ("light", "dark"):
        app.page.emulate_media(color_scheme=scheme)
        wanted = app.page.evaluate(
            """() => {
                const sample = document.body.appendChild(document.createElement("i"));
                const colour = (name) => {
                    sample.style.color = `var(${name})`;
                    return getComputedStyle(sample).color;
                };
                const found = [colour("--text"), colour("--accent"), colour("--on-accent")];
                sample.remove();
                return found;
            }"""
        )
        expect(pane.locator("#text")).to_have_css("color", wanted[0])
        expect(pane.get_by_role("button")).to_have_css("background-color", wanted[1])
        expect(pane.get_by_role("button")).to_have_css("color", wanted[2])


def copied(page: Any, name: str) -> Any:
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("button", name=name)).to_have_text("Copied")
    return page.evaluate("() => navigator.clipboard.readText()")


def test_the_command_for_the_token_is_copied(page: Any, engine: Engine) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(engine.url)
    assert copied(page, "Copy imjoy token") == "imjoy token"


def test_the_commands_of_the_welcome_page_are_copied(page: Any, start_engine: StartEngine) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(start_engine().url)
    for command in ("imjoy start --serve", "imjoy token"):
        assert copied(page, f"Copy {command}") == command
