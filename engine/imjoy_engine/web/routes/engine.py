"""The engine itself over HTTP: whether it lives, whether it is the one expected, how it is, and its stop."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

from aiohttp import hdrs, web

from imjoy import __version__
from imjoy.effects.machine.own_command import COMMAND_VARIABLE
from imjoy.model.errors import ImJoyError
from imjoy_engine.auth import bearer, proof, renewal_proof, same_secret
from imjoy_engine.web.context import CONTEXT
from imjoy_engine.web.guard import delay_refusal, take_stored_token
from imjoy_engine.web.relay import REPLACED, STOPPING, hold_socket
from imjoy_engine.workspace.logs import log_error

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
            "env": context.settings.env,
            "command": os.environ.get(COMMAND_VARIABLE, "imjoy"),
            "existing_environments": _existing_environments(context.settings.layout.existing_environments),
            "cluster": context.cluster,
            "memory": _memory_bytes(),
            "log_error": log_error(),
            "tasks": len(asyncio.all_tasks()),
            "plugins": [plugin.as_json() for plugin in context.registry if not plugin.final],
        }
    )


def _existing_environments(folder: Path) -> list[str]:
    """Return the names of the person's own environments."""
    return sorted(file.stem for file in folder.glob("*.json") if file.stem != "host")


def _memory_bytes() -> int:
    import psutil

    return int(psutil.Process().memory_info().rss)


async def issue_code(request: web.Request) -> web.Response:
    """Hand out a code that is good for the token once."""
    code, seconds = request.app[CONTEXT].gate.codes.issue()
    return web.json_response({"code": code, "expires_at": time.time() + seconds}, status=201)


async def redeem_code(request: web.Request) -> web.Response:
    """Give the token for a code; a wrong one is answered as late as a wrong token."""
    gate = request.app[CONTEXT].gate
    # Not in a body: before it is known who asks, none is read.
    if not gate.codes.redeem(bearer(request.headers.get(hdrs.AUTHORIZATION))):
        await delay_refusal(request, "code")
        raise ImJoyError(
            "auth.code",
            "This link has been used, or is too old.",
            why="It opens the app connected once, within an hour.",
            fix="imjoy start --open",
        )
    return web.json_response({"token": gate.token})


async def renew_token(request: web.Request) -> web.Response:
    """Take the token that is in the token file by now, for one who can read what lies beside it."""
    context = request.app[CONTEXT]
    wanted = renewal_proof(context.secret, context.instance)
    if not same_secret(wanted.encode(), bearer(request.headers.get(hdrs.AUTHORIZATION))):
        await delay_refusal(request, "proof")
        raise ImJoyError("auth.owner", "Only the account that the engine runs under may replace its token.")
    return web.json_response({"renewed": await take_stored_token(context)})


async def watch(request: web.Request) -> web.StreamResponse:
    """Keep a socket on which nothing is said: that it closes is the message, and its code says why."""
    context = request.app[CONTEXT]
    return await hold_socket(
        request,
        context.settings.silence,
        lambda _: {context.gate.replaced.wait(): REPLACED, context.stop_wanted.wait(): STOPPING},
    )


async def stop(request: web.Request) -> web.Response:
    """Begin to stop, plugins first."""
    request.app[CONTEXT].stop_wanted.set()
    return web.json_response({"stopping": True}, status=202)
