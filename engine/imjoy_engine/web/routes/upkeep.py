"""What the page's menu asks of the engine: to start again, now or at login, its log, an upgrade, an examination."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import IO, Any

from aiohttp import web

from imjoy.effects.disk.files import ensure_private_folder, write_private
from imjoy.effects.processes.process import birth_of, find_process, module_command, spawn
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.shell_words import shell_line
from imjoy_engine.web.bodies import read_object
from imjoy_engine.web.context import CONTEXT
from imjoy_engine.workspace.logs import last_records

LOG_RECORDS = 500
ANSWER_SECONDS = 30.0
UPGRADE_CHECK_SECONDS = 75.0  # it asks the network, a package index for at most a minute
EXAMINATION_SECONDS = 90.0  # its own checks have 20 s each, most of them side by side


async def restart(request: web.Request) -> web.Response:
    """Begin to stop, and to start again, by an `imjoy restart` that outlives us."""
    _begin(
        ["restart", *_places(request.app[CONTEXT].settings.layout)], "The engine could not be started again."
    )
    return web.json_response({"restarting": True}, status=202)


def _begin(words: list[str], what: str, output: int | IO[bytes] = DEVNULL) -> subprocess.Popen[bytes]:
    """Start an `imjoy` command that outlives us. Raises ImJoyError ``engine.unstartable``, which says ``what``."""
    try:
        return spawn(
            module_command("imjoy", words), stdin=DEVNULL, stdout=output, stderr=DEVNULL, environ=os.environ
        )
    except OSError as error:
        raise ImJoyError("engine.unstartable", what, why=str(error), fix=f"imjoy {words[0]}") from error


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
    words = ["doctor", *(["--offline"] if offline else [])]
    # Whatever it found, and exits with, is an answer.
    found = await _output_of(layout, words, EXAMINATION_SECONDS)
    if "checks" in found:
        return found
    why = found.get("why", "It printed no valid result.")
    raise ImJoyError("doctor.no-answer", "The doctor did not answer.", why=why, fix="imjoy doctor")


async def show_autostart(request: web.Request) -> web.Response:
    """Tell whether the engine starts at login."""
    answer = await _answer(request, ["desktop"])
    return web.json_response({"autostart": bool(answer.get("autostart"))})


async def set_autostart(request: web.Request) -> web.Response:
    """Have the engine start at login, or not, as `imjoy desktop autostart` does."""
    on = (await read_object(request)).get("autostart")
    if not isinstance(on, bool):
        raise ImJoyError("request.invalid", "`autostart` is true or false.")
    await _answer(request, ["desktop", "autostart", "on" if on else "off"])
    return await show_autostart(request)


async def find_upgrade(request: web.Request) -> web.Response:
    """Tell whether a newer imjoy is available, as `imjoy upgrade --check` does."""
    return web.json_response(await _answer(request, ["upgrade", "--check"], UPGRADE_CHECK_SECONDS))


async def upgrade(request: web.Request) -> web.Response:
    """Begin to bring imjoy up to date, by an `imjoy upgrade` that outlives us: it stops us, and starts the new one.

    Who asks in the middle of one, from another tab, learns what becomes of that.
    """
    layout = request.app[CONTEXT].settings.layout
    if _is_upgrading(layout):
        return web.json_response({"upgrading": True}, status=202)
    ensure_private_folder(layout.upgrade_outcome_file.parent)
    layout.upgrade_process_file.unlink(missing_ok=True)
    with layout.upgrade_outcome_file.open("wb") as outcome:
        words = ["upgrade", "--yes", "--json", "--workspace", str(layout.workspace)]
        process = _begin(words, "The upgrade could not be started.", outcome)
    started = {"pid": process.pid, "birth": birth_of(process.pid)}
    write_private(layout.upgrade_process_file, json.dumps(started))
    return web.json_response({"upgrading": True}, status=202)


async def show_upgrade(request: web.Request) -> web.Response:
    """Return the result of the last upgrade from the page; null while it is running, and if there was none."""
    layout = request.app[CONTEXT].settings.layout
    return web.json_response({"outcome": await asyncio.to_thread(_upgrade_outcome, layout)})


def _is_upgrading(layout: Layout) -> bool:
    started = _document(layout.upgrade_process_file) or {}
    return find_process(started.get("pid", 0), started.get("birth", "")) is not None


def _upgrade_outcome(layout: Layout) -> dict[str, Any] | None:
    is_running = _is_upgrading(layout)
    # What it printed is read after that: it may have ended in between.
    outcome = _document(layout.upgrade_outcome_file)
    if outcome is not None or is_running or not layout.upgrade_process_file.exists():
        return outcome
    killed = ImJoyError(
        "upgrade.killed",
        "The upgrade was killed before it was done.",
        why="The old imjoy is still used. The next upgrade first repairs what was left half done.",
        fix="imjoy upgrade",
    )
    return {"error": killed.as_json()}


def _document(file: Path) -> dict[str, Any] | None:
    try:
        loaded = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return loaded if isinstance(loaded, dict) else None


async def _answer(request: web.Request, words: list[str], seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
    """Return what an `imjoy` command tells. Raises as it fails, and ImJoyError ``upkeep.no-answer``."""
    answer = await _output_of(request.app[CONTEXT].settings.layout, words, seconds)
    error = answer.get("error")
    if isinstance(error, dict):
        raise ImJoyError.from_json(error)
    if "why" in answer and len(answer) == 1:
        line = shell_line(["imjoy", *words])
        raise ImJoyError("upkeep.no-answer", f"`{line}` did not answer.", why=answer["why"], fix=line)
    return answer


async def _output_of(layout: Layout, words: list[str], seconds: float) -> dict[str, Any]:
    """Return the document that an `imjoy` command prints, or ``{"why"}`` where there is none."""
    places = ["--workspace", str(layout.workspace)] if words[0] == "upgrade" else _places(layout)
    argv = module_command("imjoy", [*words, "--json", *places])
    process = await asyncio.create_subprocess_exec(*argv, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds)
        with contextlib.suppress(ValueError):
            document = json.loads(output)
            if isinstance(document, dict):
                return document
    except asyncio.TimeoutError:
        return {"why": f"It took more than {seconds:.0f} s."}
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
        await process.wait()
    return {"why": "It printed no valid answer."}
