"""What plugins write, line by line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App

WRITE = """async (pieces) => {
    const { addLog, writeLog } = await import("/static/app/model/state.js");
    for (const [plugin, stream, text] of pieces) (stream === "app" ? addLog : writeLog)(plugin, stream, text);
}"""


def test_the_pieces_of_a_line_are_one_line_and_a_progress_bar_is_written_over(app: App) -> None:
    app.page.get_by_role("tab", name="Log").click()
    app.page.evaluate(
        WRITE,
        [
            ["A", "stdout", "first "],
            ["B", "stdout", "of another\n"],
            ["A", "stderr", "10 %"],
            ["A", "app", "said"],
            ["A", "stdout", "line\nsecond\n\n"],
            ["A", "stderr", "\r20 %\r"],
            ["A", "stderr", "100 %\n"],
        ],
    )
    said = app.page.get_by_role("log").locator(".message")
    expect(said).to_have_text(["first line", "of another", "100 %", "said", "second", ""])
    app.page.evaluate(WRITE, [["A", "stdout", "open"]])
    expect(said).to_have_count(7)
    app.page.get_by_role("button", name="Clear").click()
    app.page.evaluate(WRITE, [["A", "stdout", "new"]])
    expect(said).to_have_text(["new"])


def test_the_log_has_times_and_is_narrowed_by_plugin_by_kind_and_by_words(app: App) -> None:
    app.load("Numbers")
    app.page.get_by_role("tab", name="Log").click()
    log = app.page.get_by_role("log")
    line = log.locator("div", has_text="numpy is here")
    expect(line.locator("time")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    app.page.evaluate(
        WRITE,
        [["Other", "stdout", "a cell\n"], ["Other", "stderr", "a fault\n"], ["Other", "engine", "a note\n"]],
    )
    said = log.locator(".message")
    for stream, text in (("errors", "a fault"), ("what the engine says", "a note")):
        app.page.get_by_label("What is shown").select_option(stream)
        app.page.get_by_label("of", exact=True).select_option("Other")
        expect(said).to_have_text([text])
    app.page.get_by_label("What is shown").select_option("everything")
    expect(said).to_have_text(["a cell", "a fault", "a note"])
    app.page.get_by_label("Find in the log").fill("CELL")
    expect(said).to_have_text(["a cell"])
    app.page.get_by_label("of", exact=True).select_option("")
    app.page.get_by_label("Find in the log").fill("nothing of the kind")
    expect(log).to_contain_text("No line matches.")
