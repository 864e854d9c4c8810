"""Runs the commands of a build so that none outlives it."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from imjoy_engine.processes.child import Child
from imjoy_engine.processes.redact import redact
from imjoy_engine.worker.processes.process_tree import kill_group

# Without its guard nobody finds what has got away from the command, so a guard on a busy machine gets its time.
KILLED_SECONDS = 20.0
FINAL_OUTPUT_SECONDS = 0.5
LINE_BYTES = 64 * 1024
TIMED_OUT = -1
GUARD_SCRIPT = Path(__file__).with_name("process_guard.py")

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


async def run_guarded(
    argv: Sequence[str],
    variables: Mapping[str, str],
    on_line: Callable[[str], None],
    *,
    seconds: float,
    cwd: Path | None = None,
) -> int:
    """Run a command for at most ``seconds``; return its exit code, or ``TIMED_OUT``.

    ``on_line`` gets what it writes, by lines, without colours and passwords. Every process that the command started is
    killed when it has ended, when this is cancelled, when it takes too long, and when this process dies.
    """
    lines = _Lines(on_line)
    transport, child = await _start(argv, variables, cwd, lines)
    try:
        in_time = await child.exits_within(seconds)
    finally:
        await _end(transport, child)
    lines.finish()
    code = transport.get_returncode()
    return code if in_time and code is not None else TIMED_OUT


async def _start(
    argv: Sequence[str], variables: Mapping[str, str], cwd: Path | None, lines: _Lines
) -> tuple[asyncio.SubprocessTransport, Child]:
    starting = asyncio.ensure_future(
        asyncio.get_running_loop().subprocess_exec(
            lambda: Child(lines.take),
            *(sys.executable, "-I", "-S", str(GUARD_SCRIPT), *argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(variables),
            # uv looks for a project's configuration from the current folder upwards.
            cwd=cwd or Path(sys.executable).anchor,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio by itself would kill the guard alone, and what it guards would live on.
        await _end(*await starting)
        raise


class _Lines:
    """Cuts what a command writes into lines; a line without end is cut too."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = b""

    def take(self, stream: str, chunk: bytes) -> None:
        *whole, rest = (self._rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES:
            whole, rest = [*whole, rest], b""
        self._rest = rest
        for line in whole:
            self._on_line(_readable(line))

    def finish(self) -> None:
        if self._rest:
            self._on_line(_readable(self._rest))


def _readable(line: bytes) -> str:
    return redact(_ANSI.sub("", line.decode(errors="replace").rstrip()))


async def _end(transport: asyncio.SubprocessTransport, child: Child) -> None:
    """Have the guard kill what it guards, and kill the guard's group: what else is in there, or does not answer."""
    input_pipe = transport.get_pipe_transport(0)
    if input_pipe is not None:
        input_pipe.close()
    await child.exits_within(KILLED_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            transport.kill()
        else:
            kill_group(transport.get_pid())
    await child.exits_within(KILLED_SECONDS)
    await asyncio.wait({child.silent}, timeout=FINAL_OUTPUT_SECONDS)
    transport.close()
