"""A worker's output as text."""

from __future__ import annotations

import asyncio

import pytest

from imjoy_engine.plugins.output import LONGEST_HELD_CHARACTERS, Lines, OutputDecoder


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_of_windows_end_like_all_lines_and_a_progress_bar_stays(size: int) -> None:
    data = "grün\r\n50 %\r100 %\r\n\r".encode() + b"\xff"
    decoder = OutputDecoder()
    pieces = [decoder.decode(data[at : at + size]) for at in range(0, len(data), size)]
    assert (
        "".join([*pieces, decoder.decode(b"", final=True)])
        == "grün\n50 %\r100 %\n\r\N{REPLACEMENT CHARACTER}"
    )


def test_the_pieces_of_a_line_are_handed_on_together() -> None:
    async def told(*pieces: str) -> list[str]:
        handed: list[str] = []
        lines = Lines(handed.append)
        for piece in pieces:
            lines.add(piece)
        lines.flush()
        return handed

    assert asyncio.run(told("cells.tif", " ", "uint16", "\n")) == ["cells.tif uint16\n"]
    assert asyncio.run(told("one\ntwo\nth", "ree")) == ["one\ntwo\n", "three"]
    assert asyncio.run(told("\n", "\n")) == ["\n", "\n"]
    endless = "." * LONGEST_HELD_CHARACTERS
    assert asyncio.run(told(endless, ".", "\n")) == [endless + ".", "\n"]


def test_a_line_without_its_end_is_not_held_for_long() -> None:
    async def wait() -> list[str]:
        handed: asyncio.Queue[str] = asyncio.Queue()
        lines = Lines(handed.put_nowait)
        lines.add("Name: ")
        return [await asyncio.wait_for(handed.get(), 60)]

    assert asyncio.run(wait()) == ["Name: "]
