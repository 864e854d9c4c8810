"""Joins a client's socket with its worker's and passes frames on as they come, without reading them.

Back-pressure is TCP's: a frame is read from one side when the other side has taken the one before, so the engine holds
a few frames of 1 MiB at most, whatever the size of a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.http import WSMessage, WSMsgType

from imjoy_engine.plugins.lifecycle import DONE, ENDED, Close, Link, Plugin, PluginState
from imjoy_engine.plugins.registry import Registry
from imjoy_engine.sockets.socket import Socket

log = logging.getLogger("imjoy.engine.web")

SUBPROTOCOL = "imjoy.v1"
SILENT = 4408
GONE_SECONDS = 4.0
REPLACED_SECONDS = 0.5
DRAIN_SECONDS = 5.0
EXIT_SECONDS = 2.0
HELD_CLOSE_SECONDS = 0.5
LAST = 0
MORE = 1
PINGS_BEFORE_SILENCE = 3

LOST = Close(1000, "its connection broke")
REPLACED = Close(4401, "the connection token was replaced")
STOPPING = Close(1001, "the engine stops")

Receive = Callable[[], Awaitable[WSMessage]]


class Limits(NamedTuple):
    """The largest message in bytes, and the seconds after which a client of which nothing is heard has gone."""

    message: int
    silence: float


class Ear:
    """Receives from a client, and notices when it has gone without a word: a laptop that sleeps, a cable, a tunnel.

    Its socket is one without ``autoping``.
    """

    def __init__(self, socket: Socket, silence: float) -> None:
        self._socket = socket
        self._silence = silence
        self._listening = False
        self._heard = False

    async def receive(self) -> WSMessage:
        """Return the next message that is neither ping nor pong."""
        self._listening = True
        try:
            while True:
                message = await self._socket.receive()
                self._heard = True
                if message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is not WSMsgType.PONG:
                    return message
        finally:
            self._listening = False

    async def _ping(self) -> None:
        # It may have gone before we were told.
        with contextlib.suppress(ConnectionError):
            await self._socket.ping()

    async def wait_for_silence(self) -> Close:
        """Ping now and then; return how to close when nothing has come for the seconds of silence, or can come.

        A client that was killed while we do not listen, as its plugin takes no more, is found by the pings that its
        system refuses; one whose machine has gone by what :meth:`Socket.give_up_after` set.
        """
        interval = self._silence / PINGS_BEFORE_SILENCE
        quiet = 0
        pinging = asyncio.ensure_future(self._ping())
        try:
            while quiet < PINGS_BEFORE_SILENCE:
                self._heard = False
                # A client that takes nothing any more blocks a ping too. To cancel it would cancel, in aiohttp, whoever
                # else waits to send.
                if pinging.done():
                    pinging = asyncio.ensure_future(self._ping())
                await asyncio.sleep(interval)
                if self._socket.broken:
                    return LOST
                # While its plugin takes no more, we do not listen, and hear no answer either.
                quiet = 0 if self._heard or not self._listening else quiet + 1
        finally:
            pinging.cancel()
        return Close(SILENT, f"nothing was heard of this client for {self._silence:g} s")


async def hold_socket(
    request: web.Request, silence: float, endings: Callable[[Socket], Mapping[Awaitable[object], Close]]
) -> Socket:
    """Keep a socket on which the client says nothing until it goes, or the first of ``endings`` is there."""
    socket = Socket(SUBPROTOCOL, autoping=False)
    await socket.prepare(request)
    socket.give_up_after(silence)
    ear = Ear(socket, silence)
    waits: dict[asyncio.Future[object], Close] = {
        asyncio.ensure_future(ear.receive()): DONE,
        asyncio.ensure_future(ear.wait_for_silence()): DONE,
        **{asyncio.ensure_future(each): close for each, close in endings(socket).items()},
    }
    close = DONE
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        close = next((waits[each] for each in done if waits[each] is not DONE), DONE)
    finally:
        for each in waits:
            each.cancel()
        # One that was writing when the client went has failed.
        await asyncio.gather(*waits, return_exceptions=True)
    await socket.end(close, HELD_CLOSE_SECONDS)
    return socket


async def pass_frames(receive: Receive, target: Socket, limit: int, first: WSMessage | None = None) -> Close:
    """Pass what ``receive`` gives to ``target`` until one of the two ends; return how to close both.

    ``limit`` is the largest message in bytes; ``first`` is a frame that was received before.
    """
    size = 0
    message = first
    while True:
        if message is None:
            message = await receive()
        if message.type is not WSMsgType.BINARY:
            return _how_to_close(message)
        frame = message.data
        if not frame or frame[0] > MORE:
            return Close(1008, "a frame without its flag")
        size += len(frame) - 1
        if size > limit:
            return Close(1009, f"a message over the limit of {limit} bytes (--max-message-size)")
        if frame[0] == LAST:
            size = 0
        try:
            await target.send_bytes(frame)
        except ConnectionError:
            return DONE
        message = None


def _how_to_close(message: WSMessage) -> Close:
    """Return how to close after a message that is not binary."""
    return Close(1008, "only binary frames travel here") if message.type is WSMsgType.TEXT else DONE


async def serve_client(
    request: web.Request, plugin: Plugin, registry: Registry, limits: Limits, replaced: asyncio.Event
) -> Socket:
    """Serve one client's RPC socket until a side or the plugin ends, or the token that it came with is replaced."""
    socket = Socket(SUBPROTOCOL, autoping=False)
    await socket.prepare(request)
    socket.give_up_after(limits.silence)
    if plugin.final or plugin.state is PluginState.STOPPING:
        await socket.close(code=ENDED.code, message=ENDED.reason.encode())
        return socket
    link = Link(socket)
    link_id = await plugin.add_link(link)
    done = asyncio.ensure_future(link.done.wait())
    ear = Ear(socket, limits.silence)
    passing = asyncio.ensure_future(_client_to_worker(link, ear.receive, limits.message))
    silence = asyncio.ensure_future(ear.wait_for_silence())
    barred = asyncio.ensure_future(replaced.wait())
    either: set[asyncio.Future[Any]] = {done, passing, silence, barred}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if barred.done():
            link.finish(REPLACED)
        elif passing.done():
            link.finish(passing.result())
        elif silence.done():
            link.finish(silence.result())
            log.info(
                "a client of plugin %s (%s): %s", plugin.request.manifest.name, plugin.id, link.close.reason
            )
        elif link.worker.done():
            # The plugin ended: what its worker sent before that still goes to the client.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(link.drained.wait(), DRAIN_SECONDS)
    finally:
        for task in either:
            task.cancel()
        link.finish(DONE)
        if plugin.remove_link(link_id):
            # A worker that leaves first is about to end by itself; its own exit code says more than our signal.
            registry.stop_later(plugin, after=EXIT_SECONDS if link.close is ENDED else 0.0)
        await _close_both(link, limits.silence)
    return socket


async def _close_both(link: Link, silence: float) -> None:
    sockets = [link.client]
    if link.worker.done() and not link.worker.cancelled():
        sockets.append(link.worker.result())
    # What a client said before it left in order still goes to its plugin; of one that broke off, nobody waits for it.
    gone = link.close.code == SILENT or link.close is LOST
    seconds = REPLACED_SECONDS if link.close is REPLACED else GONE_SECONDS if gone else silence
    await asyncio.gather(*(socket.end(link.close, seconds) for socket in sockets))


async def _client_to_worker(link: Link, receive: Receive, limit: int) -> Close:
    # A client that leaves while its plugin is still being prepared is noticed, because we listen from the start.
    receiving = asyncio.ensure_future(receive())
    either: set[asyncio.Future[Any]] = {receiving, link.worker}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done() and receiving.result().type is not WSMsgType.BINARY:
            return _how_to_close(receiving.result())
        worker = await link.worker
        return await pass_frames(receive, worker, limit, await receiving)
    finally:
        receiving.cancel()


async def serve_worker(request: web.Request, link: Link, limit: int) -> Socket:
    """Serve the worker's socket that belongs to ``link``."""
    socket = Socket(SUBPROTOCOL)
    await socket.prepare(request)
    if link.worker.done():
        await socket.close(code=1008, message=b"this client has its worker already")
        return socket
    link.worker.set_result(socket)
    try:
        close = await pass_frames(socket.receive, link.client, limit)
    finally:
        link.drained.set()
    link.finish(ENDED if close is DONE else close)
    return socket
