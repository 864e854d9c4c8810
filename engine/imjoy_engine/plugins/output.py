"""What a worker writes, as text."""

from __future__ import annotations

import codecs


class OutputDecoder:
    """Turns the bytes of one stream into text, whatever they are: UTF-8, and lines that end as they do everywhere.

    Python on Windows ends a line with two letters, which may come in two pieces; a carriage return alone, with which a
    progress bar begins anew, stays.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def decode(self, data: bytes, final: bool = False) -> str:
        """Return the text that is certain by now; with ``final`` all that is left."""
        text = self._held + self._decoder.decode(data, final)
        self._held = ""
        if text.endswith("\r") and not final:
            text, self._held = text[:-1], "\r"
        return text.replace("\r\n", "\n")
