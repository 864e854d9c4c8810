"""A marked block in a start-up file, and the file's bytes around it: pure.

The first line of the block says what else was changed to put it there, so that it can be taken away exactly, by anybody
who has nothing but the file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

BEGIN = b"# >>> imjoy path"
END = b"# <<< imjoy path <<<"
PATTERN = re.compile(
    rb"^(?P<head># >>> imjoy path(?: \((?P<also>[^)\n]*)\))? >>>\r?\n)"
    rb"(?P<body>(?:(?!# >>> imjoy path|# <<< imjoy path <<<)[^\n]*\n)*)# <<< imjoy path <<<(?:\r?\n|\r?\Z)",
    re.MULTILINE,
)
"""A whole block; nothing in it may look like the beginning of another one, whose end it would take for its own."""
MARK = re.compile(rb"^# (?:>>> imjoy path(?: \([^)\n]*\))? >>>|<<< imjoy path <<<)\r?$", re.MULTILINE)
NEWLINE_ADDED = b"the line before had no end"
FILE_MADE = b"file made, with %d folders"
MADE_PATTERN = re.compile(rb"file made, with (\d+) folders")


class OrphanedMark(ValueError):
    """One of the two lines around a block is there without the other; ``line`` is its number."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}, {text!r}, has no matching line")
        self.line = line
        self.text = text


@dataclass(frozen=True)
class BlockRemoved:
    """A file's bytes without the block; ``made_folders`` is None unless we made the file and nobody added to it."""

    content: bytes
    made_folders: int | None = None


def with_block(
    content: bytes | None, lines: Sequence[str], *, made_folders: int = 0, unix: bool = True
) -> bytes:
    """Return ``content`` with the block at its end, or with the block that is there brought up to date.

    ``content`` is None for a file that is not there; ``made_folders`` counts the folders that are made for it. With
    ``unix`` the block has line ends that shells of Unix can read, whatever the rest has; without, those of the rest.

    Raises :class:`OrphanedMark` where part of a block is there: what is yours might be taken for ours.
    """
    if content is None:
        return _block(lines, FILE_MADE % made_folders, b"\n")
    old = _find(content)
    end = b"\n" if unix else _line_end(content)
    if old is not None:
        before, also = content[: old.start()], old["also"] or b""
        if also == NEWLINE_ADDED:
            # It goes with the block, and has to look like it.
            before = (
                before.removesuffix(b"\n").removesuffix(b"\r" if old["head"].endswith(b"\r\n") else b"") + end
            )
        return before + _block(lines, also, end) + content[old.end() :]
    if not content or content.endswith(b"\n"):
        return content + _block(lines, b"", end)
    return content + end + _block(lines, NEWLINE_ADDED, end)


def without_block(content: bytes) -> BlockRemoved:
    """Return ``content`` as it was before the block, with whatever was added around it since.

    Raises :class:`OrphanedMark` where part of a block is there.
    """
    found = _find(content)
    if found is None:
        return BlockRemoved(content)
    before, after = content[: found.start()], content[found.end() :]
    also = found["also"] or b""
    if also == NEWLINE_ADDED and not after:
        before = before.removesuffix(_line_end(found["head"]))
    made = MADE_PATTERN.fullmatch(also)
    rest = before + after
    return BlockRemoved(rest, int(made[1]) if made and not rest else None)


def has_block(content: bytes) -> bool:
    """Whether the block is there, whole."""
    return PATTERN.search(content) is not None


def _find(content: bytes) -> re.Match[bytes] | None:
    """Return the block. Raises :class:`OrphanedMark`."""
    blocks = list(PATTERN.finditer(content))
    for mark in MARK.finditer(content):
        if not any(block.start() <= mark.start() < block.end() for block in blocks):
            line = content.count(b"\n", 0, mark.start()) + 1
            raise OrphanedMark(line, mark[0].decode("utf-8", "replace").strip())
    return blocks[0] if blocks else None


def _block(lines: Sequence[str], also: bytes, end: bytes) -> bytes:
    note = b" (" + also + b")" if also else b""
    rows = [BEGIN + note + b" >>>", *(line.encode() for line in lines), END]
    return b"".join(row + end for row in rows)


def _line_end(content: bytes) -> bytes:
    return b"\r\n" if b"\r\n" in content else b"\n"
