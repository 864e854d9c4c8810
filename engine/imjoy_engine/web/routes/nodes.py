"""The routes for nodes of a cluster: what their supervisors and workers ask, and nothing else."""

from __future__ import annotations

from aiohttp import hdrs, web

from imjoy_engine.auth import bearer
from imjoy_engine.launchers.cluster import NODE_SUBPROTOCOL, ClusterLauncher
from imjoy_engine.sockets.socket import Socket
from imjoy_engine.web.context import API
from imjoy_engine.web.routes.files import FILES, SIGNED_ROUTES
from imjoy_engine.workspace.files import WorkspaceFiles

LAUNCHER = web.AppKey("launcher", ClusterLauncher)


async def worker_node(request: web.Request) -> web.StreamResponse:
    """Serve the socket of a worker's node."""
    secret = bearer(request.headers.get(hdrs.AUTHORIZATION))
    worker = request.app[LAUNCHER].claim(request.match_info["id"], secret)
    socket = Socket(NODE_SUBPROTOCOL, autoping=False)
    await socket.prepare(request)
    await worker.serve(socket)
    return socket


def add_node_route(app: web.Application, launcher: ClusterLauncher) -> None:
    """Have ``app`` answer nodes."""
    app[LAUNCHER] = launcher
    app.router.add_route("GET", f"{API}/workers/{{id}}/node", worker_node)


def add_signed_routes(app: web.Application, files: WorkspaceFiles) -> None:
    """Have ``app`` answer whoever has a signed url of ``files``."""
    app[FILES] = files
    for method, path, handler in SIGNED_ROUTES:
        app.router.add_route(method, path, handler)
