"""What a plugin returned, as a person at a terminal reads it."""

from __future__ import annotations

import sys

import pytest

from imjoy import render
from imjoy.cli.plugin.interface import TerminalInterface
from imjoy.cli.plugin.returned_values import MAX_ROWS, answer_lines

ARRAY = {"npy": "/home/ada/ImJoyWorkspace/default/result.npy", "shape": [256, 512], "dtype": "uint8"}


def test_an_array_is_named_by_its_type_its_size_and_its_whole_path() -> None:
    assert list(answer_lines(ARRAY)) == [f"uint8 array of 256 × 512, in {ARRAY['npy']}"]
    assert list(answer_lines({"result": ARRAY, "levels": 3})) == [
        f"result: uint8 array of 256 × 512, in {ARRAY['npy']}",
        "levels: 3",
    ]


def test_records_are_a_table_whose_numbers_end_under_each_other() -> None:
    rows = [{"name": "A 1", "cells": 7, "area": 1 / 3}, {"name": "B 12", "cells": 1234, "area": None}]
    assert list(answer_lines(rows)) == [
        "name  cells      area",
        "A 1       7  0.333333",
        "B 12   1234",
    ]
    assert next(iter(answer_lines({"cells": rows}))) == "cells:"


def test_a_long_table_says_how_much_is_left() -> None:
    lines = list(answer_lines([{"n": number} for number in range(MAX_ROWS + 5)]))
    assert len(lines) == MAX_ROWS + 2
    assert lines[-1].startswith("… and 5 more rows")


@pytest.mark.parametrize("value", [[], [1, 2], [{}], [{"a": [1]}], {"a": 1}, None, True])
def test_all_else_is_json(value: object) -> None:
    import json

    assert list(answer_lines(value)) == [json.dumps(value)]


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_terminal_gets_it_that_way(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    with render.progress() as report:
        TerminalInterface(report).show({"event": "result", "value": ARRAY})
    assert capsys.readouterr().out.startswith("uint8 array" if terminal else '{"npy"')


TRACE = 'Traceback (most recent call last):\n  File "Bad.imjoy.html", line 9, in run\nValueError: no cell'


@pytest.mark.parametrize(("shown", "why"), [(TRACE, "ValueError: no cell"), ("something else", TRACE)])
def test_a_traceback_is_shown_once_and_the_error_names_the_plugin(shown: str, why: str) -> None:
    with render.progress() as report:
        terminal = TerminalInterface(report)
        for piece in (shown[:20], shown[20:] + "\n"):
            terminal.show({"event": "log", "stream": "stderr", "text": piece})
        document = {"id": "plugin.call-failed", "what": "run failed.", "why": TRACE + "\n"}
        problem = terminal.without_what_was_shown("/home/ada/Bad.imjoy.html", document)
    assert (problem.what, problem.why.strip()) == ("Bad: run failed.", why)
