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

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugins.lifecycle import Plugin, PluginState
from imjoy_engine.plugins.registry import Registry
from imjoy_engine.plugins.socket_pair import HOLD_SECONDS, LAST, MORE, NOTE, SocketPair
from imjoy_engine.sockets.close import DONE, ENDED, Close
from imjoy_engine.sockets.keep_alive import LOST, SILENT, KeepAlive
from imjoy_engine.sockets.socket import Socket

log = logging.getLogger("imjoy.engine.web")

SUBPROTOCOL = "imjoy.v1"
GONE_SECONDS = 4.0
REPLACED_SECONDS = 0.5
DRAIN_SECONDS = 5.0
EXIT_SECONDS = 2.0
HELD_CLOSE_SECONDS = 0.5
PEER_ANSWER_SECONDS = 3.0
NORMAL_CLOSURE = 1000
TOO_BIG = 1009

REPLACED = Close(4401, "the connection token was replaced")
STOPPING = Close(1001, "the engine stops")
TOO_LATE = Close(4411, "nothing of that call is left")

Receive = Callable[[], Awaitable[WSMessage]]


class Limits(NamedTuple):
    """The largest message in bytes, and seconds.

    After ``silence`` a client of which nothing is heard has gone; for ``hold`` one that went in the middle of a call is
    waited for.
    """

    message: int
    silence: float
    hold: float = HOLD_SECONDS


async def hold_socket(
    request: web.Request, silence: float, endings: Callable[[Socket], Mapping[Awaitable[object], Close]]
) -> Socket:
    """Keep a socket on which the client says nothing until it goes, or the first of ``endings`` is there."""
    socket = Socket(SUBPROTOCOL, autoping=False)
    await socket.prepare(request)
    socket.give_up_after(silence)
    peer = KeepAlive(socket, silence)
    waits: dict[asyncio.Future[object], Close] = {
        asyncio.ensure_future(peer.receive()): DONE,
        asyncio.ensure_future(peer.wait_for_silence()): DONE,
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


async def pass_frames(
    receive: Receive,
    target: Socket | SocketPair,
    limit: int,
    first: WSMessage | None = None,
    notes: SocketPair | None = None,
) -> Close:
    """Pass what ``receive`` gives to ``target`` until one of the two ends; return how to close both.

    ``limit`` is the largest message in bytes; ``first`` is a frame that was received before; ``notes`` takes
    what is for the engine.
    """
    size = 0
    message = first
    while True:
        if message is None:
            message = await receive()
        if message.type is not WSMsgType.BINARY:
            return _how_to_close(message, notes)
        frame = message.data
        message = None
        if frame and frame[0] == NOTE and notes is not None and notes.take_note(frame[1:]):
            continue
        if not frame or frame[0] > MORE:
            return Close(1008, "a frame without its flag")
        size += len(frame) - 1
        if size > limit:
            return Close(TOO_BIG, f"a message over the limit of {limit} bytes (--max-message-size)")
        if frame[0] == LAST:
            size = 0
        if notes is not None:
            notes.broken_off = frame[0] == MORE
        try:
            await target.send_bytes(frame)
        except ConnectionError:
            return DONE


def _how_to_close(message: WSMessage, pair: SocketPair | None) -> Close:
    """Return how to close after a message that is not binary; ``pair`` notes whether its client may come back."""
    if message.type is WSMsgType.TEXT:
        return Close(1008, "only binary frames travel here")
    if pair is not None:
        pair.lost = message.type is not WSMsgType.CLOSE or message.data != NORMAL_CLOSURE
    return DONE


async def serve_client(
    request: web.Request, plugin: Plugin, registry: Registry, limits: Limits, replaced: asyncio.Event
) -> Socket:
    """Serve one client's RPC socket until a side or the plugin ends, or the token that it came with is replaced.

    A client that goes without a good-bye while it has calls under way is waited for; with ``?resume=CALL`` it is back.
    """
    socket = Socket(SUBPROTOCOL, autoping=False)
    await socket.prepare(request)
    socket.give_up_after(limits.silence)
    call = request.query.get("resume", "")
    if plugin.final or plugin.state is PluginState.STOPPING:
        close = TOO_LATE if call else ENDED
        await socket.close(code=close.code, message=close.reason.encode())
        return socket
    found = plugin.pair_with(call) if call else None
    if call and (found is None or not found[1].left.is_set() or found[1].done.is_set()):
        await socket.close(code=TOO_LATE.code, message=TOO_LATE.reason.encode())
        return socket
    if found is None:
        pair = SocketPair(socket)
        client_id = await plugin.add_client(pair)
    else:
        client_id, pair = found
        pair.take_over(socket)
    barred = asyncio.ensure_future(replaced.wait())
    try:
        if await _stay(pair, plugin, barred, limits):
            pair.hold()
            plugin.note_clients()
            log.info("plugin %s (%s) goes on without its page", plugin.request.manifest.name, plugin.id)
            ending = asyncio.ensure_future(socket.end(DONE, GONE_SECONDS))
            await _wait_for_return(pair, barred, limits.hold)
            await ending
            plugin.note_clients()
    finally:
        barred.cancel()
        # Unless somebody else has taken it over.
        if pair.client is socket:
            await _part(pair, client_id, plugin, registry, limits.silence)
    return socket


async def _stay(pair: SocketPair, plugin: Plugin, barred: asyncio.Future[Any], limits: Limits) -> bool:
    """Pass on what a client says as long as it is there; then finish the pair, or return that it is to be held."""
    peer = KeepAlive(pair.client, limits.silence, pair.note_answer)
    done = asyncio.ensure_future(pair.done.wait())
    passing = asyncio.ensure_future(_client_to_worker(pair, peer.receive, limits.message))
    silence = asyncio.ensure_future(peer.wait_for_silence())
    doubt = asyncio.ensure_future(_wait_for_doubt(pair, peer))
    sending = asyncio.ensure_future(_send_kept(pair))
    watched: set[asyncio.Future[Any]] = {done, passing, silence, doubt, barred}
    try:
        await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if barred.done():
            pair.finish(REPLACED)
        elif passing.done():
            if pair.lost and pair.worth_holding:
                return True
            pair.finish(passing.result())
        elif silence.done() or doubt.done():
            close = silence.result() if silence.done() else LOST
            log.info("a client of plugin %s (%s): %s", plugin.request.manifest.name, plugin.id, close.reason)
            if pair.worth_holding:
                return True
            pair.finish(close)
        elif pair.worker.done():
            # The plugin ended: what its worker sent before that still goes to the client.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(pair.drained.wait(), DRAIN_SECONDS)
    finally:
        for task in (done, passing, silence, doubt, sending):
            task.cancel()
    return False


async def _send_kept(pair: SocketPair) -> None:
    # Who listens to the client finds out that it has gone.
    with contextlib.suppress(ConnectionError):
        await pair.send_kept()


async def _wait_for_doubt(pair: SocketPair, peer: KeepAlive) -> None:
    """Return when somebody says to be this client, and it answers no more."""
    while True:
        await pair.doubted.wait()
        if not await peer.answers_within(PEER_ANSWER_SECONDS):
            return
        pair.doubted.clear()


async def _wait_for_return(pair: SocketPair, barred: asyncio.Future[Any], seconds: float) -> None:
    """Wait until the client is back; finish the pair where it is not within ``seconds``, or may not be."""
    gone = pair.client
    either = {asyncio.ensure_future(event.wait()) for event in (pair.done, pair.taken_over)}
    try:
        await asyncio.wait({*either, barred}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in either:
            task.cancel()
    if pair.client is gone:
        pair.finish(REPLACED if barred.done() else LOST)


async def _part(pair: SocketPair, client_id: str, plugin: Plugin, registry: Registry, silence: float) -> None:
    pair.finish(DONE)
    ends = plugin.remove_client(client_id)
    if pair.close.code == TOO_BIG and pair.left.is_set():
        # Who comes back finds it here: the socket that would have been closed with it is gone.
        plugin.say(f"It sent {pair.close.reason}: the message was dropped, and its run ended.")
        error = _too_big(plugin, pair.close.reason)
        plugin.note_lost(pair.calls, error)
        if ends:
            plugin.note_error(error)
    if ends:
        # A worker that leaves first is about to end by itself; its own exit code says more than our signal.
        registry.stop_later(plugin, after=EXIT_SECONDS if pair.close is ENDED else 0.0)
    await _close_both(pair, silence)


def _too_big(plugin: Plugin, why: str) -> ImJoyError:
    return ImJoyError(
        "message.too-big",
        f"A message of {plugin.request.manifest.name} was larger than the engine allows.",
        why=why,
        fix="Send less at once, or start the engine with a larger --max-message-size.",
    )


async def _close_both(pair: SocketPair, silence: float) -> None:
    sockets = [pair.client]
    if pair.worker.done() and not pair.worker.cancelled():
        sockets.append(pair.worker.result())
    # What a client said before it left in order still goes to its plugin; of one that broke off, nobody waits for it.
    gone = pair.close.code == SILENT or pair.close is LOST
    seconds = REPLACED_SECONDS if pair.close is REPLACED else GONE_SECONDS if gone else silence
    await asyncio.gather(*(socket.end(pair.close, seconds) for socket in sockets))


async def _client_to_worker(pair: SocketPair, receive: Receive, limit: int) -> Close:
    # A client that leaves while its plugin is still being prepared is noticed, because we listen from the start.
    receiving = asyncio.ensure_future(receive())
    either: set[asyncio.Future[Any]] = {receiving, pair.worker}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done() and receiving.result().type is not WSMsgType.BINARY:
            return _how_to_close(receiving.result(), pair)
        worker = await pair.worker
        return await pass_frames(receive, worker, limit, await receiving, pair)
    finally:
        receiving.cancel()


async def serve_worker(request: web.Request, pair: SocketPair, limit: int) -> Socket:
    """Serve the worker's socket that belongs to ``pair``."""
    socket = Socket(SUBPROTOCOL)
    await socket.prepare(request)
    if pair.worker.done():
        await socket.close(code=1008, message=b"this client has its worker already")
        return socket
    pair.worker.set_result(socket)
    try:
        close = await pass_frames(socket.receive, pair, limit)
    finally:
        pair.drained.set()
    pair.finish(ENDED if close is DONE else close)
    return socket
