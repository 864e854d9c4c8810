"""Runs the commands of a build so that none outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

from imjoy_engine.environments.scrub import scrub

KILLED_SECONDS = 10.0
LINE_BYTES = 64 * 1024
TIMED_OUT = -1
TETHER_SCRIPT = Path(__file__).with_name("tether.py")

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


async def run_tethered(
    argv: Sequence[str],
    variables: Mapping[str, str],
    on_line: Callable[[str], None],
    *,
    seconds: float,
    cwd: Path | None = None,
) -> int:
    """Run a command for at most ``seconds``; return its exit code, or ``TIMED_OUT``.

    ``on_line`` gets what it writes, by lines, without colours and passwords. When this is cancelled, takes too long,
    or this process dies, every process that the command started is killed at once.
    """
    process = await _start(argv, variables, cwd)

    async def finish() -> int:
        async for line in _lines(process.stdout):
            on_line(line)
        return await process.wait()

    try:
        return await asyncio.wait_for(finish(), seconds)
    except asyncio.TimeoutError:
        return TIMED_OUT
    finally:
        if process.returncode != 0:
            await _kill_group(process)


async def _start(
    argv: Sequence[str], variables: Mapping[str, str], cwd: Path | None
) -> asyncio.subprocess.Process:
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(TETHER_SCRIPT), *argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(variables),
            # uv looks for a project's configuration from the current folder upwards.
            cwd=cwd or Path(sys.executable).anchor,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio by itself would kill the tether alone, and what hangs on it would live on.
        await _kill_group(await starting)
        raise


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """Yield what a command writes by lines; a line without end is cut."""
    rest = b""
    while stream is not None and (chunk := await stream.read(LINE_BYTES)):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield _readable(line)
    if rest:
        yield _readable(rest)


def _readable(line: bytes) -> str:
    return scrub(_ANSI.sub("", line.decode(errors="replace").rstrip()))


async def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), KILLED_SECONDS)
