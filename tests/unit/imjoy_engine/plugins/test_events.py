from __future__ import annotations

import asyncio
import json

from imjoy_engine.plugins.events import MAX_EVENTS, Event, EventLog


async def read_all(log: EventLog, after: int = 0) -> list[Event]:
    return [event async for event in log.read(after)]


def test_a_late_reader_gets_what_happened_before_and_after() -> None:
    async def scenario() -> list[str]:
        log = EventLog()
        log.add("state", {"state": "queued"})
        reading = asyncio.create_task(read_all(log))
        await asyncio.sleep(0)
        log.add("state", {"state": "ready"})
        log.close()
        return [json.loads(event.data)["state"] for event in await reading]

    assert asyncio.run(scenario()) == ["queued", "ready"]


def test_reading_goes_on_behind_the_last_event_that_was_seen() -> None:
    async def scenario() -> list[int]:
        log = EventLog()
        for number in range(5):
            log.add("log", {"text": str(number)})
        log.close()
        return [event.number for event in await read_all(log, after=3)]

    assert asyncio.run(scenario()) == [4, 5]


def test_the_oldest_events_make_room_and_a_reader_is_told_how_many_it_missed() -> None:
    async def scenario() -> list[Event]:
        log = EventLog()
        for number in range(MAX_EVENTS + 10):
            log.add("log", {"stream": "stdout", "text": str(number)})
        log.close()
        return await read_all(log)

    events = asyncio.run(scenario())
    assert len(events) == MAX_EVENTS + 1
    assert "10 events were left out" in json.loads(events[0].data)["text"]


def test_long_texts_are_bounded_by_their_size() -> None:
    async def scenario() -> int:
        log = EventLog()
        for _ in range(100):
            log.add("log", {"stream": "stdout", "text": "x" * 64 * 1024})
        log.close()
        return sum(len(event.data) for event in await read_all(log))

    assert asyncio.run(scenario()) < 400_000


def test_of_passing_events_a_late_reader_gets_the_newest_and_one_that_is_there_gets_all() -> None:
    async def scenario() -> tuple[list[int], list[int]]:
        log = EventLog()
        reader = log.read()
        seen = []
        for _ in range(3):
            log.add("log", {"stream": "stdout", "text": "x"})
            log.add("state", {"state": "ready"}, passing=True)
            seen += [(await anext(reader)).number, (await anext(reader)).number]
        log.close()
        return seen, [event.number for event in await read_all(log)]

    assert asyncio.run(scenario()) == ([1, 2, 3, 4, 5, 6], [1, 3, 5, 6])
