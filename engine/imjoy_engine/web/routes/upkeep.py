"""What the page's menu asks of the engine: to start again, its log, and an examination of its machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from asyncio.subprocess import DEVNULL, PIPE
from typing import Any

from aiohttp import web

from imjoy.effects.processes.process import module_command, spawn
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine.web.context import CONTEXT
from imjoy_engine.workspace.logs import last_records

LOG_RECORDS = 500
EXAMINATION_SECONDS = 90.0  # its own checks have 20 s each, most of them side by side


async def restart(request: web.Request) -> web.Response:
    """Begin to stop, and to start again, by an `imjoy restart` that outlives us."""
    argv = module_command("imjoy", ["restart", *_places(request.app[CONTEXT].settings.layout)])
    try:
        spawn(argv, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, environ=os.environ)
    except OSError as error:
        raise ImJoyError(
            "engine.unstartable",
            "The engine could not be started again.",
            why=str(error),
            fix="imjoy restart",
        ) from error
    return web.json_response({"restarting": True}, status=202)


def _places(layout: Layout) -> list[str]:
    return ["--workspace", str(layout.workspace), "--prefix", str(layout.prefix)]


async def show_log(request: web.Request) -> web.Response:
    """Hand out the end of the engine's log."""
    file = request.app[CONTEXT].settings.layout.log_file
    return web.json_response({"records": await asyncio.to_thread(last_records, file, LOG_RECORDS)})


class Examinations:
    """Runs `imjoy doctor`, once at a time: who asks in the middle of one gets the same answer."""

    def __init__(self) -> None:
        self._running: asyncio.Task[dict[str, Any]] | None = None

    async def __call__(self, layout: Layout, *, offline: bool) -> dict[str, Any]:
        """Return what it found, as `imjoy doctor --json` prints it; nothing is repaired.

        Raises ImJoyError ``doctor.no-answer`` when it prints none within ``EXAMINATION_SECONDS``.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(_examine(layout, offline=offline))
        # Who asked first may leave; the others still get it.
        return await asyncio.shield(self._running)


EXAMINATIONS = web.AppKey("examinations", Examinations)


async def examine(request: web.Request) -> web.Response:
    """Have the machine examined."""
    layout = request.app[CONTEXT].settings.layout
    offline = request.query.get("offline") == "1"
    return web.json_response(await request.app[EXAMINATIONS](layout, offline=offline))


async def _examine(layout: Layout, *, offline: bool) -> dict[str, Any]:
    words = ["doctor", "--json", *(["--offline"] if offline else []), *_places(layout)]
    argv = module_command("imjoy", words)
    process = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    why = "What it printed is no examination."
    try:
        said, _ = await asyncio.wait_for(process.communicate(), EXAMINATION_SECONDS)
        # Whatever it found, and exits with, is an answer.
        with contextlib.suppress(ValueError):
            examination = json.loads(said)
            if isinstance(examination, dict) and "checks" in examination:
                return examination
    except asyncio.TimeoutError:
        why = f"It took more than {EXAMINATION_SECONDS:.0f} s."
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
        await process.wait()
    raise ImJoyError("doctor.no-answer", "The doctor did not answer.", why=why, fix="imjoy doctor")
