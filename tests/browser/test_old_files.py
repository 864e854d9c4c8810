"""Plugin files that say less, or want more, than this page expects."""

from __future__ import annotations

from playwright.sync_api import expect

from .conftest import App


def test_a_plugin_without_an_api_version_runs_in_the_app(app: App) -> None:
    app.load("Ageless")
    app.run("Ageless")
    expect(app.page.get_by_role("tabpanel", name="Output")).to_contain_text("it ran")


def test_a_type_that_is_not_provided_is_refused_as_such(app: App) -> None:
    app.choose("Pyodide")
    problem = app.page.locator(".problem")
    expect(problem).to_contain_text("is a plugin of type web-python, which this page does not support")
    expect(app.page.get_by_role("article", name="Pyodide")).to_have_count(0)
