"""The engine itself over HTTP: whether it lives, whether it is the one expected, how it is, and its stop."""

from __future__ import annotations

import os
import re
import time

from aiohttp import web

from imjoy import __version__
from imjoy.model.errors import ImJoyError

from ..auth import proof
from .context import CONTEXT

NONCE = re.compile(r"[0-9a-f]{16,64}")


async def healthz(request: web.Request) -> web.Response:
    """Say that the engine lives, and nothing else."""
    return web.json_response({"alive": True})


async def prove(request: web.Request) -> web.Response:
    """Show that we wrote the state file, to one who can read it."""
    context = request.app[CONTEXT]
    nonce = request.query.get("nonce", "")
    if not NONCE.fullmatch(nonce):
        raise ImJoyError("request.invalid", "A nonce is 16 to 64 hexadecimal digits.")
    return web.json_response(
        {"instance": context.instance, "proof": proof(context.secret, nonce, context.instance)}
    )


async def status(request: web.Request) -> web.Response:
    """Say how the engine is and what it runs."""
    context = request.app[CONTEXT]
    return web.json_response(
        {
            "version": __version__,
            "instance": context.instance,
            "pid": os.getpid(),
            "uptime": time.time() - context.started,
            "host": context.settings.host,
            "port": context.port,
            "url": context.url,
            "workspace": str(context.settings.workspace),
            "freeze": context.settings.freeze,
            "memory": _memory_bytes(),
            "plugins": [plugin.as_json() for plugin in context.registry if not plugin.final],
        }
    )


def _memory_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


async def stop(request: web.Request) -> web.Response:
    """Begin to stop, plugins first."""
    request.app[CONTEXT].stop_wanted.set()
    return web.json_response({"stopping": True}, status=202)
