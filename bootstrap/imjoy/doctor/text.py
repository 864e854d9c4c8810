"""An examination as lines of text: grouped, with what, why and the one command of every finding."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

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


def fix_lines(fix: FixResult) -> Iterator[Line]:
    """Yield what a fix did, what changed in a file, and how to take it back."""
    if fix.error:
        yield [(f"  {fix.id}: ", ""), (f"not mended: {fix.error}", "bold red")]
        return
    yield [(f"  {fix.id}: ", ""), (fix.does, "green")]
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
    said = [f"{number} {one if number == 1 else many}" for number, (one, many) in counts if number]
    return f"{', '.join(said)}; {examination.seconds:.1f} s"


def hints(examination: Examination) -> Iterator[str]:
    """Yield what to type next, when there is something to do."""
    bad = [each for each in examination.checks if each.status in (Status.WARN, Status.FAIL, Status.CRASHED)]
    mendable = sum(bool(each.fix) for each in bad)
    if mendable:
        yield f"imjoy doctor --fix can mend {mendable} of {len(bad)}, and asks before each"
    if bad:
        yield f"imjoy doctor explain {bad[0].id} says more"


def _check(check: CheckResult, glyph: str, width: int, with_milliseconds: bool) -> Iterator[Line]:
    lead = f"  {glyph} "
    indent = " " * (len(lead) + ID_WIDTH)
    time = f"  ({check.milliseconds}ms)" if with_milliseconds else ""
    room = max(NARROWEST_TEXT, width - len(indent))
    rows = textwrap.wrap(check.what + time, room, break_on_hyphens=False, break_long_words=False) or [""]
    yield [
        (lead, STYLES[check.status]),
        (f"{check.id:<{ID_WIDTH}}", "bold" if check.why else ""),
        (rows[0], ""),
    ]
    for row in rows[1:]:
        yield [(indent + row, "")]
    room -= LABEL_WIDTH
    wrapped = [
        row
        for line in check.why.splitlines()
        for row in textwrap.wrap(line, room, break_on_hyphens=False, break_long_words=False) or [""]
    ]
    for label, texts in (("why", wrapped), ("type", check.command.splitlines())):
        for number, text in enumerate(texts):
            name = f"{label if number == 0 else '':<{LABEL_WIDTH}}"
            yield [(indent + name, "dim"), (text, "bold cyan" if label == "type" else "")]
