"""What a plugin returned, for a person at a terminal: tables, arrays by their file, records by their names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

MAX_ROWS = 50
WIDEST_CELL = 40
ARRAY_KEYS = frozenset({"npy", "shape", "dtype"})
"""What an array becomes that a run has written to a file."""
FILE_KEYS = frozenset({"file", "bytes"})
"""What a figure, or another file, becomes."""


def readable(value: object) -> str:
    """Return a text as it is, and everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def answer_lines(value: object) -> Iterator[str]:
    """Yield the lines that show a plugin's answer to a person; scripts get it whole by ``--json``."""
    if _is_array(value):
        yield _array(value)  # type: ignore[arg-type]
    elif _is_file(value):
        yield f"file of {value['bytes']} bytes, {value['file']}"  # type: ignore[index]
    elif _is_table(value):
        yield from _table(value)  # type: ignore[arg-type]
    elif isinstance(value, dict) and any(
        _is_array(each) or _is_file(each) or _is_table(each) for each in value.values()
    ):
        for name, each in value.items():
            if _is_table(each):
                yield f"{name}:"
                yield from (f"  {line}" for line in _table(each))
            else:
                yield f"{name}: {' '.join(answer_lines(each))}"
    else:
        yield readable(value)


def _is_array(value: object) -> bool:
    return isinstance(value, dict) and set(value) == ARRAY_KEYS


def _is_file(value: object) -> bool:
    return isinstance(value, dict) and set(value) == FILE_KEYS


def pictures_in(value: object) -> Iterator[object]:
    """Yield what in an answer may be shown as a picture."""
    if _is_array(value) or _is_file(value):
        yield value
    elif isinstance(value, dict):
        yield from (each for each in value.values() if _is_array(each) or _is_file(each))


def _is_table(value: object) -> bool:
    """Whether it is a list of records of plain values, as a DataFrame becomes, too."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(row, dict)
            and row
            and all(each is None or isinstance(each, str | int | float) for each in row.values())
            for row in value
        )
    )


def _array(value: Mapping[str, object]) -> str:
    shape = value["shape"]
    sizes = " × ".join(map(str, shape)) if isinstance(shape, list) else str(shape)
    return f"{value['dtype']} array of {sizes or 'one value'}, in {value['npy']}"


def _table(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = [[_cell(row.get(name)) for name in names] for row in rows[:MAX_ROWS]]
    widths = [max(len(line[at]) for line in [list(map(_cell, names)), *shown]) for at in range(len(names))]
    # Numbers stand under each other by their ends.
    right = [
        all(isinstance(row.get(name), int | float) or row.get(name) is None for row in rows) for name in names
    ]
    for line in [list(map(_cell, names)), *shown]:
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        )
        yield "  ".join(cells).rstrip()
    if len(rows) > MAX_ROWS:
        yield f"… and {len(rows) - MAX_ROWS} more rows; --json prints all {len(rows)}."


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())
    return text if len(text) <= WIDEST_CELL else f"{text[: WIDEST_CELL - 1]}…"
