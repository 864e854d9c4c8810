"""What happened to one plugin, in order, in bounded memory, for any number of readers at their own pace."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

MAX_EVENTS = 2000
MAX_TEXT_CHARACTERS = 256 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``number`` grows by one each time; ``data`` is JSON text."""

    number: int
    kind: str
    data: str


class EventLog:
    """Keeps the newest events; a reader that falls behind is told how many it missed."""

    def __init__(self) -> None:
        self._events: dict[int, Event] = {}
        self._characters = 0
        self._next = 1
        self._passing = 0
        self._lost = 0
        self._closed = False
        self._changed = asyncio.Event()

    def add(self, kind: str, data: Mapping[str, object], *, passing: bool = False) -> None:
        """Record an event; the oldest ones make room. Of those in ``passing`` only the newest is kept."""
        event = Event(self._next, kind, json.dumps({"time": time.time(), **data}))
        self._next += 1
        if passing:
            self._forget(self._passing)
            self._passing = event.number
        self._events[event.number] = event
        self._characters += len(event.data)
        while len(self._events) > MAX_EVENTS or (
            self._characters > MAX_TEXT_CHARACTERS and len(self._events) > 1
        ):
            self._lost = next(iter(self._events))
            self._forget(self._lost)
        self._wake()

    def _forget(self, number: int) -> None:
        event = self._events.pop(number, None)
        if event is not None:
            self._characters -= len(event.data)

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
            missed = self._lost - seen
            if missed > 0:
                text = f"({missed} events were left out)\n"
                note = json.dumps({"time": time.time(), "stream": "engine", "text": text})
                seen = self._lost
                yield Event(seen, "log", note)
            for event in [kept for kept in self._events.values() if kept.number > seen]:
                seen = event.number
                yield event
            if changed is self._changed:
                if self._closed:
                    return
                await changed.wait()
