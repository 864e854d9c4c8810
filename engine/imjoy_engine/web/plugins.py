"""Plugins over HTTP and WebSocket: start, look, listen, talk, stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import hdrs, web
from aiohttp.http import WSMsgType

from imjoy.model.errors import ImJoyError

from ..auth import bearer, same_secret
from ..environments.existing.choice import Choice
from ..environments.spec import EnvironmentSpec, plan_environment
from ..plugins.events import Event
from ..plugins.lifecycle import Plugin, PluginRequest
from .context import CONTEXT
from .relay import Limits, serve_client, serve_worker
from .socket import Socket

if TYPE_CHECKING:
    from ..plugins.manifest import Manifest, PluginFile

CONTROL_SUBPROTOCOL = "imjoy.worker.v1"
DEFAULT_WORKSPACE = "default"
WORKSPACE_NAME = re.compile(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,99}")
MAX_GRACE_SECONDS = 600.0
KEEP_ALIVE_SECONDS = 15.0


async def start_plugin(request: web.Request) -> web.Response:
    """Start a plugin, or hand out the one that runs."""
    body = await _json_body(request)
    settings = request.app[CONTEXT].settings
    wanted = plan_request(body, settings.layout.existing_environments, settings.env)
    plugin, attached = request.app[CONTEXT].registry.start(wanted)
    return web.json_response({**plugin.as_json(), "attached": attached}, status=202)


def plan_request(body: Mapping[str, object], existing: Path, default_env: str = "") -> PluginRequest:
    """Turn the body of ``POST /plugins`` into a request.

    ``existing`` is where the person's own environments are noted, ``default_env`` that for plugins that ask for none.

    Raises ImJoyError ``request.invalid``, ``plugin.*``, ``env.*`` or ``lock.*``.
    """
    file = _text(body, "file", "plugin.imjoy.html")
    workspace = _text(body, "workspace", DEFAULT_WORKSPACE)
    if not WORKSPACE_NAME.fullmatch(workspace):
        raise ImJoyError(
            "request.invalid", "A workspace's name is a folder's name, and does not begin with a dot."
        )
    plugin = _plugin_file(body, file)
    manifest = plugin.manifest.with_tag(_text(body, "tag", "") or None)
    environment = plan_environment(manifest, manifest.tag)
    if lock := _text(body, "lock", ""):
        # Few plugins come with one.
        from ..environments.lockfile import locked

        environment = locked(environment, lock)
    choice = _choice(body, environment, existing, default_env)
    return PluginRequest(
        manifest=manifest,
        script=plugin.script_for(manifest.tag),
        workspace=workspace,
        client=_text(body, "client", ""),
        environment=environment,
        existing=choice,
        notes=tuple(_notes(manifest, environment, choice)),
    )


def _notes(manifest: Manifest, spec: EnvironmentSpec, choice: Choice | None) -> Iterator[str]:
    if spec.activates and choice is None:
        yield _not_activated(spec.activates)
    if manifest.dependencies:
        yield (
            f"{manifest.name} builds on other plugins: {', '.join(manifest.dependencies)}. They are not loaded with "
            "it; what it asks of them fails until you load them."
        )


def _not_activated(name: str) -> str:
    return (
        f"'conda activate {name}' was ignored, as no environment of yours is called {name}: the plugin gets one of "
        f"its own. (imjoy env add {name})"
    )


def _choice(
    body: Mapping[str, object], spec: EnvironmentSpec, existing: Path, default_env: str
) -> Choice | None:
    """Return which of the person's own environments the plugin is to have: theirs to say, then its own, then ours."""
    wanted = body.get("env")
    if wanted == "" or (wanted is None and not spec.activates and not default_env):
        return None
    from ..environments.existing.records import ExistingEnvironments

    environments = ExistingEnvironments(existing)
    if wanted is not None:
        name = _text(body, "env", "")
        environments.get(name)
        return Choice(name, anyway=bool(body.get("anyway")))
    if spec.activates and environments.knows(spec.activates):
        return Choice(spec.activates, insists=False)
    if default_env and not spec.needs_conda:
        return Choice(default_env, insists=False)
    return None


def _plugin_file(body: Mapping[str, object], file: str) -> PluginFile:
    # 4 ms that start-up does not need.
    from ..plugins.manifest import from_config, parse_plugin

    source, config, script = body.get("source"), body.get("config"), body.get("script")
    if isinstance(source, str):
        return parse_plugin(source, file=file)
    if isinstance(config, dict) and isinstance(script, str):
        return from_config(config, script, file=file)
    raise ImJoyError("request.invalid", "Send a plugin's source, or its config and its script.")


def _text(body: Mapping[str, object], name: str, default: str) -> str:
    value = body.get(name, default)
    if value is None:
        return default
    if not isinstance(value, str):
        raise ImJoyError("request.invalid", f"{name} has to be text.")
    return value


async def _json_body(request: web.Request) -> dict[str, object]:
    try:
        body = await request.json()
    except (ValueError, RecursionError) as error:
        raise ImJoyError("request.invalid", "The request's body is not JSON.", why=str(error)) from error
    if not isinstance(body, dict):
        raise ImJoyError("request.invalid", "The request's body is not a JSON object.")
    return body


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
    """Stream what happens to one plugin as Server-Sent Events."""
    plugin = _plugin(request)
    last = request.headers.get("Last-Event-ID", "0")
    response = web.StreamResponse(
        # The last is for nginx, which would collect events until a page is full.
        headers={
            hdrs.CONTENT_TYPE: "text/event-stream",
            hdrs.CACHE_CONTROL: "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    await response.prepare(request)
    events = plugin.events.read(int(last) if last.isdecimal() and len(last) < 18 else 0)
    coming: asyncio.Task[Event] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events))
            await asyncio.wait({coming}, timeout=KEEP_ALIVE_SECONDS)
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
        if coming is not None:
            coming.cancel()
    return response


async def plugin_rpc(request: web.Request) -> web.StreamResponse:
    """Connect a client with a plugin."""
    context = request.app[CONTEXT]
    settings = context.settings
    limits = Limits(settings.max_message_size, settings.silence)
    return await serve_client(request, _plugin(request), context.registry, limits)


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
            said = json.loads(message.data)
            if isinstance(said, dict):
                plugin.take_message(said)
    return socket


async def worker_rpc(request: web.Request) -> web.StreamResponse:
    """Connect a worker with the client that it was told of."""
    plugin = _worker_plugin(request, lambda plugin: plugin.link_secret)
    link = plugin.links.get(request.match_info["client"])
    if link is None or link.worker.done():
        raise ImJoyError("plugin.not-found", "That client has gone.")
    return await serve_worker(request, link, request.app[CONTEXT].settings.max_message_size)
