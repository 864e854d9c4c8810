"""The one table of routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web

from imjoy import __version__
from imjoy_engine.plugins.reading import PluginReader
from imjoy_engine.web.bodies import MAX_BODY_BYTES
from imjoy_engine.web.context import API, CONTEXT, Context
from imjoy_engine.web.guard import add_cors_headers, guard
from imjoy_engine.web.routes import engine, gallery, named_workspaces, page_state, plugins, upkeep
from imjoy_engine.web.routes.classic import add_classic_routes
from imjoy_engine.web.routes.files import FILES, add_file_routes
from imjoy_engine.web.routes.pages import add_page_routes

if TYPE_CHECKING:
    from imjoy_engine.launchers.cluster import ClusterLauncher
    from imjoy_engine.workspace.files import WorkspaceFiles

DESCRIPTION = Path(__file__).with_name("openapi.yaml")


class Route(NamedTuple):
    """A request that the engine answers; ``openapi.yaml`` says what it is for."""

    method: str
    path: str
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]]


async def openapi(request: web.Request) -> web.Response:
    """Describe the HTTP part of the wire."""
    return web.Response(body=await request.app[DESCRIBED](), content_type="application/json")


class _Described:
    """The description as bytes, made when somebody asks first: reading it takes 50 ms."""

    def __init__(self) -> None:
        self._making: asyncio.Future[bytes] | None = None

    async def __call__(self) -> bytes:
        if self._making is None:
            self._making = asyncio.ensure_future(asyncio.to_thread(_description))
        # Who asked first may leave; the others still get it.
        return await asyncio.shield(self._making)


def _description() -> bytes:
    return json.dumps(openapi_document()).encode()


DESCRIBED = web.AppKey("described", _Described)


def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI description of the engine's protocol."""
    import yaml  # 20 ms that start-up does not need

    document: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))
    document["info"]["version"] = __version__
    return document


ROUTES = (
    Route("GET", "/healthz", engine.healthz),
    Route("GET", f"{API}/prove", engine.prove),
    Route("GET", f"{API}/openapi.json", openapi),
    Route("GET", f"{API}/status", engine.status),
    Route("POST", f"{API}/stop", engine.stop),
    Route("POST", f"{API}/restart", upkeep.restart),
    Route("GET", f"{API}/log", upkeep.show_log),
    Route("POST", f"{API}/doctor", upkeep.examine),
    Route("GET", f"{API}/autostart", upkeep.show_autostart),
    Route("PUT", f"{API}/autostart", upkeep.set_autostart),
    Route("GET", f"{API}/upgrade", upkeep.find_upgrade),
    Route("POST", f"{API}/upgrade", upkeep.upgrade),
    Route("GET", f"{API}/upgrade/outcome", upkeep.show_upgrade),
    Route("GET", f"{API}/watch", engine.watch),
    Route("POST", f"{API}/token/renew", engine.renew_token),
    Route("POST", f"{API}/codes", engine.issue_code),
    Route("POST", f"{API}/codes/redeem", engine.redeem_code),
    Route("POST", f"{API}/plugins", plugins.start_plugin),
    Route("GET", f"{API}/plugins", plugins.list_plugins),
    Route("GET", f"{API}/plugins/{{id}}", plugins.show_plugin),
    Route("DELETE", f"{API}/plugins/{{id}}", plugins.stop_plugin),
    Route("GET", f"{API}/plugins/{{id}}/events", plugins.plugin_events),
    Route("GET", f"{API}/plugins/{{id}}/rpc", plugins.plugin_rpc),
    Route("GET", f"{API}/template", plugins.show_template),
    Route("GET", f"{API}/gallery", gallery.show_gallery),
    Route("PUT", f"{API}/gallery", gallery.choose_gallery),
    Route("GET", f"{API}/gallery/source", gallery.show_source),
    Route("GET", f"{API}/shown/{{page}}", page_state.list_shown),
    Route("DELETE", f"{API}/shown/{{page}}", page_state.forget_shown),
    Route("GET", f"{API}/shown/{{page}}/{{key}}", page_state.get_shown),
    Route("PUT", f"{API}/shown/{{page}}/{{key}}", page_state.put_shown),
    Route("GET", f"{API}/workspaces", named_workspaces.list_workspaces),
    Route("GET", f"{API}/workspaces/{{workspace}}", named_workspaces.show_workspace),
    Route("PUT", f"{API}/workspaces/{{workspace}}", named_workspaces.create_workspace),
    Route("DELETE", f"{API}/workspaces/{{workspace}}", named_workspaces.delete_workspace),
    Route("POST", f"{API}/workspaces/{{workspace}}/rename", named_workspaces.rename_workspace),
    Route("GET", f"{API}/workspaces/{{workspace}}/{{key}}", named_workspaces.get_document),
    Route("PUT", f"{API}/workspaces/{{workspace}}/{{key}}", named_workspaces.put_document),
    Route("DELETE", f"{API}/workspaces/{{workspace}}/{{key}}", named_workspaces.forget_document),
)
WORKER_ROUTES = (
    Route("GET", f"{API}/workers/{{id}}/control", plugins.worker_control),
    Route("GET", f"{API}/workers/{{id}}/rpc/{{client}}", plugins.worker_rpc),
)


def build_app(context: Context) -> web.Application:
    """Return the engine's application."""
    proxies = context.proxies
    app = _guarded(context, (*ROUTES, *WORKER_ROUTES))
    add_file_routes(app, context.settings, proxies)
    add_classic_routes(app, context.settings, proxies.base_path)
    context.gate.on_token_replaced(app[FILES].forget_urls)
    add_page_routes(app, context.settings, proxies, context.gate.embedders)
    return app


def build_worker_app(context: Context) -> web.Application:
    """Return what answers where workers alone connect."""
    return _guarded(context, WORKER_ROUTES)


def build_node_app(context: Context, cluster: ClusterLauncher, files: WorkspaceFiles) -> web.Application:
    """Return what answers the nodes of a cluster, and their workers."""
    from imjoy_engine.web.routes.nodes import add_node_route, add_signed_routes

    app = _guarded(context, WORKER_ROUTES)
    add_node_route(app, cluster)
    add_signed_routes(app, files)
    return app


def _guarded(context: Context, routes: Iterable[Route]) -> web.Application:
    app = web.Application(middlewares=[guard], client_max_size=MAX_BODY_BYTES)
    app[CONTEXT] = context
    app[DESCRIBED] = _Described()
    app[upkeep.EXAMINATIONS] = upkeep.Examinations()
    app[plugins.READER] = PluginReader(context.settings.layout.existing_environments, context.settings.env)
    # Some proxies take away the path under which they show us, others leave it.
    for prefix in dict.fromkeys(("", context.proxies.base_path)):
        for route in routes:
            app.router.add_route(route.method, prefix + route.path, route.handler)
    app.on_response_prepare.append(add_cors_headers)
    return app
