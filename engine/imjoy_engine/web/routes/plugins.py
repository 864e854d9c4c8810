"""Plugins over HTTP and WebSocket: start, look, listen, talk, stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any

from aiohttp import hdrs, web
from aiohttp.http import WSMsgType

from imjoy.model.errors import ImJoyError
from imjoy_engine.auth import bearer, same_secret
from imjoy_engine.plugins.events import Event
from imjoy_engine.plugins.lifecycle import Plugin
from imjoy_engine.plugins.reading import PluginReader
from imjoy_engine.plugins.socket_pair import HOLD_SECONDS
from imjoy_engine.sockets.close import DONE
from imjoy_engine.sockets.socket import Socket
from imjoy_engine.web.bodies import MAX_BODY_BYTES, read_pieces
from imjoy_engine.web.context import CONTEXT
from imjoy_engine.web.relay import REPLACED, Limits, hold_socket, serve_client, serve_worker

CONTROL_SUBPROTOCOL = "imjoy.worker.v1"
MAX_GRACE_SECONDS = 600.0
KEEP_ALIVE_SECONDS = 15.0
LEAVE_SECONDS = 5.0
READER = web.AppKey("reader", PluginReader)


async def start_plugin(request: web.Request) -> web.Response:
    """Start a plugin, or hand out the one that runs."""
    wanted = await request.app[READER].read(await read_pieces(request, MAX_BODY_BYTES))
    registry = request.app[CONTEXT].registry
    elsewhere = not await registry.wait_for_leave(wanted, LEAVE_SECONDS)
    plugin, attached = registry.start(wanted)
    call = plugin.call_for(wanted)
    answer = {
        **plugin.as_json(),
        "attached": attached,
        "resumed": call is not None,
        "call": call,
        "elsewhere": elsewhere,
        "lost": registry.loss_of(wanted),
        "holds": HOLD_SECONDS,
    }
    return web.json_response(answer, status=202)


async def show_template(request: web.Request) -> web.Response:
    """Hand out the file of a new plugin, as `imjoy new` writes it."""
    from imjoy.new_plugin import SUFFIX, plugin_source

    name, source = plugin_source(request.query.get("name", ""))
    return web.json_response({"file": f"{name}{SUFFIX}", "source": source})


async def list_plugins(request: web.Request) -> web.Response:
    """List the plugins that run and those that ended of late."""
    return web.json_response({"plugins": [plugin.as_json() for plugin in request.app[CONTEXT].registry]})


async def show_plugin(request: web.Request) -> web.Response:
    """Show one plugin."""
    return web.json_response(_plugin(request).as_json())


async def stop_plugin(request: web.Request) -> web.Response:
    """Begin to stop one plugin."""
    plugin = _plugin(request)
    grace = request.query.get("grace")
    try:
        seconds = None if grace is None else min(max(float(grace), 0.0), MAX_GRACE_SECONDS)
    except ValueError:
        raise ImJoyError("request.invalid", "grace is a number of seconds.") from None
    request.app[CONTEXT].registry.stop_later(plugin, seconds)
    return web.json_response(plugin.as_json(), status=202)


def _plugin(request: web.Request) -> Plugin:
    return request.app[CONTEXT].registry.get(request.match_info["id"])


async def plugin_events(request: web.Request) -> web.StreamResponse:
    """Stream what happens to one plugin, to one whose token is not replaced meanwhile.

    As Server-Sent Events, or on a socket where one is asked for: a browser has six connections for a host over
    HTTP/1.1, and a stream for each plugin would take them all.
    """
    if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
        return await _events_on_a_socket(request)
    replaced = request.app[CONTEXT].gate.replaced
    plugin = _plugin(request)
    response = web.StreamResponse(
        # The last is for nginx, which would collect events until a page is full.
        headers={
            hdrs.CONTENT_TYPE: "text/event-stream",
            hdrs.CACHE_CONTROL: "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    await response.prepare(request)
    events = plugin.events.read(_number(request.headers.get("Last-Event-ID", "")))
    coming: asyncio.Task[Event] | None = None
    barred = asyncio.ensure_future(replaced.wait())
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            either: set[asyncio.Future[Any]] = {coming, barred}
            await asyncio.wait(either, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if barred.done():
                # Cut off rather than ended: what is left to say is for others.
                if request.transport is not None:
                    request.transport.abort()
                return response
            if not coming.done():
                await response.write(b": still here\n\n")
                continue
            event = coming.result()
            coming = None
            await response.write(f"id: {event.number}\nevent: {event.kind}\ndata: {event.data}\n\n".encode())
    except StopAsyncIteration:
        await response.write_eof()
    except ConnectionError:
        pass
    finally:
        barred.cancel()
        if coming is not None:
            coming.cancel()
    return response


async def _events_on_a_socket(request: web.Request) -> web.StreamResponse:
    context, plugin = request.app[CONTEXT], _plugin(request)

    async def tell(socket: Socket) -> None:
        async for event in plugin.events.read(_number(request.query.get("after", ""))):
            await socket.send_str(f'{{"id": "{event.number}", "type": "{event.kind}", "data": {event.data}}}')

    return await hold_socket(
        request,
        context.settings.silence,
        lambda socket: {context.gate.replaced.wait(): REPLACED, tell(socket): DONE},
    )


def _number(event_id: str) -> int:
    """Return the number of the event that a client has seen last; 0 for what is no number."""
    return int(event_id) if event_id.isdecimal() and len(event_id) < 18 else 0


async def plugin_rpc(request: web.Request) -> web.StreamResponse:
    """Connect a client with a plugin, or one that comes back with the call that it had under way."""
    context = request.app[CONTEXT]
    settings = context.settings
    limits = Limits(settings.max_message_size, settings.silence)
    return await serve_client(request, _plugin(request), context.registry, limits, context.gate.replaced)


def _worker_plugin(request: web.Request, secret_of: Callable[[Plugin], str]) -> Plugin:
    """Return the plugin whose worker is speaking; raise when it does not have the secret that ``secret_of`` names."""
    registry = request.app[CONTEXT].registry
    given = bearer(request.headers.get(hdrs.AUTHORIZATION))
    try:
        plugin = registry.get(request.match_info["id"])
    except ImJoyError:
        plugin = None
    expected = secret_of(plugin) if plugin else "?"
    if not same_secret(expected.encode(), given) or plugin is None or plugin.final:
        raise ImJoyError("auth.worker", "That is not the worker of a running plugin.")
    return plugin


async def worker_control(request: web.Request) -> web.StreamResponse:
    """Serve a worker's control socket."""
    plugin = _worker_plugin(request, lambda plugin: plugin.worker_secret)
    socket = Socket(CONTROL_SUBPROTOCOL)
    await socket.prepare(request)
    if not plugin.attach_control(socket):
        await socket.close(code=1008, message=b"this plugin has its worker already")
        return socket
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            break
        with contextlib.suppress(ValueError, RecursionError):
            document = json.loads(message.data)
            if isinstance(document, dict):
                plugin.take_message(document)
    return socket


async def worker_rpc(request: web.Request) -> web.StreamResponse:
    """Connect a worker with the client that it was told of."""
    plugin = _worker_plugin(request, lambda plugin: plugin.client_secret)
    pair = plugin.clients.get(request.match_info["client"])
    if pair is None or pair.worker.done():
        raise ImJoyError("plugin.not-found", "That client has gone.")
    return await serve_worker(request, pair, request.app[CONTEXT].settings.max_message_size)
