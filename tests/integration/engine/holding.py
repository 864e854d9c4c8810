"""What an engine holds: descriptors (files, sockets, pipes of children), processes, and tasks of its event loop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psutil

from .conftest import RunningEngine

SETTLE_SECONDS = 15.0


@dataclass(frozen=True)
class Held:
    """What an engine holds while nobody but us asks it something."""

    descriptors: int
    processes: int
    tasks: int

    def within(self, other: Held) -> bool:
        """Whether nothing of it is more than there."""
        return (
            self.descriptors <= other.descriptors
            and self.processes <= other.processes
            and self.tasks <= other.tasks
        )


async def held(engine: RunningEngine) -> Held:
    """Return what ``engine`` holds now."""
    tasks = (await engine.client.request("GET", "/api/v1/status"))["tasks"]
    process = psutil.Process(engine.process.pid)
    return Held(process.num_fds(), len(process.children(recursive=True)), tasks)


async def comes_back_to(engine: RunningEngine, before: Held) -> None:
    """Wait until ``engine`` holds no more than ``before``; fail when it keeps something."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while not (now := await held(engine)).within(before):
        assert time.monotonic() < deadline, (now, before)
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def nothing_kept(engine: RunningEngine) -> AsyncIterator[None]:
    """Fail when the engine ends up with more than it had."""
    before = await held(engine)
    yield
    await comes_back_to(engine, before)
