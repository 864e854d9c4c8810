"""What happened to one plugin, in order, in bounded memory, for any number of readers at their own pace."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

MAX_EVENTS = 2000
MAX_TEXT_CHARACTERS = 256 * 1024


@dataclass(frozen=True)
class Event:
    """One thing that happened. ``number`` grows by one each time; ``data`` is JSON text."""

    number: int
    kind: str
    data: str


class EventLog:
    """Keeps the newest events; a reader that falls behind is told how many it missed."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._characters = 0
        self._next = 1
        self._closed = False
        self._changed = asyncio.Event()

    def add(self, kind: str, data: Mapping[str, object]) -> None:
        """Record an event; the oldest ones make room."""
        event = Event(self._next, kind, json.dumps({"time": time.time(), **data}))
        self._next += 1
        self._events.append(event)
        self._characters += len(event.data)
        while len(self._events) > MAX_EVENTS or (
            self._characters > MAX_TEXT_CHARACTERS and len(self._events) > 1
        ):
            self._characters -= len(self._events.popleft().data)
        self._wake()

    def close(self) -> None:
        """Let every reader end once it has read all."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def read(self, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events after number ``after``, the kept ones first, then each new one until the log is closed."""
        seen = after if 0 <= after < self._next else 0
        while True:
            changed = self._changed
            for event in [kept for kept in self._events if kept.number > seen]:
                missed = event.number - seen - 1
                if missed > 0:
                    text = f"({missed} events were left out)\n"
                    note = json.dumps({"time": time.time(), "stream": "engine", "text": text})
                    yield Event(event.number - 1, "log", note)
                seen = event.number
                yield event
            if changed is self._changed:
                if self._closed:
                    return
                await changed.wait()
