"""Arrays and big messages, from the page to Python and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import App

SAME = """async ([name, size]) => {
    const { core } = await import("/static/app/core/core.js");
    const sent = new Uint8Array(size);
    for (let i = 0; i < size; i += 997) sent[i] = i;
    const answer = await core.imjoy.pm.callPlugin(null, name, "echo", sent.buffer.slice(0));
    const back = new Uint8Array(answer);
    if (back.length !== size) return `${back.length} bytes`;
    for (let i = 0; i < size; i++) if (back[i] !== sent[i]) return `byte ${i}`;
    return "same";
}"""


def test_an_ndarray_crosses_both_ways(app: App) -> None:
    app.load("Numbers")
    found = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            const values = new Float32Array([1, 2, 3, 4, 5, 6]);
            const array = { _rtype: "ndarray", _rvalue: values.buffer, _rshape: [2, 3], _rdtype: "float32" };
            const back = await core.imjoy.pm.callPlugin(null, "Numbers", "double", array);
            return [back._rshape, back._rdtype, Array.from(new Float32Array(back._rvalue))];
        }"""
    )
    assert found == [[2, 3], "float32", [2, 4, 6, 8, 10, 12]]


def test_a_part_of_a_typed_array_is_sent_as_that_part(app: App) -> None:
    app.load("Numbers")
    found = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            const part = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
            const back = await core.imjoy.pm.callPlugin(null, "Numbers", "double", part);
            return Array.from(new Float32Array(back._rvalue));
        }"""
    )
    assert found == [2, 4]


def test_bytes_of_any_size_come_back_the_same(app: App) -> None:
    app.load("Numbers")
    sizes = (0, 1, 4095, 4096, 1024 * 1024 - 1, 1024 * 1024, 16 * 1024 * 1024 + 1)
    found = {size: app.page.evaluate(SAME, ["Numbers", size]) for size in sizes}
    assert found == dict.fromkeys(sizes, "same")


def test_a_file_is_sent_with_its_content(app: App) -> None:
    app.load("Numbers")
    length = app.page.evaluate(
        """async () => {
            const { core } = await import("/static/app/core/core.js");
            const blob = new Blob([new Uint8Array(5000)]);
            const parts = await core.imjoy.pm.callPlugin(null, "Numbers", "echo", { many: [blob, blob] });
            return parts.many.length;
        }"""
    )
    assert length == 2
