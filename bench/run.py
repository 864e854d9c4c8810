"""How fast the engine is: ``make bench``.

Every figure is a median, taken in one run beside something to compare it with: ``python -c pass`` for start-up, a
bare aiohttp WebSocket echo for what passes through. Ratios are what counts; seconds differ from machine to machine.
Rounds of the two sides alternate, so that a noisy minute hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy
import psutil
from environments import measure_environments

from imjoy.model.project import ALLOCATOR_VARIABLES
from imjoy_engine.client import Connection, EngineClient

MIB = 1 << 20
BARE_ECHO = Path(__file__).with_name("bare_echo.py")
PLUGIN = """<config lang="json">
{"name": "Bench", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8"}
</config>
<script lang="python">
from imjoy import api

class ImJoyPlugin:
    def setup(self):
        pass

    def echo(self, value):
        return value

api.export(ImJoyPlugin())
</script>
"""


def median_ms(samples: list[float]) -> float:
    return statistics.median(samples) * 1000


def wall(command: list[str]) -> float:
    before = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - before


class Engine:
    """An engine in a process of its own, and how long it took to answer."""

    def __init__(self, workspace: Path) -> None:
        before = time.perf_counter()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "imjoy_engine",
                "serve",
                "--port",
                "0",
                "--lifeline",
                "--workspace",
                str(workspace),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.ready = json.loads(self.process.stdout.readline())
        self.ready_seconds = time.perf_counter() - before
        token = Path(self.ready["token_file"]).read_text(encoding="utf-8").strip()
        self.client = EngineClient(self.ready["url"], token)
        self.status = psutil.Process(self.process.pid)

    @property
    def memory(self) -> int:
        return int(self.status.memory_info().rss)

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)

    async def open(self) -> tuple[Connection, float]:
        """Start the plugin; return the connection, and the seconds until its first call was answered."""
        before = time.perf_counter()
        plugin = await self.client.start_plugin(source=PLUGIN, file="bench.imjoy.html")
        connection = await self.client.connect(plugin["id"], {})
        await connection.call("setup")
        await connection.call("echo", 1)
        return connection, time.perf_counter() - before


def start_imjoy(workspace: Path) -> float:
    """Return the seconds from typing ``imjoy start`` to its first words about the engine."""
    before = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "imjoy", "start", "--port", "0", "--workspace", str(workspace), "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    process.stdout.readline()
    seconds = time.perf_counter() - before
    process.terminate()
    process.wait(20)
    return seconds


def measure_commands(rounds: int, workspace: Path) -> list[dict[str, Any]]:
    """Measure what starts and ends."""
    commands = {
        "imjoy --version": [sys.executable, "-m", "imjoy", "--version"],
        "imjoy --help": [sys.executable, "-m", "imjoy", "--help"],
    }
    samples: dict[str, list[float]] = {
        name: [] for name in ("python -c pass", *commands, "engine ready", "imjoy start ready")
    }
    memory = []
    for _ in range(rounds):
        samples["python -c pass"].append(wall([sys.executable, "-c", "pass"]))
        for name, command in commands.items():
            samples[name].append(wall(command))
        engine = Engine(workspace)
        samples["engine ready"].append(engine.ready_seconds)
        memory.append(engine.memory)
        engine.stop()
        samples["imjoy start ready"].append(start_imjoy(workspace))
    bare = median_ms(samples["python -c pass"])
    limits = {"imjoy --version": 4.0, "imjoy --help": 8.0}
    rows = [
        row(name, median_ms(values), "ms", "python -c pass", bare, limits.get(name))
        for name, values in samples.items()
    ]
    rows.append({"figure": "idle memory", "value": statistics.median(memory) / MIB, "unit": "MiB"})
    return rows


def row(
    figure: str, value: float, unit: str, against: str, other: float, limit: float | None = None
) -> dict[str, Any]:
    return {
        "figure": figure,
        "value": value,
        "unit": unit,
        "ratio": value / other,
        "against": against,
        "limit": limit,
    }


async def timed(call: Callable[[], Awaitable[Any]], count: int) -> list[float]:
    samples = []
    for _ in range(count):
        before = time.perf_counter()
        await call()
        samples.append(time.perf_counter() - before)
    return samples


class BareEcho:
    """The other side: a WebSocket echo by aiohttp alone, in two processes as anybody would start them."""

    def __init__(self) -> None:
        environ = {name: value for name, value in os.environ.items() if name not in ALLOCATOR_VARIABLES}
        self._server = self._start([], environ)
        self._client = self._start([self._read(self._server)], environ)

    @staticmethod
    def _start(arguments: list[str], environ: dict[str, str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(BARE_ECHO), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environ,
        )

    @staticmethod
    def _read(process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        return process.stdout.readline().strip()

    def echo(self, count: int, size: int) -> list[float]:
        """Return the seconds that each of ``count`` round trips of ``size`` bytes took."""
        assert self._client.stdin is not None
        self._client.stdin.write(f"{count} {size}\n")
        self._client.stdin.flush()
        samples: list[float] = json.loads(self._read(self._client))
        return samples

    def stop(self) -> None:
        for process in (self._client, self._server):
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)


async def measure_traffic(rounds: int, workspace: Path) -> list[dict[str, Any]]:
    """Measure calls and arrays beside a bare WebSocket echo."""
    bare = BareEcho()
    engine = Engine(workspace)
    try:
        return await _measure_traffic(rounds, engine, bare)
    finally:
        engine.stop()
        bare.stop()


async def _measure_traffic(rounds: int, engine: Engine, bare: BareEcho) -> list[dict[str, Any]]:
    starts = []
    for _ in range(rounds + 1):
        connection, seconds = await engine.open()
        starts.append(seconds)
        await connection.close()
    plugin, _ = await engine.open()
    idle = engine.memory

    ours_small: list[float] = []
    bare_small: list[float] = []
    for _ in range(rounds):
        bare_small += bare.echo(400, 100)
        ours_small += await timed(lambda: plugin.call("echo", 1), 400)
    ours_small.sort()

    async def one_after_the_other(count: int) -> None:
        for _ in range(count):
            await plugin.api.echo(1)

    rates = []
    for _ in range(rounds):
        before = time.perf_counter()
        await asyncio.gather(*(one_after_the_other(60) for _ in range(32)))
        rates.append(32 * 60 / (time.perf_counter() - before))

    rows = [
        {"figure": "plugin start to first call", "value": median_ms(starts[1:]), "unit": "ms"},
        row("echo p50", median_ms(ours_small), "ms", "bare echo", median_ms(bare_small), 4.0),
        {"figure": "echo p99", "value": ours_small[int(len(ours_small) * 0.99)] * 1000, "unit": "ms"},
        {"figure": "calls with 32 in flight", "value": statistics.median(rates), "unit": "/s"},
    ]
    for size in (1, 16, 64, 256):
        array = numpy.zeros(size * MIB, "uint8")
        ours, alone = [], []
        for _ in range(rounds if size < 256 else max(2, rounds // 2)):
            alone += bare.echo(1, size * MIB)
            ours += await timed(lambda array=array: plugin.call("echo", array), 1)  # type: ignore[misc]
        limit = 1.5 if size == 64 else None
        rows.append(
            row(f"{size} MiB there and back", median_ms(ours), "ms", "bare echo", median_ms(alone), limit)
        )

    peak = 0
    big = asyncio.ensure_future(plugin.call("echo", numpy.zeros(256 * MIB, "uint8")))
    while not big.done():
        await asyncio.wait({big}, timeout=0.01)
        peak = max(peak, engine.memory)
    rows.append(
        {
            "figure": "engine memory over idle at 256 MiB",
            "value": (peak - idle) / MIB,
            "unit": "MiB",
            "max": 64,
        }
    )
    await plugin.close()
    return rows


def show(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = ["| figure | value | as a multiple of | ratio | at most |", "| --- | ---: | --- | ---: | ---: |"]
    for line in rows:
        value = f"{line['value']:,.0f}" if line["value"] >= 100 else f"{line['value']:.2f}"
        ratio = f"{line['ratio']:.2f}" if "ratio" in line else ""
        limit = line.get("limit") or (f"{line['max']} MiB" if "max" in line else "")
        lines.append(
            f"| {line['figure']} | {value} {line['unit']} | {line.get('against', '')} | {ratio} | {limit} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imjoy-bench-") as folder:
        workspace = Path(folder)
        prepare(workspace)
        rows = measure_commands(options.rounds, workspace)
        rows += asyncio.run(measure_traffic(options.rounds, workspace))
        rows += measure_environments(options.rounds, workspace / "environments-bench")
    print(
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores, {options.rounds} rounds\n"
    )
    print(show(rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def prepare(workspace: Path) -> None:
    """Build the default environment, which is not measured."""
    engine = Engine(workspace)

    async def once() -> None:
        connection, _ = await engine.open()
        await connection.close()

    asyncio.run(once())
    engine.stop()


if __name__ == "__main__":
    # The engine and this client run as `imjoy start` and `imjoy run` start them.
    if not set(ALLOCATOR_VARIABLES) <= set(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**ALLOCATOR_VARIABLES, **os.environ})
    main()
