"""What a worker writes, as text, and whole lines of it."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable

UNFINISHED_SECONDS = 0.25
"""A line that has no end by then is somebody's question, or a progress bar: it is handed on as it stands."""
LONGEST_HELD_CHARACTERS = 8 * 1024


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


class Lines:
    """Puts the text of one stream together to whole lines, which ``hand_on`` gets.

    A worker writes as Python's ``print`` does, one argument after the other, and more than one process may write.
    """

    def __init__(self, hand_on: Callable[[str], None]) -> None:
        self._hand_on = hand_on
        self._held = ""
        self._timer: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        """Take a piece; hand on the lines that it ends."""
        text = self._held + text
        end = text.rfind("\n") + 1
        if len(text) - end > LONGEST_HELD_CHARACTERS:
            end = len(text)
        self._held = text[end:]
        if end:
            self._stop_waiting()
            self._hand_on(text[:end])
        if self._held and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(UNFINISHED_SECONDS, self.flush)

    def flush(self) -> None:
        """Hand on the line that has no end yet."""
        self._stop_waiting()
        held, self._held = self._held, ""
        if held:
            self._hand_on(held)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
