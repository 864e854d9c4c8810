"""An examination as lines of text: grouped, with what, why and the one command of every finding."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from imjoy.doctor.model import GROUPS, CheckResult, Examination, FixResult, Status

GLYPHS = {
    Status.OK: "✓",
    Status.WARN: "!",
    Status.FAIL: "✗",
    Status.CRASHED: "☠",
    Status.SKIPPED: "-",
}
ASCII_GLYPHS = {
    Status.OK: "ok",
    Status.WARN: "!!",
    Status.FAIL: "XX",
    Status.CRASHED: "##",
    Status.SKIPPED: "--",
}
STYLES = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.FAIL: "bold red",
    Status.CRASHED: "bold magenta",
    Status.SKIPPED: "dim",
}
ID_WIDTH = 19
LABEL_WIDTH = 5
NARROWEST_TEXT = 30

Line = Sequence[tuple[str, str]]
"""A line in parts: a text and its style."""


def lines_of(
    examination: Examination, *, width: int, ascii_only: bool, with_milliseconds: bool = False
) -> Iterator[Line]:
    """Yield the lines for a terminal of ``width`` columns. A command is never broken, so that it can be copied."""
    glyphs = ASCII_GLYPHS if ascii_only else GLYPHS
    group = ""
    for check in examination.checks:
        if check.group != group:
            group = check.group
            yield [("", "")]
            yield [(GROUPS.get(group, group), "bold")]
        yield from _check(check, glyphs[check.status], width, with_milliseconds)
    yield [("", "")]
    yield [(summary(examination), "bold")]
    for hint in hints(examination):
        yield [(hint, "")]


def shortened(examination: Examination, home: Path) -> Examination:
    """Return the same for a person, with ``~`` for the home; what is to be typed stays whole."""

    def short(text: str) -> str:
        return text.replace(f"{home}{os.sep}", f"~{os.sep}")

    checks = (replace(each, what=short(each.what), why=short(each.why)) for each in examination.checks)
    fixes = (replace(each, does=short(each.does), error=short(each.error)) for each in examination.fixes)
    return replace(examination, checks=tuple(checks), fixes=tuple(fixes))


def titled(id: str, text: str, *, width: int, style: str = "") -> Iterator[Line]:
    """Yield ``text`` beside an id, as the checks are shown."""
    for number, row in enumerate(_wrapped(text, width - ID_WIDTH - 2)):
        yield [(f"  {id if number == 0 else '':<{ID_WIDTH}}", ""), (row, style)]


def fix_lines(fix: FixResult, *, width: int) -> Iterator[Line]:
    """Yield what a fix did, what changed in a file, and how to take it back."""
    if fix.error:
        yield from titled(fix.id, f"not repaired: {fix.error}", width=width, style="bold red")
        return
    yield from titled(fix.id, fix.does, width=width, style="green")
    for line in fix.diff.splitlines():
        style = {"+": "green", "-": "red"}.get(line[:1], "dim")
        yield [(f"      {line}", style)]
    if fix.undo:
        yield [("      undo  ", "dim"), (fix.undo, "")]


def summary(examination: Examination) -> str:
    """Return the last line: how many of each, and how long it took."""
    words = {
        Status.OK: ("ok", "ok"),
        Status.WARN: ("warning", "warnings"),
        Status.FAIL: ("failure", "failures"),
        Status.CRASHED: ("check crashed", "checks crashed"),
        Status.SKIPPED: ("skipped", "skipped"),
    }
    counts = [(examination.count(status), word) for status, word in words.items()]
    parts = [f"{number} {one if number == 1 else many}" for number, (one, many) in counts if number]
    return f"{', '.join(parts)}; {examination.seconds:.1f} s"


def hints(examination: Examination) -> Iterator[str]:
    """Yield what to type next, when there is something to do."""
    bad = [each for each in examination.checks if each.status in (Status.WARN, Status.FAIL, Status.CRASHED)]
    repairable = sum(bool(each.fix) for each in bad)
    if repairable:
        yield f"imjoy doctor --fix can repair {repairable} of {len(bad)}, and asks before each"
    if bad:
        yield f"imjoy doctor explain {bad[0].id} says more"


def _check(check: CheckResult, glyph: str, width: int, with_milliseconds: bool) -> Iterator[Line]:
    lead = f"  {glyph} "
    indent = " " * (len(lead) + ID_WIDTH)
    time = f"  ({check.milliseconds}ms)" if with_milliseconds else ""
    room = width - len(indent)
    rows = _wrapped(check.what + time, room)
    yield [
        (lead, STYLES[check.status]),
        (f"{check.id:<{ID_WIDTH}}", "bold" if check.why else ""),
        (rows[0], ""),
    ]
    for row in rows[1:]:
        yield [(indent + row, "")]
    room -= LABEL_WIDTH
    wrapped = [row for line in check.why.splitlines() for row in _wrapped(line, room)]
    advice = [row for line in check.advice.splitlines() for row in _wrapped(line, room)]
    for label, texts in (("why", wrapped), ("type", check.command.splitlines()), ("do", advice)):
        for number, text in enumerate(texts):
            name = f"{label if number == 0 else '':<{LABEL_WIDTH}}"
            yield [(indent + name, "dim"), (text, "bold cyan" if label == "type" else "")]


def _wrapped(text: str, width: int) -> list[str]:
    room = max(NARROWEST_TEXT, width)
    return textwrap.wrap(text, room, break_on_hyphens=False, break_long_words=False) or [""]
