"""The top-level blocks of a plugin file, read as a Vue single-file component reads them, not as HTML.

A block of a known kind holds raw text up to its first end tag, so that JSON, Python and Markdown may hold ``<`` and
``>``. Any other element is kept whole, with the elements inside it, as a block of its own kind. Comments, a doctype and
loose text between blocks mean nothing. Reading takes time in proportion to the length of the text, whatever is in it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from imjoy.model.errors import ImJoyError

RAW_KINDS = frozenset({"attachment", "config", "docs", "link", "script", "style", "window"})
BYTE_ORDER_MARK = "\ufeff"

_NAME = r"[A-Za-z_][\w.\-]*(?::[A-Za-z_][\w.\-]*)?"
_TAG_OPENING = re.compile(rf"<({_NAME})")
_TAG_CLOSING = re.compile(r"\s*(/?)>")
_ATTRIBUTE = re.compile(
    r"""\s*(?P<name>[^\s"'<>/=]+)(?:\s*=\s*(?:"(?P<double>[^"]*)"+|'(?P<single>[^']*)'+|(?P<bare>[^\s"'=<>`]+)))?"""
)
_ELEMENT_EDGE = re.compile(rf"<(/?)({_NAME})(?=[\s/>])")
_ENTITY = re.compile("&(lt|gt|quot|amp);")
_ENTITIES = {"lt": "<", "gt": ">", "quot": '"', "amp": "&"}


@dataclass(frozen=True)
class Block:
    """One top-level element: its kind, its attributes, its de-indented text, and where that text is in the file.

    ``line`` is the line (from 1) of the start tag's end, which is the line of the text's first line.
    """

    kind: str
    attributes: Mapping[str, str]
    text: str
    line: int


def read_blocks(source: str, *, file: str) -> tuple[Block, ...]:
    """Return the top-level blocks of ``source`` in the order of the file.

    Raises:
        ImJoyError: ``plugin.unclosed`` when a block that is not a ``<link>`` has no end tag.
    """
    return tuple(_Reader(source.removeprefix(BYTE_ORDER_MARK), file).blocks())


def de_indent(text: str) -> str:
    """Remove the indent that all lines share, by the rule of Vue's reader; lines end in a line feed afterwards.

    The first line that is not blank says whether tabs or spaces count. Text that begins in the first column is left as
    it is, but for its line ends.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    written = [line for line in lines if line.strip()]
    if not written or written[0][0] not in " \t":
        return "\n".join(lines)
    kind = written[0][0]
    margin = min(len(line) - len(line.lstrip(kind)) for line in written)
    return "\n".join(line[margin:] for line in lines)


class _Reader:
    """One pass over one file; positions are offsets into ``source``."""

    def __init__(self, source: str, file: str) -> None:
        self._source = source
        self._file = file
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", source))]
        self._edges = _ElementEdges(source)

    def blocks(self) -> list[Block]:
        found: list[Block] = []
        source = self._source
        position = source.find("<")
        while position >= 0:
            if source.startswith("<!--", position):
                end = source.find("-->", position)
                position = source.find("<", end if end >= 0 else len(source))
                continue
            opening = _TAG_OPENING.match(source, position)
            if opening is None:
                position = source.find("<", position + 1)
                continue
            attributes, position = self._attributes(opening.end())
            closing = _TAG_CLOSING.match(source, position)
            if closing is not None:
                block, position = self._block(opening, attributes, closing)
                found.append(block)
            position = source.find("<", position)
        return found

    def _attributes(self, position: int) -> tuple[Mapping[str, str], int]:
        attributes: dict[str, str] = {}
        while not _TAG_CLOSING.match(self._source, position):
            match = _ATTRIBUTE.match(self._source, position)
            if match is None:
                break
            value = match["double"] or match["single"] or match["bare"] or ""
            attributes[match["name"]] = _ENTITY.sub(lambda entity: _ENTITIES[entity[1]], value)
            position = match.end()
        return MappingProxyType(attributes), position

    def _block(
        self, opening: re.Match[str], attributes: Mapping[str, str], closing: re.Match[str]
    ) -> tuple[Block, int]:
        kind, begin = opening[1], closing.end()
        line = self._line(begin)
        if closing[1]:
            return Block(kind, attributes, "", line), begin
        raw = kind in RAW_KINDS
        end = self._edges.first_end(kind, begin) if raw else self._edges.matching_end(opening.start())
        if end is None and raw and kind != "link":
            raise ImJoyError(
                "plugin.unclosed",
                f"{self._file}: the <{kind}> block of line {self._line(opening.start())} has no end tag.",
                why=f"There is no </{kind}> after it, so everything that follows would belong to it.",
                fix=f"Put </{kind}> where the block ends.",
            )
        if end is None:
            return Block(kind, attributes, "", line), begin
        after = self._source.find(">", end)
        block = Block(kind, attributes, de_indent(self._source[begin:end]), line)
        return block, after + 1 if after >= 0 else len(self._source)

    def _line(self, position: int) -> int:
        return bisect_right(self._line_starts, position)


class _ElementEdges:
    """Where elements begin and end, by name, found in one pass so that no later search looks at a place twice."""

    def __init__(self, source: str) -> None:
        self._ends: dict[str, list[int]] = {}
        self._pairs: dict[int, int] = {}
        open_elements: dict[str, list[int]] = {}
        for match in _ELEMENT_EDGE.finditer(source):
            name = match[2].lower()
            if not match[1]:
                open_elements.setdefault(name, []).append(match.start())
                continue
            self._ends.setdefault(name, []).append(match.start())
            waiting = open_elements.get(name)
            if waiting:
                self._pairs[waiting.pop()] = match.start()

    def first_end(self, name: str, position: int) -> int | None:
        """The first end tag after ``position``."""
        ends = self._ends.get(name.lower(), [])
        index = bisect_right(ends, position - 1)
        return ends[index] if index < len(ends) else None

    def matching_end(self, start: int) -> int | None:
        """The end tag that belongs to the start tag at ``start``, elements of the same name inside it counted."""
        return self._pairs.get(start)
