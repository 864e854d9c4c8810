"""What measures a side, in a process and an interpreter of the side's own: the same clock around the same calls.

It is told what to do by JSON lines on its standard input, and answers each with one line: ``{"seconds": [...]}``, or
``{"error": text}``. Runs on Python 3.7, which the classic engine needs.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from typing import Any

MIB = 1 << 20
IN_FLIGHT = 32


class Driver:
    """One side as its user sees it. ``url``, ``token`` and ``folder`` are the server's."""

    def __init__(self, url: str, token: str, folder: str) -> None:
        self.url = url
        self.token = token
        self.folder = folder

    async def open(self) -> None:
        """Start a plugin that has a function ``echo``, and connect to it."""
        raise NotImplementedError

    async def echo(self, value: Any) -> Any:
        """Call ``echo`` with a number or an array."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the plugin, and wait until it is gone as far as the side tells."""
        raise NotImplementedError

    def array(self, size: int) -> Any:
        """Return an array of ``size`` bytes, in the form that ``echo`` takes."""
        import numpy

        array = numpy.zeros(size, "uint8")
        array[-1] = 7
        return array

    def is_same(self, array: Any, answer: Any) -> bool:
        """Whether ``answer`` is ``array`` as far as its length and its ends tell."""
        return len(answer) == len(array) and int(answer[-1]) == int(array[-1])

    # What may be asked for

    async def do_open(self) -> list[float]:
        """Measure from the wish for a plugin to its first answer."""
        before = time.perf_counter()
        await self.open()
        await self.echo(1)
        return [time.perf_counter() - before]

    async def do_close(self) -> list[float]:
        """Close; the figure is of no interest."""
        await self.close()
        return []

    async def do_echo(self, count: int) -> list[float]:
        """Measure each of ``count`` calls, one after the other."""
        samples = []
        for _ in range(count):
            before = time.perf_counter()
            await self.echo(1)
            samples.append(time.perf_counter() - before)
        return samples

    async def do_rate(self, count: int) -> list[float]:
        """Measure ``count`` calls of which 32 are in flight; return the seconds per call."""

        async def some() -> None:
            for _ in range(count // IN_FLIGHT):
                await self.echo(1)

        before = time.perf_counter()
        await asyncio.gather(*(some() for _ in range(IN_FLIGHT)))
        return [(time.perf_counter() - before) / (count // IN_FLIGHT * IN_FLIGHT)]

    async def do_array(self, mib: int, count: int) -> list[float]:
        """Measure an array on its way there and back, ``count`` times."""
        array = self.array(mib * MIB)
        samples = []
        for _ in range(count):
            before = time.perf_counter()
            answer = await self.echo(array)
            samples.append(time.perf_counter() - before)
            if not self.is_same(array, answer):
                raise ValueError("another array came back")
            del answer
        return samples


async def _serve(driver: Driver, answers: Any) -> None:
    loop = asyncio.get_event_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        wish = json.loads(line)
        try:
            answer: dict[str, Any] = {"seconds": await getattr(driver, "do_" + wish.pop("do"))(**wish)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main(kind: type[Driver]) -> None:
    """Serve what measures ``kind``; its server's url, token and folder are in the environment."""
    environ = os.environ
    # What the side prints is not for the one who asks.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    driver = kind(environ["BENCH_URL"], environ["BENCH_TOKEN"], environ["BENCH_FOLDER"])
    asyncio.get_event_loop_policy().get_event_loop().run_until_complete(_serve(driver, answers))
    # Threads and tasks that a side leaves behind do not hold this process back.
    os._exit(0)
