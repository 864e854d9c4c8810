"""Every plugin of ``examples/``, loaded and run on the page; by `imjoy run`: ``tests/integration/examples``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from tests.kit.published import make_repository_double

from .conftest import App, Engine, Seen

if TYPE_CHECKING:
    from tests.kit.channel_server import ChannelServer

EXAMPLES = Path(__file__).parents[2] / "engine" / "imjoy_engine" / "webapp" / "examples"
CANCELLED_SECONDS = 60


@pytest.fixture
def app(page: Any, engine: Engine, seen: Seen) -> Iterator[App]:
    """The app, connected; it loads examples."""
    yield App(page, engine, EXAMPLES).connect()
    assert seen.complaints == []


def shown(app: App) -> Any:
    """Return the newest result on the page."""
    return app.page.locator(".entry.result").first


def run(app: App, name: str, **fields: str) -> None:
    """Press Run, fill in the form when there is one, and press its Run."""
    app.run(name)
    if fields:
        dialog = app.page.get_by_role("dialog")
        for label, value in fields.items():
            dialog.get_by_label(label).fill(value)
        dialog.get_by_role("button", name="Run").click()


def test_charts_are_shown_as_a_picture_and_saved(app: App) -> None:
    app.load("Charts")
    app.run("Charts")
    with app.page.expect_download() as download:
        app.page.get_by_role("dialog").get_by_role("button", name="Run").click()
    assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")
    picture = app.page.get_by_role("img", name="Cells")
    expect(picture).to_be_visible()
    expect(picture).to_have_js_property("naturalWidth", 800)


def test_filters_show_the_image_and_the_result(app: App) -> None:
    app.load("Filters")
    run(app, "Filters", width="3")
    expect(shown(app).locator("canvas")).to_have_count(2)


def test_a_stack_is_shown_in_a_window_that_calls_python_back(app: App) -> None:
    app.choose("Stack window")
    app.load("Stack")
    app.run("Stack")
    window = app.page.frame_locator("iframe").last
    expect(window.locator("#label")).to_have_text("slice 1 of 16")
    window.get_by_label("Slice").fill("5")
    expect(window.locator("#label")).to_have_text("slice 6 of 16")
    window.get_by_role("button", name="Project").click()
    expect(window.locator("#label")).to_have_text("projection of 16 slices")


def test_questions_are_dialogs(app: App) -> None:
    app.load("Questions")
    app.run("Questions")
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("A 1")
    app.page.keyboard.press("Enter")
    dialog.get_by_label("Exposure").fill("20")
    dialog.get_by_label("Channel").select_option("DAPI")
    dialog.get_by_role("button", name="OK").click()
    expect(dialog).to_contain_text("A 1: 20 ms, DAPI")
    dialog.get_by_role("button", name="OK").click()
    expect(shown(app)).to_contain_text("DAPI")
    expect(app.page.locator(".entry.message")).to_contain_text("Recorded A 1")


def test_progress_is_on_the_page_and_a_button_stops_it(app: App) -> None:
    app.load("Progress")
    run(app, "Progress", Frames="1000")
    card = app.card("Progress")
    expect(card.get_by_role("progressbar", name="Progress: Running")).to_have_attribute(
        "aria-valuenow", re.compile("[0-9]")
    )
    expect(card.get_by_role("status")).to_contain_text("of 1000")
    app.page.get_by_role("button", name="Stop at the next frame").click()
    expect(card.get_by_role("status")).to_contain_text("of 1000 frames are done")


def test_callbacks_cross_in_both_directions(app: App) -> None:
    app.load("Callbacks")
    heard = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            const call = (...rest) => core.imjoy.pm.callPlugin(null, "Callbacks", ...rest);
            const heard = [];
            await call("mean", [2, 4], (mean) => heard.push(mean));
            const watcher = { _rintf: true, on_value: (mean) => heard.push(mean) };
            heard.push(await call("watch", [2, 4, 9], watcher));
            const sums = await call("accumulator");
            await sums.add(3);
            await sums.add(4);
            return [...heard, await sums.total()];
        }"""
    )
    assert heard == [3, 2, 3, 5, 5, 7]


@pytest.mark.parametrize("tag", ["CPU", "GPU"])
def test_the_kind_that_is_chosen_runs(app: App, tag: str) -> None:
    app.choose("Devices")
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("combobox").select_option(tag)
    dialog.get_by_role("button", name="Load").click()
    app.card("Devices").get_by_text("Ready", exact=True).wait_for()
    app.run("Devices")
    expect(shown(app)).to_contain_text("8000000")
    expect(shown(app)).to_contain_text(tag)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let git take a repository of this machine for the public one."""
    for name, value in make_repository_double(tmp_path / "origin").items():
        monkeypatch.setenv(name, value)


def test_a_repository_is_checked_out_and_listed(published: None, app: App) -> None:
    app.load("Catalogue")
    app.run("Catalogue")
    expect(app.page.get_by_role("region", name="Catalogue")).to_contain_text("Takes noise away.")


def test_a_command_is_announced_in_the_log_before_the_plugin_starts(app: App) -> None:
    app.load("Lookup table")
    app.run("Lookup table")
    expect(shown(app).locator("canvas")).to_have_count(2)
    app.page.get_by_role("tab", name="Log").click()
    expect(app.page.get_by_role("log")).to_contain_text("computed 1000 values")


# Notes every step that a card tells, and how long its bar is then.
WATCH_STEPS = """() => {
    window.steps = [];
    const note = () => {
        const step = document.querySelector("article .step")?.textContent;
        const bar = document.querySelector("article .meter")?.getAttribute("aria-valuenow");
        const last = window.steps[window.steps.length - 1];
        if (step && (!last || last[0] !== step)) window.steps.push([step, bar === null ? null : Number(bar)]);
    };
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


@pytest.fixture
def empty_cache(channel: ChannelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conda channel, and nothing of it on this machine."""
    if not channel.channel.has_python("3.6"):
        pytest.skip("Python 3.6 is not installed (pyenv)")
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "pkgs"))


def test_a_plugin_of_2018_gets_its_conda_environment_with_a_bar_and_runs(empty_cache: None, app: App) -> None:
    app.page.evaluate(WATCH_STEPS)
    app.load("Classic")
    told = app.page.evaluate("() => window.steps")
    texts = " | ".join(text for text, _ in told)
    for words in ("Solving", "Downloading", " MB", "Linked", "Installed"):
        assert words in texts
    lengths = [length for _, length in told if length is not None]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 3
    run(app, "Classic", Times="2")
    dialog = app.page.get_by_role("dialog")
    expect(dialog).to_contain_text("hello hello")
    dialog.get_by_role("button", name="OK").click()
    expect(shown(app)).to_contain_text("3.6")


def test_stop_ends_a_conda_build_at_once_and_start_builds_it(
    empty_cache: None, channel: ChannelServer, start_engine: Callable[..., Engine], page: Any, tmp_path: Path
) -> None:
    # No environment of another test's may be there.
    workspace = tmp_path / "workspace"
    (workspace / ".imjoy" / "environments").mkdir(parents=True)
    app = App(page, start_engine("--serve", workspace=workspace), EXAMPLES).connect()
    channel.stall.set()
    app.choose("Classic")
    card = app.card("Classic")
    expect(card.locator(".step")).to_contain_text("Downloading")
    assert channel.stalled.wait(60)
    begin = time.monotonic()
    card.get_by_role("button", name="Stop").click()
    expect(card).to_contain_text("Stopped")
    while any(workspace.glob(".imjoy/environments/*/conda-meta")):
        assert time.monotonic() - begin < CANCELLED_SECONDS
    channel.stall.clear()
    channel.closing.set()
    card.get_by_role("button", name="Start").click()
    card.get_by_text("Ready", exact=True).wait_for()


def test_waves_are_drawn(app: App) -> None:
    app.load("Waves")
    run(app, "Waves", Wave="40")
    expect(shown(app).locator("canvas")).to_be_visible()
