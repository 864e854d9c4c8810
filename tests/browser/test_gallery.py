"""The gallery: the examples, and the public plugins that a list names, with and without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Route, expect
from tests.kit.manifest_server import manifest_server

if TYPE_CHECKING:
    from .conftest import App, Seen


def test_a_public_plugin_is_found_and_loaded_and_the_last_list_stays_without_a_network(
    app: App, seen: Seen
) -> None:
    page = app.page
    glass = (app.plugins / "Glass.imjoy.html").read_bytes()
    with manifest_server({"/repository/3D Glass.imjoy.html": glass}) as server:
        page.get_by_role("button", name="Gallery").click()
        dialog = page.get_by_role("dialog")
        said = dialog.get_by_role("status")
        expect(said).to_have_text("There is no address of a list of public plugins.")
        dialog.get_by_text("Where the list comes from").click()
        dialog.get_by_label("Url of the list").fill(server.url)
        page.keyboard.press("Enter")
        expect(said).to_have_text("2 public plugins, listed by 127.0.0.1:" + str(server.server_port) + ".")
        dialog.get_by_label("Type").select_option("window")
        dialog.get_by_label("Search", exact=True).fill("gpu table")
        expect(dialog.get_by_role("listitem")).to_have_count(1)
        dialog.get_by_role("button", name="Load 3D Glass").click()
        app.card("Glass").get_by_text("Ready", exact=True).wait_for()
        # The engine asks: the page would not be let read the answer.
        assert server.asked == ["/manifest.imjoy.json", "/repository/3D%20Glass.imjoy.html"]
        assert not any(
            request.startswith(f"http://127.0.0.1:{server.server_port}/") for request in seen.requests
        )
    page.get_by_role("button", name="gallery").click()
    expect(said).to_contain_text("This is the list from ")
    expect(said).to_contain_text("127.0.0.1 cannot be reached.")
    dialog.get_by_role("button", name="Load Old Talker").click()
    expect(page.locator(".plugins > .problem")).to_contain_text("gallery.unreachable")
    assert seen.complaints == [
        "Failed to load resource: the server responded with a status of 502 (Bad Gateway)"
    ]


def test_an_older_answer_does_not_replace_that_of_the_last_question(app: App) -> None:
    page = app.page
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.fallback()
        else:
            held.append(route)

    page.route("**/api/v1/gallery", hold_the_first)
    with manifest_server({}) as server:
        with page.expect_request("**/api/v1/gallery"):
            page.get_by_role("button", name="Gallery").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_text("Where the list comes from").click()
        dialog.get_by_label("Url of the list").fill(server.url)
        page.keyboard.press("Enter")
        said = dialog.get_by_role("status")
        expect(said).to_contain_text("2 public plugins")
        with page.expect_event("requestfinished"):
            held[0].fulfill(json={"url": "", "time": 0, "why": "", "plugins": []})
        page.evaluate("fetch('/healthz').then((answer) => answer.text())")
        expect(said).to_contain_text("2 public plugins")
        expect(dialog.get_by_label("Url of the list")).to_have_value(server.url)
