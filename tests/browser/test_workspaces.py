"""Workspaces by name: each with its plugins, its layout and its folder; the engine keeps them for every browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from .conftest import App
from .test_panes import OPEN, button

if TYPE_CHECKING:
    from .conftest import Engine


def menu(app: App) -> Any:
    """Open what is behind the workspace's name."""
    app.page.locator(".workspaces > button").click()
    return app.page.locator(".workspaces .popover")


def answer(app: App, action: str, name: str | None = None) -> None:
    dialog = app.page.get_by_role("dialog")
    if name is not None:
        dialog.get_by_role("textbox").fill(name)
    dialog.get_by_role("button", name=action).click()


def expect_workspace(app: App, name: str) -> None:
    expect(app.page.get_by_role("button", name=f"Workspace {name}", exact=True)).to_be_visible()
    expect(app.page.get_by_role("button", name="Connected")).to_be_visible()


def create(app: App, name: str) -> None:
    menu(app).get_by_role("button", name="New").click()
    answer(app, "Create", name)
    expect_workspace(app, name)


def test_each_workspace_has_its_plugins_and_another_browser_finds_them(app: App, browser: Any) -> None:
    app.load("Glass")
    create(app, "Cells of mice")
    expect(app.page.get_by_text("Drop a plugin here")).to_be_visible()
    app.load("Busy")
    menu(app).get_by_role("button", name="Open default").click()
    expect_workspace(app, "default")
    expect(app.card("Glass")).to_contain_text("Ready")
    expect(app.card("Busy")).to_have_count(0)

    profile = browser.new_context()
    page = profile.new_page()
    page.goto(f"{app.engine.url}/#token={app.engine.token}")
    expect(page.get_by_role("article", name="Glass")).to_contain_text("Ready")
    page.get_by_role("button", name="Workspace default").click()
    page.get_by_role("button", name="Open Cells of mice").click()
    expect(page.get_by_role("article", name="Busy")).to_contain_text("Ready")
    expect(page.get_by_role("article", name="Glass")).to_have_count(0)
    profile.close()


def test_a_workspace_is_renamed_with_its_files_and_deleted_without_them(app: App) -> None:
    create(app, "first")
    work = app.engine.workspace
    app.page.evaluate("""async () => {
        const { core } = await import("/static/app/core/core.js");
        await core.files.putFile("note.txt", "kept");
    }""")
    assert (work / "first" / "note.txt").read_text() == "kept"
    app.load("Glass")
    app.page.evaluate("""async () => {
        const { rememberFile } = await import("/static/app/model/storage.js");
        rememberFile("first", "Glass", { path: "first.imjoy.html", isWatched: false });
        rememberFile("default", "Glass", { path: "default.imjoy.html", isWatched: true });
    }""")
    menu(app).get_by_role("button", name="Rename").click()
    answer(app, "Rename", "second")
    expect_workspace(app, "second")
    expect(app.card("Glass")).to_contain_text("Ready")
    assert app.page.evaluate("""async () => {
        const { state } = await import("/static/app/model/state.js");
        return state.plugins[0].file;
    }""") == {"path": "first.imjoy.html", "isWatched": False}
    assert (work / "second" / "note.txt").read_text() == "kept"
    assert not (work / "first").exists()

    menu(app).get_by_role("button", name="Delete").click()
    answer(app, "Cancel")
    menu(app).get_by_role("button", name="Delete").click()
    answer(app, "Delete")
    expect_workspace(app, "default")
    expect(menu(app).get_by_role("button", name="Open second")).to_have_count(0)
    assert (work / "second" / "note.txt").read_text() == "kept"

    app.page.goto(f"{app.engine.url}/?workspace=second")
    expect(app.page.get_by_role("dialog")).to_contain_text("There is no workspace second")
    answer(app, "OK")
    expect_workspace(app, "default")


def test_a_rename_waits_for_what_is_being_saved(app: App) -> None:
    create(app, "first")
    app.page.get_by_role("button", name="Write my first plugin").click()
    answer(app, "Write it", "Mine")
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    app.page.route(lambda url: "/api/v1/files?" in url, hold)
    save = app.page.get_by_role("button", name="Save", exact=True)
    with app.page.expect_request(lambda request: request.method == "PUT"):
        save.click()
    menu(app).get_by_role("button", name="Rename").click()
    renames: list[str] = []
    app.page.on("request", lambda request: renames.append(request.url) if "/rename" in request.url else None)
    answer(app, "Rename", "second")
    expect(app.page.get_by_role("dialog")).to_have_count(0)
    # More than a turn of the page passes before what is saved goes on.
    app.page.evaluate("() => fetch('/healthz')")
    assert renames == []
    for route in held:
        route.continue_()
    expect_workspace(app, "second")
    assert [file.name for file in (app.engine.workspace / "second").iterdir()] == ["Mine.imjoy.html"]
    assert not (app.engine.workspace / "first").exists()


def test_a_workspace_is_exported_to_one_file_and_imported_from_it(app: App, tmp_path: Path) -> None:
    create(app, "cells")
    app.load("Glass")
    app.page.evaluate(OPEN, ["One"])
    export = menu(app).get_by_role("button", name="Export")
    with app.page.expect_download() as download:
        # The layout of this very moment, which the engine has not been told yet.
        button(app, "Put One to the right").dispatch_event("click")
        export.dispatch_event("click")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    assert file.name == "cells.imjoy.json"
    content = json.loads(file.read_text("utf-8"))
    assert (content["name"], len(content["plugins"])) == ("cells", 1)
    assert [part["tabs"] for part in content["layout"]["panes"]["parts"]][1] == ["window One"]

    app.page.get_by_test_id("workspace-file").set_input_files(file)
    answer(app, "Import")
    expect_workspace(app, "cells (2)")
    expect(app.card("Glass")).to_contain_text("Ready")
    app.page.evaluate(OPEN, ["One"])
    expect(app.page.get_by_role("separator")).to_be_visible()

    file.write_text("[]")
    app.page.get_by_test_id("workspace-file").set_input_files(file)
    expect(app.page.get_by_role("alert")).to_contain_text("cells.imjoy.json is not a workspace.")


def test_a_name_that_is_taken_or_none_is_told(app: App) -> None:
    create(app, "cells")
    menu(app).get_by_role("button", name="New").click()
    answer(app, "Create", "CELLS")
    expect(app.page.get_by_role("alert")).to_contain_text(
        "There is a workspace, or a folder, 'CELLS' already."
    )
    menu(app).get_by_role("button", name="New").click()
    answer(app, "Create", "a/b")
    expect(app.page.get_by_role("alert")).to_contain_text("That is not a valid name for a workspace.")


@pytest.mark.parametrize("exists", [False, True])
def test_plugins_that_the_browser_kept_itself_are_handed_to_the_engine_once(
    page: Any, engine: Engine, exists: bool
) -> None:
    source = (Path(__file__).parent / "plugins" / "Glass.imjoy.html").read_text("utf-8")
    if exists:  # Another tab makes it just after this one looked.
        url = f"{engine.url}/api/v1/workspaces"
        headers = {"Authorization": f"Bearer {engine.token}"}
        assert page.request.put(f"{url}/default", headers=headers).ok
        page.route(url, lambda route: route.fulfill(json={"workspaces": []}), times=1)
    page.goto(engine.url)
    page.get_by_label("Connection token").wait_for()
    page.evaluate(
        """async (code) => {
            const { core } = await import("/static/app/core/core.js");
            await core.imjoy.pm.loadWorkspace("default");
            await core.imjoy.pm.db.put({ _id: "Glass", name: "Glass", code, tag: "" });
        }""",
        source,
    )
    page.goto(f"{engine.url}/?connected#token={engine.token}")
    expect(page.get_by_role("article", name="Glass")).to_contain_text("Ready")
    page.get_by_role("button", name="More for Glass").click()
    page.get_by_role("menuitem", name="Remove").click()
    expect(page.get_by_role("article")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("Drop a plugin here")).to_be_visible()
    expect(page.get_by_role("article")).to_have_count(0)


def test_a_plugin_that_the_engine_does_not_keep_is_in_nobody_s_way(app: App) -> None:
    app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            await core.imjoy.pm.loadWorkspace("default");
            await core.imjoy.pm.db.put({ _id: "Broken", name: "Broken", code: "-", tag: "" });
        }"""
    )
    refused = "**/api/v1/workspaces/default/p000000000*"
    app.page.route(refused, lambda route: route.fulfill(status=507, json={}))
    with app.page.expect_response(refused):
        app.page.reload()
    app.load("Glass")
    expect(app.card("Glass")).to_contain_text("Ready")


def test_a_workspace_that_could_not_be_opened_is_opened_by_who_adds_a_plugin(
    page: Any, engine: Engine
) -> None:
    listing = f"{engine.url}/api/v1/workspaces"
    page.route(listing, lambda route: route.fulfill(status=507, json={}))
    app = App(page, engine).connect()
    alert = page.locator(".plugins > .problem")
    expect(alert).to_contain_text("The engine refused.")
    # Who adds one is told, too, and once the engine is well again it works.
    alert.get_by_role("button").click()
    app.choose("Glass")
    expect(alert).to_contain_text("The engine refused.")
    page.unroute(listing)
    app.load("Glass")
    expect(alert).to_have_count(0)
    page.reload()
    expect(app.card("Glass")).to_contain_text("Ready")


@pytest.mark.parametrize(
    "opened",
    ['() => { throw new DOMException("denied", "SecurityError"); }', "() => ({})"],
    ids=["denied", "silent"],
)
def test_a_browser_whose_indexed_db_cannot_be_opened_shows_the_workspace(
    page: Any, engine: Engine, opened: str
) -> None:
    page.add_init_script(f"IDBFactory.prototype.open = {opened};")
    page.clock.install()
    app = App(page, engine).connect()
    app.choose("Glass")
    page.clock.fast_forward(10_000)
    expect(app.card("Glass")).to_contain_text("Ready")
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_role("log")).to_contain_text(
        "The plugins that this browser had saved could not be read."
    )


def test_a_file_that_is_chosen_while_the_page_starts_is_loaded_once_it_has(page: Any, engine: Engine) -> None:
    held: list[Any] = []
    status = f"{engine.url}/api/v1/status"

    def hold(route: Any) -> None:
        held.append(route)

    page.route(status, hold, times=1)
    with page.expect_request(status):
        page.goto(f"{engine.url}/#token={engine.token}")
    app = App(page, engine)
    app.choose("Glass")
    # More than a turn of the page passes before it is connected.
    page.evaluate("() => fetch('/healthz')")
    for route in held:
        route.continue_()
    expect(app.card("Glass")).to_contain_text("Ready")


def test_a_file_that_is_dropped_where_no_engine_is_connected_is_refused_in_a_sentence(
    page: Any, engine: Engine
) -> None:
    page.goto(engine.url)
    page.get_by_label("Connection token").wait_for()
    app = App(page, engine)
    app.drop(app.plugins / "Glass.imjoy.html", "#main")
    expect(page.locator(".snackbar")).to_contain_text("No engine is connected.")
    page.get_by_label("Connection token").fill(engine.token)
    page.get_by_role("button", name="Connect", exact=True).click()
    page.get_by_role("button", name="Connected").wait_for()
    app.load("Glass")


def test_a_plugin_that_two_tabs_load_is_kept_once(app: App) -> None:
    other = app.page.context.new_page()
    other.goto(app.page.url)
    expect(other.get_by_role("button", name="Connected")).to_be_visible()
    app.load("Glass")
    other.get_by_test_id("plugin-file").set_input_files(
        Path(__file__).parent / "plugins" / "Glass.imjoy.html"
    )
    expect(other.get_by_role("article", name="Glass")).to_contain_text("Ready")
    other.close()
    app.page.reload()
    expect(app.card("Glass")).to_contain_text("Ready")
    app.page.get_by_role("button", name="More for Glass").click()
    app.page.get_by_role("menuitem", name="Remove").click()
    expect(app.page.get_by_role("article")).to_have_count(0)
    app.page.reload()
    expect(app.page.get_by_text("Drop a plugin here")).to_be_visible()
    expect(app.page.get_by_role("article")).to_have_count(0)
