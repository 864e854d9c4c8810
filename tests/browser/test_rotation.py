"""The connection token is replaced while the page is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

from imjoy.engines.running import rotate_token
from imjoy.model.layout import Layout

if TYPE_CHECKING:
    from .conftest import App, Engine


def rotate(engine: Engine) -> str:
    result = rotate_token(Layout(engine.workspace.parent / "prefix", engine.workspace))
    assert not result.restart_needed
    return result.token


def connect(app: App, token: str) -> None:
    app.page.get_by_label("Connection token").fill(token)
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_role("button", name="Connected")).to_be_visible()


def test_the_page_asks_for_the_new_token_at_once_and_goes_on_with_it(app: App) -> None:
    token = rotate(app.engine)
    expect(app.page.get_by_label("Connection token")).to_be_visible()
    expect(app.page.get_by_role("alert")).to_contain_text("The connection token was replaced.")
    expect(app.page.get_by_text("The engine does not answer")).to_have_count(0)
    assert app.page.evaluate("() => localStorage.getItem('imjoy.token')") is None
    connect(app, token)


def test_plugins_of_a_page_that_got_the_new_token_are_loaded_again(app: App) -> None:
    app.load("Numbers")
    connect(app, rotate(app.engine))
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for()
    app.run("Numbers")
    expect(app.page.locator(".entry.result")).to_contain_text("66")
    expect(app.page.locator(".entry.error")).to_have_count(0)
