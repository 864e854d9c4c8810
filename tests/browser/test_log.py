"""What plugins write, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App

WRITE = """async (pieces) => {
    const { addLog, writeLog } = await import("/static/app/state.js");
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
    said = app.page.get_by_role("log").locator(".said")
    expect(said).to_have_text(["first line", "of another", "100 %", "said", "second", ""])
    app.page.evaluate(WRITE, [["A", "stdout", "open"]])
    expect(said).to_have_count(7)
    app.page.get_by_role("button", name="Clear").click()
    app.page.evaluate(WRITE, [["A", "stdout", "new"]])
    expect(said).to_have_text(["new"])
