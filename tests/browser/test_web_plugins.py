"""Web plugins, on a page that has nobody but the engine to ask, and that keeps its token to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App, Seen

RUN = """async ([name, port]) => {
    const { core } = await import("/static/app/core/core.js");
    return core.imjoy.pm.plugin_names[name].api.run({ data: { port, value: 7 } });
}"""


@pytest.mark.parametrize("name", ["Hidden", "Busy"])
def test_an_iframe_and_a_web_worker_plugin_run_and_cannot_reach_the_token(app: App, name: str) -> None:
    app.load(name)
    found = app.page.evaluate(RUN, [name, app.engine.port])
    assert found["echoed"]["value"] == 7
    assert found["stolen"] in ("SecurityError", "no storage")
    assert found["answer"] in ("403", "TypeError")


def test_a_window_plugin_opens_for_what_a_native_plugin_returned(app: App, seen: Seen) -> None:
    app.load("Glass")
    app.load("Opener")
    app.run("Opener")
    expect(app.page.frame_locator(".window iframe").locator("#pane")).to_have_text("It shows 42")
    app.page.get_by_role("button", name="Close Glass").click()
    expect(app.page.locator(".window")).to_have_count(0)
    assert [text for text in seen.complaints if "Content Security Policy" in text] == []


def test_a_result_for_a_window_that_nobody_provides_is_shown_as_data(app: App) -> None:
    app.load("Opener")
    app.run("Opener")
    expect(app.page.locator(".window")).to_contain_text("42")
