"""The one table of routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from aiohttp import web

from imjoy import __version__

from . import engine, plugins
from .context import API, CONTEXT, Context
from .files import FILE_ROUTES, add_file_routes
from .guard import add_cors_headers, guard, needs_token
from .pages import add_page_routes

MAX_BODY_BYTES = 64 << 20  # of a plugin's source; uploads are streamed


class Route(NamedTuple):
    """A request that the engine answers; ``summary`` goes into its OpenAPI description."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    summary: str


async def openapi(request: web.Request) -> web.Response:
    """Describe the HTTP part of the wire."""
    return web.json_response(openapi_document())


ROUTES = (
    Route("GET", "/healthz", engine.healthz, "Say that the engine lives."),
    Route("GET", f"{API}/prove", engine.prove, "Show that this engine wrote the state file."),
    Route("GET", f"{API}/openapi.json", openapi, "This description."),
    Route("GET", f"{API}/status", engine.status, "How the engine is and what it runs."),
    Route("POST", f"{API}/stop", engine.stop, "Stop the plugins, then the engine."),
    Route("POST", f"{API}/codes", engine.issue_code, "A code that is good for the token once."),
    Route("POST", f"{API}/codes/redeem", engine.redeem_code, "The token, for a code sent as a bearer."),
    Route("POST", f"{API}/plugins", plugins.start_plugin, "Start a plugin, or hand out the one that runs."),
    Route(
        "GET", f"{API}/plugins", plugins.list_plugins, "The plugins that run and those that ended of late."
    ),
    Route("GET", f"{API}/plugins/{{id}}", plugins.show_plugin, "One plugin."),
    Route("DELETE", f"{API}/plugins/{{id}}", plugins.stop_plugin, "Stop one plugin."),
    Route(
        "GET",
        f"{API}/plugins/{{id}}/events",
        plugins.plugin_events,
        "What happens to it (Server-Sent Events).",
    ),
    Route("GET", f"{API}/plugins/{{id}}/rpc", plugins.plugin_rpc, "WebSocket: talk to it."),
)
WORKER_ROUTES = (
    Route(
        "GET", f"{API}/workers/{{id}}/control", plugins.worker_control, "WebSocket: a worker and its engine."
    ),
    Route(
        "GET",
        f"{API}/workers/{{id}}/rpc/{{client}}",
        plugins.worker_rpc,
        "WebSocket: a worker and one client.",
    ),
)


def openapi_document() -> dict[str, object]:
    """Return the OpenAPI description of every route in the table."""
    paths: dict[str, dict[str, object]] = {}
    for route in (*ROUTES, *WORKER_ROUTES, *(Route(*route) for route in FILE_ROUTES)):
        names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
        paths.setdefault(route.path, {})[route.method.lower()] = {
            "summary": route.summary,
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
            ],
            "security": [{"token": []}] if needs_token(route.path) else [],
            "responses": {"default": {"description": "JSON; an error is {error: {id, what, why, fix}}"}},
        }
    return {
        "openapi": "3.1.0",
        "info": {"title": "ImJoy Plugin Engine", "version": __version__},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def build_app(context: Context) -> web.Application:
    """Return the engine's application."""
    app = _guarded(context, (*ROUTES, *WORKER_ROUTES))
    add_file_routes(app, context.settings)
    add_page_routes(app, context.settings)
    return app


def build_worker_app(context: Context) -> web.Application:
    """Return what answers where workers alone connect."""
    return _guarded(context, WORKER_ROUTES)


def _guarded(context: Context, routes: Iterable[Route]) -> web.Application:
    app = web.Application(middlewares=[guard], client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = context
    for route in routes:
        app.router.add_route(route.method, route.path, route.handler)
    app.on_response_prepare.append(add_cors_headers)
    return app
