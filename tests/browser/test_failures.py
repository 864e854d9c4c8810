"""Plugins that fail: the page says what, why and what to do, and everything else goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from .conftest import ENVIRONMENT_MILLISECONDS, App, Engine

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import StartEngine


def test_a_plugin_that_raises_shows_its_error_and_stays_usable(app: App) -> None:
    card = app.load("Faulty")
    app.run("Faulty")
    expect(card.get_by_role("alert")).to_contain_text("ValueError: the sample is too dark")
    card.get_by_text("Details").click()
    expect(card.get_by_role("alert")).to_contain_text("Traceback")
    assert app.call("Faulty", "flood") == "still here"


def test_a_script_that_raises_is_a_failed_plugin_with_its_output(app: App) -> None:
    app.choose("Broken")
    card = app.card("Broken")
    expect(card).to_contain_text("Failed", timeout=ENVIRONMENT_MILLISECONDS)
    expect(card.get_by_role("alert")).to_contain_text("no such microscope")


@pytest.mark.parametrize(
    ("name", "reason"), [("Silent", "did not export its functions"), ("Stuck", "has not answered")]
)
def test_a_plugin_that_does_not_start_within_a_minute_says_why(
    page: Page, engine: Engine, name: str, reason: str
) -> None:
    page.clock.install()
    app = App(page, engine).connect()
    app.choose(name)
    card = app.card(name)
    if name == "Silent":
        page.get_by_role("tab", name="Log").click()
        expect(page.get_by_role("log")).to_contain_text("that was all", timeout=ENVIRONMENT_MILLISECONDS)
    expect(card).to_contain_text("Setting up" if name == "Silent" else "Loading")
    page.clock.fast_forward(61_000)
    expect(card.get_by_role("alert")).to_contain_text("did not start within 60 s")
    expect(card.get_by_role("alert")).to_contain_text(reason)
    expect(card).to_contain_text("Failed")


def test_a_native_plugin_starts_after_a_web_plugin_has(app: App) -> None:
    """Loading a web plugin takes the global `imjoyRPC` away."""
    app.load("Hidden")
    app.load("Numbers")
    assert app.call("Numbers", "echo", 5) == 5


def test_a_plugin_that_exits_in_a_call_ends_the_call_and_tells_its_exit_code(app: App) -> None:
    card = app.load("Faulty")
    error = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            return core.imjoy.pm.callPlugin(null, "Faulty", "leave").catch((error) => error.message);
        }"""
    )
    assert "3" in error
    expect(card.get_by_role("button", name="Start")).to_be_visible()
    expect(card.get_by_role("alert")).to_contain_text("3")
    card.get_by_role("button", name="Start").click()
    card.get_by_text("Ready", exact=True).wait_for()


def test_a_flood_of_stderr_reaches_the_log_and_stalls_nobody(app: App) -> None:
    app.load("Faulty")
    app.load("Numbers")
    assert app.call("Faulty", "flood") == "still here"
    assert app.call("Numbers", "echo", 5) == 5
    app.page.get_by_role("tab", name="Log").click()
    expect(app.page.get_by_role("log")).to_contain_text("noise")


def test_a_malformed_plugin_file_is_refused_with_its_line(app: App) -> None:
    app.choose("Malformed")
    alert = app.page.locator(".plugins > .problem")
    expect(alert).to_contain_text("plugin.")
    expect(alert).to_contain_text("line 5")


def test_a_message_over_the_limit_fails_with_what_to_do(
    open_app: Callable[[Engine], App], start_engine: StartEngine
) -> None:
    app = open_app(start_engine("--serve", "--max-message-size", "1000000"))
    app.load("Numbers")
    app.load("Faulty")
    error = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            const call = core.imjoy.pm.callPlugin(null, "Numbers", "echo", new ArrayBuffer(2000000));
            return call.catch((error) => error.id);
        }"""
    )
    assert error == "message.too-big"
    expect(app.card("Numbers").get_by_role("alert")).to_contain_text("--max-message-size")
    assert app.call("Faulty", "flood") == "still here"


def test_a_file_in_an_older_encoding_is_told_and_one_in_utf_16_is_loaded(app: App) -> None:
    source = (app.plugins / "Numbers.imjoy.html").read_text(encoding="utf-8")
    page = app.page

    def choose(name: str, content: bytes) -> None:
        picked = {"name": name, "mimeType": "text/html", "buffer": content}
        page.get_by_test_id("plugin-file").set_input_files(picked)

    choose("old.imjoy.html", source.replace("Numbers", "Zähler").encode("cp1252"))
    expect(page.get_by_role("alert")).to_contain_text("old.imjoy.html: this is not text in UTF-8")
    choose("wide.imjoy.html", source.encode("utf-16"))
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)
