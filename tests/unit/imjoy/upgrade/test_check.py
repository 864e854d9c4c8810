"""What is remembered about a newer imjoy, and when nobody is told."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from imjoy.context import Context
from imjoy.effects.disk.files import write_private
from imjoy.upgrade import notifier
from imjoy.upgrade.check import KEPT_SECONDS, remembered
from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.plan import Available

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")

NOW = 1_000_000.0
HERE = Path("/env")
ORIGIN = Origin("1.0", HERE, HERE / "python", HERE, HERE, "pip", "git+https://example.org/i", "commit:old")
FOUND = Available(True, "1.0", ORIGIN.source, "commit:old", "commit:new", False, "imjoy upgrade", NOW)


@pytest.mark.parametrize(
    ("found", "known"),
    [
        (FOUND, True),
        (replace(FOUND, checked=NOW - KEPT_SECONDS + 1), True),
        (replace(FOUND, checked=NOW - KEPT_SECONDS), False),
        (replace(FOUND, checked=NOW + 1), False),
        (replace(FOUND, old_id="commit:other"), False),
    ],
)
def test_an_answer_is_good_for_a_day_and_for_one_imjoy(found: Available, known: bool, home: Path) -> None:
    context = Context(home=home, environ={}, clock=lambda: NOW)
    layout = context.layout()
    write_private(layout.upgrade_check_file, json.dumps(asdict(found)))
    assert (remembered(ORIGIN, layout, context) is not None) is known


@pytest.mark.parametrize("content", ["", "[]", '{"available": true}'])
def test_what_is_no_answer_is_forgotten(content: str, home: Path) -> None:
    context = Context(home=home, environ={})
    write_private(context.layout().upgrade_check_file, content)
    assert remembered(ORIGIN, context.layout(), context) is None


@pytest.mark.parametrize(
    ("environ", "as_json", "terminal", "wanted"),
    [
        ({}, False, True, True),
        ({}, True, True, False),
        ({}, False, False, False),
        ({"CI": "true"}, False, True, False),
        ({"IMJOY_NO_UPDATE_CHECK": "1"}, False, True, False),
    ],
)
def test_nobody_is_told_who_does_not_look_or_does_not_want_to_know(
    environ: dict[str, str],
    as_json: bool,
    terminal: bool,
    wanted: bool,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal, raising=False)
    assert notifier.is_wanted(Context(home=home, environ=environ), as_json=as_json) is wanted
