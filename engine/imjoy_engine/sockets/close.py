"""How a WebSocket is closed, and why."""

from __future__ import annotations

from typing import NamedTuple


class Close(NamedTuple):
    """A WebSocket close code and its reason."""

    code: int
    reason: str


DONE = Close(1000, "")
ENDED = Close(4410, "the plugin has ended")
