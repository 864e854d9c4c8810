"""What every request passes before its handler: Host, Origin, token; and what every answer carries."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from imjoy.model.errors import ImJoyError
from imjoy_engine.auth import stored_token
from imjoy_engine.web.context import API, CONTEXT, Context
from imjoy_engine.web.errors import error_response

log = logging.getLogger("imjoy.engine.web")

# These carry a proof of their own, or say nothing worth one.
OPEN_PATHS = frozenset({f"{API}/codes/redeem", f"{API}/openapi.json", f"{API}/prove", f"{API}/token/renew"})
OPEN_PREFIXES = (f"{API}/file/", f"{API}/workers/")
CORS_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID, Range",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Range",
    "Access-Control-Max-Age": "600",
    # Chrome asks for it before a public page may reach a private address.
    "Access-Control-Allow-Private-Network": "true",
}
# Pages and files have policies of their own; all the rest is data, which is nothing to show, frame or keep.
EVERY_ANSWER = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
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
    context = request.app[CONTEXT]
    if origin and context.gate.origin_is_allowed(origin, context.proxies.seen(request).host):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers.setdefault(hdrs.VARY, "Origin")
        response.headers.update(CORS_HEADERS)
    for name, value in EVERY_ANSWER.items():
        response.headers.setdefault(name, value)
    # aiohttp would tell its own version and Python's.
    response.headers[hdrs.SERVER] = "imjoy"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse who may not speak, and turn errors into answers."""
    try:
        _check_form(request)
        _check_host_and_origin(request)
        if request.method == hdrs.METH_OPTIONS:
            return web.Response(status=204)
        if needs_token(request.app[CONTEXT].proxies.inner(request.path)):
            await _check_token(request)
        return await handler(request)
    except ImJoyError as error:
        log.info("%s %s refused [%s]", request.method, request.path[:200], error.id)
        return error_response(error)
    except web.HTTPException as error:
        return _http_error(error)
    except ConnectionError:
        raise
    except Exception as error:
        log.exception("%s %s", request.method, request.path)
        return error_response(
            ImJoyError("internal", "The engine failed to answer.", why=type(error).__name__, fix="imjoy logs")
        )


def _check_form(request: web.Request) -> None:
    """Refuse what two readers could read in two ways, and what grows when it is read."""
    for name in (hdrs.HOST, hdrs.ORIGIN, hdrs.AUTHORIZATION):
        if len(request.headers.getall(name, ())) > 1:
            raise ImJoyError("request.invalid", f"The request has more than one {name} header.")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        raise ImJoyError(
            "request.encoded",
            "The request's body is compressed.",
            why="A few compressed bytes can become many gigabytes.",
            fix="Send it as it is.",
        )


def _http_error(error: web.HTTPException) -> web.StreamResponse:
    """Return what aiohttp refused by itself as the document that every error is."""
    if error.status == 404:
        known = ImJoyError("request.not-found", "The engine has nothing at that address.")
    elif error.status == 405:
        known = ImJoyError("request.method", "The engine does not support this method at that address.")
    elif error.status == 413:
        known = ImJoyError("request.too-large", "The request is larger than the engine reads.")
    elif error.status == 400:
        known = ImJoyError(
            "request.invalid", "The engine does not understand the request.", why=error.text or ""
        )
    else:
        return error
    refused = error_response(known)
    if hdrs.ALLOW in error.headers:
        refused.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return refused


def _check_host_and_origin(request: web.Request) -> None:
    context = request.app[CONTEXT]
    gate, host = context.gate, context.proxies.seen(request).host
    origin = request.headers.get(hdrs.ORIGIN)
    local = request.transport.get_extra_info("sockname") if request.transport else None
    if not gate.is_own_host(host, local[0] if local else None):
        raise ImJoyError(
            "auth.host",
            "This engine does not answer to that name.",
            why="The Host header names neither this machine's loopback nor an address the engine listens on.",
            fix="Use http://127.0.0.1 with the engine's port, or start it with --allow-host NAME.",
        )
    if not gate.origin_is_allowed(origin, host):
        raise ImJoyError(
            "auth.origin",
            "Pages of that site are not allowed to use this engine.",
            why="The Origin header names neither the engine itself nor imjoy.io.",
            fix="Start the engine with --allow-origin and the site's address, if you trust it.",
        )


async def delay_refusal(request: web.Request, what: str) -> None:
    """Wait, the longer the more often that address has tried in vain; returns after at most 5 s."""
    context = request.app[CONTEXT]
    address = context.proxies.seen(request).address
    delay = context.gate.failures.delay_after_failure(address)
    log.warning("a wrong or missing %s from %s; answered after %.1f s", what, address, delay)
    await asyncio.sleep(delay)


async def take_stored_token(context: Context) -> bool:
    """Take the token in the token file, and return whether it is another than the one until now."""
    token = await asyncio.to_thread(stored_token, context.settings.layout.token_file)
    if token is None or not context.gate.replace_token(token):
        return False
    log.warning("the connection token was replaced; whoever came with the old one is sent away")
    return True


async def _check_token(request: web.Request) -> None:
    context = request.app[CONTEXT]
    shown = request.headers.get(hdrs.AUTHORIZATION), offered_subprotocols(request)
    if context.gate.is_valid_token(*shown):
        return
    # Whoever replaced the token has not told us yet, or cannot.
    if await take_stored_token(context) and context.gate.is_valid_token(*shown):
        return
    await delay_refusal(request, "token")
    raise ImJoyError(
        "auth.token",
        "The connection token is missing or wrong.",
        fix="Copy the token that `imjoy token` prints.",
    )
