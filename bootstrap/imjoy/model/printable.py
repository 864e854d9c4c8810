"""Text that comes from elsewhere, before a terminal gets it."""

from __future__ import annotations

import re

# What moves the cursor, clears the screen, renames the window or turns the direction of writing. Line ends and tabs
# are told apart by who prints them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINE_ENDS = re.compile("[\n\t]")


def printable(text: str, *, lines: bool = False) -> str:
    """Return ``text`` with each character that would act on a terminal spelt out; line ends stay with ``lines``."""
    spelt = _CONTROL.sub(_spell, text)
    return spelt if lines else _LINE_ENDS.sub(_spell, spelt)


def printable_json(document: str) -> str:
    """Return JSON with each character that would act on a terminal spelt out, as JSON spells it."""
    return _CONTROL.sub(lambda character: f"\\u{ord(character[0]):04x}", document)


def _spell(character: re.Match[str]) -> str:
    return character[0].encode("unicode_escape").decode("ascii")
