"""What every request passes before its handler: Host, Origin, token; and what every answer carries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from imjoy.model.errors import ImJoyError

from .context import API, CONTEXT
from .errors import error_response

log = logging.getLogger("imjoy.engine.web")

# These carry a proof of their own, or say nothing worth one.
OPEN_PATHS = frozenset({f"{API}/prove", f"{API}/openapi.json"})
OPEN_PREFIXES = (f"{API}/file/", f"{API}/workers/")
CORS_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID, Range",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Range",
    "Access-Control-Max-Age": "600",
    # Chrome asks for it before a public page may reach a private address.
    "Access-Control-Allow-Private-Network": "true",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def needs_token(path: str) -> bool:
    """Whether the connection token is asked for on ``path``."""
    return path.startswith(API + "/") and path not in OPEN_PATHS and not path.startswith(OPEN_PREFIXES)


def offered_subprotocols(request: web.Request) -> list[str]:
    """Return the WebSocket subprotocols that the client offers."""
    return [name.strip() for name in request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL, "").split(",")]


async def add_cors_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Let a page of an allowed origin read the answer (``on_response_prepare``)."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin and request.app[CONTEXT].gate.origin_is_allowed(origin, request.headers.get(hdrs.HOST)):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers.setdefault(hdrs.VARY, "Origin")
        response.headers.update(CORS_HEADERS)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse who may not speak, and turn errors into answers."""
    try:
        _check_host_and_origin(request)
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204)
        if needs_token(request.path):
            await _check_token(request)
        return await handler(request)
    except ImJoyError as error:
        log.info("%s %s refused [%s]", request.method, request.path[:200], error.id)
        return error_response(error)
    except (web.HTTPException, ConnectionError):
        raise
    except Exception as error:
        log.exception("%s %s", request.method, request.path)
        return error_response(
            ImJoyError("internal", "The engine failed to answer.", why=type(error).__name__, fix="imjoy logs")
        )


def _check_host_and_origin(request: web.Request) -> None:
    gate = request.app[CONTEXT].gate
    host = request.headers.get(hdrs.HOST)
    origin = request.headers.get(hdrs.ORIGIN)
    local = request.transport.get_extra_info("sockname") if request.transport else None
    if not gate.host_is_ours(host, local[0] if local else None):
        raise ImJoyError(
            "auth.host",
            "This engine does not answer under that name.",
            why="The Host header names neither this machine's loopback nor an address the engine listens on.",
            fix="Use http://127.0.0.1 with the engine's port, or start it with --allow-host NAME.",
        )
    if not gate.origin_is_allowed(origin, host):
        raise ImJoyError(
            "auth.origin",
            "Pages of that site may not use this engine.",
            why="The Origin header names neither the engine itself nor imjoy.io.",
            fix="Start the engine with --allow-origin and the site's address, if you trust it.",
        )


async def _check_token(request: web.Request) -> None:
    gate = request.app[CONTEXT].gate
    if gate.token_is_right(request.headers.get(hdrs.AUTHORIZATION), offered_subprotocols(request)):
        return
    address = request.remote or ""
    delay = gate.failures.delay_after_failure(address)
    log.warning("a wrong or missing token from %s; answered after %.1f s", address, delay)
    await asyncio.sleep(delay)
    raise ImJoyError(
        "auth.token",
        "The connection token is missing or wrong.",
        fix="Copy the token that `imjoy token` prints.",
    )
