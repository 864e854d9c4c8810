"""The whole way: connect, load a plugin that needs numpy, press Run, see the result."""

from __future__ import annotations

from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.kit.ports import free_port

from imjoy_engine.web.routes.pages import app_modules

from .conftest import ENVIRONMENT_MILLISECONDS

if TYPE_CHECKING:
    from .conftest import App, Engine, Seen


def test_a_plugin_with_numpy_runs_and_its_result_is_on_the_page(app: App, seen: Seen) -> None:
    app.load("Numbers")
    app.run("Numbers")
    entry = app.page.locator(".entry.result")
    expect(entry).to_contain_text("66")
    expect(entry).to_contain_text("3 × 4")
    expect(entry.locator("canvas")).to_be_visible()
    expect(app.page.get_by_role("status").filter(has_text="Summing")).to_be_visible()
    assert seen.complaints == []


def test_what_a_plugin_prints_is_in_the_log(app: App) -> None:
    app.load("Numbers")
    app.page.get_by_role("tab", name="Log").click()
    expect(app.page.get_by_role("log")).to_contain_text("numpy is here")


def test_the_token_leaves_the_address_bar_and_survives_a_reload_with_the_plugins(app: App) -> None:
    app.load("Numbers")
    assert app.engine.token not in app.page.url
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for()
    app.run("Numbers")
    expect(app.page.locator(".entry.result")).to_contain_text("66")


def test_a_wrong_token_is_refused_with_what_to_do_and_the_right_one_then_works(
    page: Any, engine: Engine
) -> None:
    page.goto(engine.url)
    page.get_by_label("Connection token").fill("a-wrong-token-of-enough-length")
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("auth.token")
    expect(page.get_by_role("alert")).to_contain_text("imjoy token")
    page.get_by_label("Connection token").fill(engine.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Connected")).to_be_visible()


@pytest.mark.parametrize("place", ["header", "section.plugins", "main"])
def test_a_file_that_is_dropped_anywhere_is_loaded_and_the_page_stays(app: App, place: str) -> None:
    file = app.plugins / "Numbers.imjoy.html"
    app.drop(file, place)
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for()


def load_from(app: App, url: str) -> None:
    app.page.get_by_role("button", name="From url").click()
    app.page.get_by_label("Url of a plugin file").fill(url)
    app.page.keyboard.press("Enter")


def test_a_site_that_does_not_let_pages_read_is_told_from_one_that_is_not_there(app: App) -> None:
    free = free_port()
    load_from(app, f"http://127.0.0.1:{free}/a.imjoy.html")
    expect(app.page.get_by_role("alert")).to_contain_text(f"127.0.0.1:{free} cannot be reached.")
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as closed:
        Thread(target=closed.serve_forever).start()
        app.page.get_by_label("Url of a plugin file").fill(f"http://127.0.0.1:{closed.server_port}/")
        app.page.keyboard.press("Enter")
        expect(app.page.get_by_role("alert")).to_contain_text("does not let pages read its files.")
        closed.shutdown()


def test_without_a_network_the_page_says_that_the_computer_is_offline(
    app: App, context: Any, seen: Seen
) -> None:
    context.set_offline(True)
    load_from(app, "https://github.com/imjoy-team/example/blob/master/A.imjoy.html")
    expect(app.page.locator(".plugins").get_by_role("alert")).to_contain_text("This computer is offline.")
    # It was asked for, and never left the browser.
    assert seen.elsewhere() == ["https://raw.githubusercontent.com/imjoy-team/example/master/A.imjoy.html"]
    seen.requests.clear()


def test_a_plugin_is_loaded_from_a_url(app: App) -> None:
    plugin = app.engine.workspace / "default" / "Numbers.imjoy.html"
    plugin.parent.mkdir(exist_ok=True)
    plugin.write_text((app.plugins / "Numbers.imjoy.html").read_text("utf-8"), "utf-8")
    url = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            return core.files.getFileUrl({ path: "Numbers.imjoy.html" });
        }"""
    )
    app.page.get_by_role("button", name="From url").click()
    app.page.get_by_label("Url of a plugin file").fill(url)
    app.page.keyboard.press("Enter")
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)


def test_stop_ends_a_plugin_start_begins_it_again_and_remove_forgets_it(app: App) -> None:
    card = app.load("Numbers")
    app.choose_for("Numbers", "Stop")
    expect(card).to_contain_text("Stopped")
    card.get_by_role("button", name="Start").click()
    card.get_by_text("Ready", exact=True).wait_for()
    app.choose_for("Numbers", "Remove")
    expect(card).to_have_count(0)
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    expect(app.page.get_by_text("Drop a plugin here")).to_be_visible()


def test_everything_works_by_keyboard_alone(app: App) -> None:
    app.load("Talker")
    app.page.locator("body").press("Home")
    for _ in range(30):
        app.page.keyboard.press("Tab")
        if app.page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Run Talker":
            break
    outline = app.page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_role("dialog")).to_be_visible()
    app.page.keyboard.press("Escape")
    expect(app.page.get_by_role("dialog")).to_have_count(0)
    app.page.keyboard.press("Enter")
    app.page.get_by_role("dialog").get_by_label("How wide").press("Enter")
    expect(app.page.locator(".entry.result")).to_contain_text("round")
    app.page.get_by_role("tab", name="Output").focus()
    app.page.keyboard.press("ArrowRight")
    expect(app.page.get_by_role("tab", name="Log")).to_be_focused()


def test_the_app_comes_back_when_the_engine_does(app: App, start_engine: Any) -> None:
    app.load("Numbers")
    engine = app.engine
    assert engine.process.stdin is not None
    engine.process.stdin.close()
    engine.process.wait(60)
    expect(app.page.locator(".banner")).to_contain_text("imjoy start")
    start_engine("--serve", "--port", str(engine.port), workspace=engine.workspace)
    expect(app.page.get_by_role("button", name="Connected")).to_be_visible()
    app.card("Numbers").get_by_text("Ready", exact=True).wait_for()
    app.run("Numbers")
    expect(app.page.locator(".entry.result")).to_contain_text("66")


def test_a_plugin_that_may_be_detached_goes_on_after_a_reload(app: App) -> None:
    app.load("Lasting")
    assert app.call("Lasting", "count") == [1, 0]
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    app.card("Lasting").get_by_text("Ready", exact=True).wait_for()
    assert app.call("Lasting", "count") == [2, 1]
    app.choose_for("Lasting", "Stop")
    expect(app.card("Lasting")).to_contain_text("Stopped")


def test_the_page_fits_a_narrow_screen(app: App) -> None:
    app.load("Numbers")
    app.page.set_viewport_size({"width": 400, "height": 800})
    assert app.page.evaluate("() => document.documentElement.scrollWidth") <= 400


def test_on_a_narrow_page_what_a_run_answers_is_scrolled_into_view(app: App) -> None:
    app.load("Glass")
    app.load("Numbers")
    app.page.set_viewport_size({"width": 640, "height": 400})  # 1280 x 800 at 200 %
    app.run("Numbers")
    expect(app.page.locator(".entry.result").first).to_be_in_viewport()


def test_a_newcomer_tries_waves_with_three_clicks(app: App) -> None:
    app.page.get_by_role("button", name="Try Waves").click()
    app.card("Waves").get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)
    app.run("Waves")
    app.page.get_by_role("dialog").get_by_role("button", name="Run").click()
    expect(app.page.locator(".entry.result canvas")).to_be_visible()


def test_the_examples_are_listed_and_searched_without_a_network(app: App) -> None:
    app.page.get_by_role("button", name="Gallery").click()
    dialog = app.page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Load ")).to_have_count(13)
    dialog.get_by_label("Search").fill("callbacks native")
    dialog.get_by_role("button", name="Load Callbacks").click()
    app.card("Callbacks").get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)


def test_the_head_is_painted_before_any_module_is_there(page: Any, engine: Engine) -> None:
    page.route("**/static/app/**", lambda route: route.abort())
    page.goto(engine.url)
    expect(page.get_by_role("heading", name="ImJoy", exact=True)).to_be_visible()


def test_the_page_names_each_module_that_it_is_made_of_and_asks_for_it_once(app: App, seen: Seen) -> None:
    scripts = [
        url.partition("/static/")[2] for url in seen.requests if "/static/" in url and url.endswith(".js")
    ]
    assert sorted(scripts) == sorted(["app/main.js", *app_modules()])
