"""Many clients and plugins for long: ``make soak``.

200 clients of 50 plugins for ten minutes, with ``SOAK=--hour`` for an hour. Each client calls, thinks, calls again:
mostly small things, now and then an array of up to 16 MiB, and comes back after it has left. Every answer is compared
with what was sent. One client more takes what it asked for as slowly as it can.

The exit code is 1 when a call was lost, or when the engine's memory grew for longer than it takes to warm up.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, mean
from typing import Any

import numpy
import psutil

from imjoy.model.project import ALLOCATOR_VARIABLES
from imjoy_engine.terminal.client import Connection, EngineClient

MIB = 1 << 20
KIB = 1 << 10
DRIVERS = 4
THINK_SECONDS = 1.0
STAY_CALLS = 50
DEADLINE_SECONDS = 60.0
SAMPLE_SECONDS = 1.0
WARM_UP = 0.25
"""The part of the run in which memory may grow: buffers and pools reach their size."""
MAX_SLOPE_MIB = 4.0
"""For the whole rest of the run; less than what one frame too many for each client would be."""
PLUGIN = """<config lang="json">
{"name": "Soak", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8", "flags": ["allow-detach"]}
</config>
<script lang="python">
import asyncio

async def wait(value):
    await asyncio.sleep(0.02)
    return value

api.export({"echo": lambda value: value, "wait": wait})
</script>
"""
# How often of a hundred, what, and how large in bytes.
MIX = (
    (70, "number", 8),
    (12, "wait", 8),
    (10, "bytes", 2 * KIB),
    (5, "array", 64 * KIB),
    (2.9, "array", MIB),
    (0.1, "array", 16 * MIB),
)


@dataclass(frozen=True)
class Answer:
    """One call: its kind and the seconds it took, or why it counts as lost."""

    kind: str
    seconds: float
    lost: str = ""


def argument(kind: str, size: int, number: int) -> Any:
    """Return something to send that no other call sends."""
    if kind == "bytes":
        return number.to_bytes(8, "little") * (size // 8)
    if kind == "array":
        return numpy.full(size // 8, number, "int64")
    return number


def is_same(sent: Any, back: Any) -> bool:
    """Whether the answer is what was sent."""
    return numpy.array_equal(sent, back) if isinstance(sent, numpy.ndarray) else bool(sent == back)


async def one_call(connection: Connection, number: int) -> Answer:
    """Make one call of the mix."""
    _, kind, size = random.choices(MIX, [weight for weight, *_ in MIX])[0]
    name = f"array of {size // KIB:,} KiB" if kind == "array" else kind
    sent = argument(kind, size, number)
    before = time.perf_counter()
    try:
        back = await connection.call("wait" if kind == "wait" else "echo", sent, timeout=DEADLINE_SECONDS)
    except Exception as error:
        return Answer(name, time.perf_counter() - before, f"{type(error).__name__}: {error}")
    seconds = time.perf_counter() - before
    return Answer(name, seconds, "" if is_same(sent, back) else "another answer came back")


async def client(engine: EngineClient, plugin: str, first: int, until: float, answers: list[Answer]) -> None:
    """Call and think until the time is over; leave now and then, and come back."""
    number = first
    while number == first or time.time() < until:
        async with await engine.connect(plugin, {}, timeout=DEADLINE_SECONDS) as connection:
            for _ in range(random.randrange(1, 2 * STAY_CALLS)):
                number += 1
                answers.append(await one_call(connection, number))
                if time.time() >= until:
                    break
                await asyncio.sleep(random.expovariate(1 / THINK_SECONDS))


async def slow_client(engine: EngineClient, plugin: str, until: float, answers: list[Answer]) -> None:
    """Ask for an array, and read nothing for a while; again and again."""
    async with await engine.connect(plugin, {}, timeout=DEADLINE_SECONDS) as connection:
        number = 0
        while number == 0 or time.time() < until:
            number += 1
            asking = asyncio.ensure_future(
                connection.call("echo", argument("array", 64 * MIB, number), timeout=DEADLINE_SECONDS)
            )
            before = time.perf_counter()
            await asyncio.sleep(0.2)
            connection._link._socket._transport.pause_reading()
            await asyncio.sleep(3)
            connection._link._socket._transport.resume_reading()
            try:
                lost = "" if is_same(argument("array", 64 * MIB, number), await asking) else "another answer"
            except Exception as error:
                lost = f"{type(error).__name__}: {error}"
            answers.append(Answer("array of 65,536 KiB, read slowly", time.perf_counter() - before, lost))


async def drive(task: dict[str, Any]) -> list[Answer]:
    """Be some of the clients, until the time is over."""
    engine = EngineClient(task["url"], task["token"])
    answers: list[Answer] = []
    until = time.time() + task["seconds"]
    clients = [
        client(engine, plugin, (task["driver"] * 1000 + place) << 32, until, answers)
        for place, plugin in enumerate(task["plugins"])
    ]
    if task["driver"] == 0:
        clients.append(slow_client(engine, task["plugins"][0], until, answers))
    for ended in await asyncio.gather(*clients, return_exceptions=True):
        if isinstance(ended, BaseException):
            answers.append(Answer("connect", 0.0, f"{type(ended).__name__}: {ended}"))
    return answers


class Watch(threading.Thread):
    """Samples the memory of engine, plugins and clients, in MiB, and the engine's descriptors."""

    def __init__(self, engine: int, clients: Sequence[int]) -> None:
        super().__init__(daemon=True)
        self._engine = psutil.Process(engine)
        self._processes = {
            "engine": [self._engine],
            "plugins": self._engine.children(recursive=True),
            "clients": [psutil.Process(pid) for pid in clients],
        }
        self._done = threading.Event()
        self._begun = time.monotonic()
        self.times: list[float] = []
        self.memory: dict[str, list[float]] = {whose: [] for whose in self._processes}
        self.descriptors: list[int] = []
        self.load: list[float] = []
        self.start()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.times.append(time.monotonic() - self._begun)
            for whose, processes in self._processes.items():
                self.memory[whose].append(sum(map(resident, processes)) / MIB)
            self.descriptors.append(self._engine.num_fds())
            self.load.append(os.getloadavg()[0])

    def end(self) -> None:
        self._done.set()
        self.join()


def resident(process: psutil.Process) -> int:
    """Return a process's resident bytes; none for one that has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the value that ``share`` of the sorted samples do not exceed."""
    return samples[min(len(samples) - 1, int(len(samples) * share))]


async def start_plugins(engine: EngineClient, count: int) -> list[str]:
    """Start the plugins, a few at a time, and wait until each has answered once."""
    gate = asyncio.Semaphore(4)

    async def one(number: int) -> str:
        async with gate:
            # One without a client would be handed out again; in a workspace of its own it is not.
            plugin = await engine.start_plugin(
                source=PLUGIN, file="soak.imjoy.html", workspace=f"soak-{number}"
            )
            async with await engine.connect(plugin["id"], {}, timeout=DEADLINE_SECONDS) as connection:
                await connection.call("echo", numpy.zeros(KIB, "uint8"))
            return str(plugin["id"])

    return await asyncio.gather(*(one(number) for number in range(count)))


def soak(options: argparse.Namespace, workspace: Path) -> dict[str, Any]:
    """Run it all; return the figures."""
    server = subprocess.Popen(
        [sys.executable, "-m", "imjoy_engine", "serve", "--port=0", "--lifeline", f"--workspace={workspace}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None and server.stdout is not None
    ready = json.loads(server.stdout.readline())
    token = Path(ready["token_file"]).read_text(encoding="utf-8").strip()
    engine = EngineClient(ready["url"], token)
    plugins = asyncio.run(start_plugins(engine, options.plugins))
    chosen = [plugins[number % len(plugins)] for number in range(options.clients)]
    drivers = []
    for number in range(min(DRIVERS, options.clients)):
        task = {"url": ready["url"], "token": token, "seconds": options.seconds, "driver": number}
        task["plugins"] = chosen[number::DRIVERS]
        drivers.append(
            subprocess.Popen(
                [sys.executable, __file__, "--drive", json.dumps(task)], stdout=subprocess.PIPE, text=True
            )
        )
    watch = Watch(server.pid, [driver.pid for driver in drivers])
    answers = []
    for driver in drivers:
        output = driver.communicate()[0]
        if driver.returncode:
            answers.append(Answer("clients", 0.0, f"a process of theirs ended with {driver.returncode}"))
        else:
            answers += [Answer(**each) for each in json.loads(output)]
    watch.end()
    server.stdin.close()
    server.wait(60)
    return figures(options, watch, answers)


def figures(options: argparse.Namespace, watch: Watch, answers: list[Answer]) -> dict[str, Any]:
    """Return what was found, ready to be printed."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        kinds[answer.kind].append(answer.seconds)
    count = len(watch.times)
    settled = slice(int(count * WARM_UP), count)
    slope = (
        linear_regression(watch.times[settled], watch.memory["engine"][settled]).slope if count > 2 else 0.0
    )
    return {
        "clients": options.clients,
        "plugins": options.plugins,
        "seconds": options.seconds,
        "load average": [round(min(watch.load), 1), round(max(watch.load), 1)],
        "calls": len(answers),
        "calls/s": round(len(answers) / options.seconds),
        "lost": [answer.lost for answer in answers if answer.lost],
        "milliseconds": {
            kind: {
                "calls": len(samples),
                "p50": round(percentile(samples, 0.5) * 1000, 2),
                "p99": round(percentile(samples, 0.99) * 1000, 2),
                "longest": round(samples[-1] * 1000, 2),
            }
            for kind, samples in sorted((kind, sorted(samples)) for kind, samples in kinds.items())
        },
        "memory, MiB": {whose: course(samples) for whose, samples in watch.memory.items()},
        "engine's growth, MiB": {
            "per hour": round(slope * 3600, 2),
            "while settled": round(slope * watch.times[-1] * (1 - WARM_UP), 2),
        },
        "engine descriptors": {
            "first": watch.descriptors[0],
            "most": max(watch.descriptors),
            "last": watch.descriptors[-1],
        },
    }


def course(samples: list[float]) -> dict[str, object]:
    """Return how something went in the course of the run."""
    count = len(samples)
    quarters = [samples[count * part // 4 : count * (part + 1) // 4] for part in range(4)]
    return {
        "first": round(samples[0], 1),
        "by quarter": [round(mean(part), 1) for part in quarters if part],
        "most": round(max(samples), 1),
        "last": round(samples[-1], 1),
    }


def main() -> int:
    """Soak, print the figures, and say whether they are good."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--hour", dest="seconds", action="store_const", const=3600.0)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--plugins", type=int, default=50)
    parser.add_argument(
        "--workspace", type=Path, help="where environments are kept; made anew where not given"
    )
    parser.add_argument("--drive", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        json.dump([vars(answer) for answer in asyncio.run(drive(options.drive))], sys.stdout)
        return 0
    with tempfile.TemporaryDirectory(prefix="imjoy-soak-") as folder:
        found = soak(options, options.workspace or Path(folder))
    print(json.dumps(found, indent=1))
    grown = found["engine's growth, MiB"]["while settled"]
    return 1 if found["lost"] or grown > MAX_SLOPE_MIB else 0


if __name__ == "__main__":
    # As `imjoy start` and `imjoy run` start the engine and a client.
    if not set(ALLOCATOR_VARIABLES) <= set(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**ALLOCATOR_VARIABLES, **os.environ})
    sys.exit(main())
