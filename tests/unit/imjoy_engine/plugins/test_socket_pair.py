"""What a worker sends while its client has gone: kept in order and in bounds, and whole messages only."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from imjoy_engine.plugins import socket_pair
from imjoy_engine.plugins.socket_pair import HELD_BYTES, MAX_CALLS, SocketPair
from imjoy_engine.sockets.close import ENDED
from imjoy_engine.sockets.socket import Socket

SECONDS = 30


class Page:
    """In a client's socket's place: takes what it is sent, until it is gone."""

    def __init__(self, takes: int | None = None) -> None:
        self.taken: list[bytes] = []
        self.takes = takes

    async def send_bytes(self, data: bytes) -> None:
        if self.takes is not None and len(self.taken) >= self.takes:
            raise ConnectionResetError
        await asyncio.sleep(0)
        self.taken.append(data)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, SECONDS))


async def held_pair(page: Page | None = None) -> SocketPair:
    """Return a pair whose client has gone with a call under way."""
    pair = SocketPair(cast("Socket", page or Page()))
    pair.worker.set_result(cast("Socket", Page()))
    assert pair.take_note(json.dumps({"calls": ["c"]}).encode())
    assert pair.worth_holding
    pair.hold()
    return pair


def test_what_comes_while_nobody_is_there_and_what_comes_then_reach_who_comes_back_in_order() -> None:
    async def scenario() -> None:
        pair = await held_pair()
        for frame in (b"\x00a", b"\x01b", b"\x00c"):
            await pair.send_bytes(frame)
        page = Page()
        pair.take_over(cast("Socket", page))
        sending = asyncio.ensure_future(pair.send_kept())
        await pair.send_bytes(b"\x00d")
        await sending
        await pair.send_bytes(b"\x00e")
        assert page.taken == [b"\x00a", b"\x01b", b"\x00c", b"\x00d", b"\x00e"]

    run(scenario())


def test_the_rest_of_a_message_that_the_lost_client_had_in_part_is_left_out() -> None:
    async def scenario() -> None:
        first = Page()
        pair = SocketPair(cast("Socket", first))
        await pair.send_bytes(b"\x01a")
        pair.hold()
        for frame in (b"\x01b", b"\x00c", b"\x00d"):
            await pair.send_bytes(frame)
        page = Page()
        pair.take_over(cast("Socket", page))
        await pair.send_kept()
        assert (first.taken, page.taken) == ([b"\x01a"], [b"\x00d"])

    run(scenario())


def test_who_comes_after_one_that_was_lost_again_gets_whole_messages() -> None:
    async def scenario() -> None:
        pair = await held_pair()
        for frame in (b"\x01a", b"\x01b", b"\x00c", b"\x00d", b"\x01e"):
            await pair.send_bytes(frame)
        pair.take_over(cast("Socket", Page(takes=1)))
        with pytest.raises(ConnectionError):
            await pair.send_kept()
        pair.hold()
        for frame in (b"\x00f", b"\x00g"):
            await pair.send_bytes(frame)
        page = Page()
        pair.take_over(cast("Socket", page))
        await pair.send_kept()
        assert page.taken == [b"\x00d", b"\x00g"]

    run(scenario())


def test_over_the_bound_the_worker_is_not_read_on_until_somebody_is_there_or_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert HELD_BYTES <= 16 << 20
    monkeypatch.setattr(socket_pair, "HELD_BYTES", 8)

    async def scenario(*, returns: bool) -> None:
        pair = await held_pair()
        await pair.send_bytes(b"\x00" * 8)
        sending = asyncio.ensure_future(pair.send_bytes(b"\x00b"))
        await asyncio.sleep(0)
        assert not sending.done()
        if returns:
            page = Page()
            pair.take_over(cast("Socket", page))
            await pair.send_kept()
            assert len(page.taken) == 2
        else:
            pair.finish(ENDED)
        await sending

    run(scenario(returns=True))
    run(scenario(returns=False))


def test_a_message_that_a_client_refuses_as_it_goes_is_for_the_next_one() -> None:
    async def scenario() -> None:
        pair = SocketPair(cast("Socket", Page(takes=0)))
        pair.worker.set_result(cast("Socket", Page()))
        pair.take_note(b'{"calls": ["c"]}')
        sending = asyncio.ensure_future(pair.send_bytes(b"\x00a"))
        await pair.doubted.wait()
        pair.hold()
        await sending
        page = Page()
        pair.take_over(cast("Socket", page))
        await pair.send_kept()
        assert page.taken == [b"\x00a"]

    run(scenario())


def test_a_client_that_has_no_call_under_way_is_not_waited_for() -> None:
    async def scenario() -> None:
        pair = SocketPair(cast("Socket", Page(takes=0)))
        pair.worker.set_result(cast("Socket", Page()))
        assert not pair.worth_holding
        with pytest.raises(ConnectionError):
            await pair.send_bytes(b"\x00a")
        pair.take_note(b'{"calls": ["c"]}')
        assert pair.worth_holding
        pair.broken_off = True
        assert not pair.worth_holding

    run(scenario())


def test_who_asks_after_a_client_is_told_whether_it_goes() -> None:
    async def scenario() -> None:
        pair = SocketPair(cast("Socket", Page()))
        assert not await pair.leaves_within(0.01)
        asking = asyncio.ensure_future(pair.leaves_within(SECONDS))
        await pair.doubted.wait()
        await asyncio.sleep(0)
        pair.note_answer()
        assert not await asyncio.wait_for(asking, SECONDS / 2)
        for leave in (pair.hold, lambda: pair.finish(ENDED)):
            asking = asyncio.ensure_future(pair.leaves_within(SECONDS))
            await pair.doubted.wait()
            leave()
            assert await asking
            pair.take_over(cast("Socket", Page()))

    run(scenario())


@pytest.mark.parametrize(
    "note",
    [b"", b"\xff", b"[]", b"{}", b'{"calls": "c"}', b'{"calls": [1]}', b'{"calls": [""]}']
    + [json.dumps({"calls": calls}).encode() for calls in (["c" * 65], ["c"] * (MAX_CALLS + 1))]
    + [b'{"calls": []' + b" " * 8192 + b"}"],
)
def test_a_note_that_may_not_be_is_refused(note: bytes) -> None:
    async def scenario() -> None:
        assert not SocketPair(cast("Socket", Page())).take_note(note)

    run(scenario())
