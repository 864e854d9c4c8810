"""Records are a table, sorted by a press, and saved as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from .conftest import App


def test_records_are_sorted_by_a_press_on_a_column_and_saved(app: App) -> None:
    app.page.evaluate(
        """async () => {
            const { addOutput } = await import("/static/app/model/state.js");
            const result = [{ cell: "b", area: 9 }, { cell: "a", area: 10 }, { cell: "c", area: -1.5 }];
            addOutput({ plugin: "Cells", kind: "result", seconds: 1, value: Vue.markRaw({ result }) });
        }"""
    )
    table = app.page.get_by_role("table")
    first = table.locator("tbody tr").first
    expect(first).to_have_text("b9")
    table.get_by_role("button", name="area").click()
    expect(first).to_have_text("c-1.5")
    expect(table.get_by_role("columnheader", name="area")).to_have_attribute("aria-sort", "ascending")
    table.get_by_role("button", name="area").click()
    expect(first).to_have_text("a10")
    with app.page.expect_download() as waiting:
        app.page.get_by_role("button", name="Save as CSV").click()
    assert waiting.value.suggested_filename == "Cells.csv"
    content = Path(waiting.value.path()).read_bytes()
    assert content == b"cell,area\r\na,10\r\nb,9\r\nc,-1.5\r\n"
