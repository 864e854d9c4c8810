"""A worker's output as text."""

from __future__ import annotations

import pytest

from imjoy_engine.plugins.output import OutputDecoder


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_lines_of_windows_end_like_all_lines_and_a_progress_bar_stays(size: int) -> None:
    data = "grün\r\n50 %\r100 %\r\n\r".encode() + b"\xff"
    decoder = OutputDecoder()
    pieces = [decoder.decode(data[at : at + size]) for at in range(0, len(data), size)]
    assert (
        "".join([*pieces, decoder.decode(b"", final=True)])
        == "grün\n50 %\r100 %\n\r\N{REPLACEMENT CHARACTER}"
    )
