"""A marked block in a start-up file, and the file's bytes around it: pure.

The first line of the block says what else was changed to put it there, so that it can be taken away exactly, by anybody
who has nothing but the file: ``install.sh --uninstall`` reads the same words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

BEGIN = b"# >>> imjoy path"
END = b"# <<< imjoy path <<<"
PATTERN = re.compile(
    rb"(?P<head># >>> imjoy path(?: \((?P<also>[^)\n]*)\))? >>>\r?\n)(?P<body>.*?)# <<< imjoy path <<<\r?\n?",
    re.DOTALL,
)
NEWLINE_ADDED = b"the line before had no end"
FILE_MADE = b"file made, with %d folders"
MADE_PATTERN = re.compile(rb"file made, with (\d+) folders")


@dataclass(frozen=True)
class Without:
    """A file's bytes without the block; ``made_folders`` is None unless we made the file and nobody added to it."""

    content: bytes
    made_folders: int | None = None


def with_block(content: bytes | None, lines: Sequence[str], *, made_folders: int = 0) -> bytes:
    """Return ``content`` with the block at its end, or with the block that is there brought up to date.

    ``content`` is None for a file that is not there; ``made_folders`` counts the folders that are made for it.
    """
    old = None if content is None else PATTERN.search(content)
    if content is not None and old is not None:
        block = _block(lines, old["also"] or b"", _line_end(old["head"]))
        return content[: old.start()] + block + content[old.end() :]
    if content is None:
        return _block(lines, FILE_MADE % made_folders, b"\n")
    end = _line_end(content)
    if not content or content.endswith(b"\n"):
        return content + _block(lines, b"", end)
    return content + end + _block(lines, NEWLINE_ADDED, end)


def without_block(content: bytes) -> Without:
    """Return ``content`` as it was before the block, with whatever was added around it since."""
    found = PATTERN.search(content)
    if found is None:
        return Without(content)
    before, after = content[: found.start()], content[found.end() :]
    also = found["also"] or b""
    if also == NEWLINE_ADDED and not after:
        before = before.removesuffix(_line_end(found["head"]))
    made = MADE_PATTERN.fullmatch(also)
    rest = before + after
    return Without(rest, int(made[1]) if made and not rest else None)


def has_block(content: bytes) -> bool:
    """Whether the block is there, whole."""
    return PATTERN.search(content) is not None


def _block(lines: Sequence[str], also: bytes, end: bytes) -> bytes:
    note = b" (" + also + b")" if also else b""
    rows = [BEGIN + note + b" >>>", *(line.encode() for line in lines), END]
    return b"".join(row + end for row in rows)


def _line_end(content: bytes) -> bytes:
    return b"\r\n" if b"\r\n" in content else b"\n"
