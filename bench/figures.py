"""Takes the figures of every side, round by round, so that a noisy minute hits all of them."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from servers import (
    BARE,
    BARE_PAGE,
    OURS,
    OURS_PAGE,
    PEERS,
    WITHOUT_PIP,
    DriverProcess,
    NotMeasured,
    Peak,
    Server,
    Side,
    install,
)

MIB = 1 << 20
ECHO_CALLS = 300
RATE_CALLS = 1600
PAGE_SIZES = (1, 16, 64)
SIZES = (1, 16, 64, 256)
COUNTS = {1: 10, 16: 4, 64: 2, 256: 3}
"""How often each size is sent. The first array has the plugin import numpy, the first of a size finds no memory yet."""
CPU_SIZE = 64
BIG = 256
BIG_ROUNDS = 1
"""256 MiB take some sides half a minute."""

Samples = dict[str, dict[str, list[float]]]
"""By figure, then by the name of the side; in seconds, bytes, or calls per second."""


class Bench:
    """All rounds; ``samples`` grows with each, ``missing`` says which sides and figures could not be had, and why."""

    def __init__(self, venvs: Path, environments: Path) -> None:
        self.samples: Samples = defaultdict(lambda: defaultdict(list))
        self.missing: dict[str, str] = {}
        self._environments = environments
        self._pythons: dict[str, Path] = {}
        for side in (OURS, BARE, *PEERS, WITHOUT_PIP, OURS_PAGE, BARE_PAGE):
            try:
                self._pythons[side.name] = install(side, venvs)
            except NotMeasured as error:
                self.missing[side.name] = str(error)

    def round(self, number: int, name: str) -> None:
        """Measure every side once; ``number`` counts from 0."""
        for side in (OURS, *PEERS, BARE, WITHOUT_PIP, OURS_PAGE, BARE_PAGE):
            if side.name not in self._pythons:
                continue
            try:
                with tempfile.TemporaryDirectory(prefix="imjoy-bench-", ignore_cleanup_errors=True) as folder:
                    print(f"{name}: {side.name}", file=sys.stderr, flush=True)
                    self._measure(side, Path(folder), number)
            except NotMeasured as error:
                self.missing[side.name] = str(error)
        self._copy_memory()

    def _measure(self, side: Side, folder: Path, number: int) -> None:
        if side in (OURS, OURS_PAGE):
            private = folder / ".imjoy"
            private.mkdir(mode=0o700)
            for name in ("environments", "webapp"):
                (self._environments / name).mkdir(parents=True, exist_ok=True)
                (private / name).symlink_to(self._environments / name)
        with Server(side, self._pythons[side.name], folder) as server:
            if side in (OURS_PAGE, BARE_PAGE):
                self._talk(side, server, PAGE_SIZES, "from Chromium: ", 0)
                return
            self._add("start to ready", side, server.ready_seconds)
            idle, added = server.memory()
            if side is not BARE:
                self._add("idle memory", side, idle)
                self._add("idle memory, all its processes", side, added)
            if side.driver:
                sizes = SIZES if number < BIG_ROUNDS else SIZES[:-1]
                self._talk(side, server, sizes, "", idle)

    def _talk(self, side: Side, server: Server, sizes: tuple[int, ...], prefix: str, idle: int) -> None:
        driver = server.driver()
        try:
            self._add(prefix + "plugin start to first call", side, *driver.ask("open"))
            calls = sorted(driver.ask("echo", count=ECHO_CALLS))
            self._add(prefix + "echo p50", side, statistics.median(calls))
            self._add(prefix + "echo p99", side, calls[int(len(calls) * 0.99)])
            rate = driver.ask("rate", count=RATE_CALLS)
            self._add(prefix + "calls/s with 32 in flight", side, *(1 / each for each in rate))
            for size in sizes:
                self._array(side, server, driver, size, prefix, idle)
            driver.ask("close")
        finally:
            driver.end()

    def _array(
        self, side: Side, server: Server, driver: DriverProcess, size: int, prefix: str, idle: int
    ) -> None:
        figure = f"{prefix}{size} MiB there and back"
        process = server.listener()
        before = process.cpu_times()
        peak = Peak(process)
        try:
            self._add(figure, side, *driver.ask("array", mib=size, count=COUNTS[size]))
        except NotMeasured as error:
            self.missing[f"{figure}, {side.name}"] = str(error)
            raise
        finally:
            most = peak.result()
        after = process.cpu_times()
        if prefix or side is BARE:
            return
        if size == CPU_SIZE:
            spent = after.user + after.system - before.user - before.system
            self._add("engine CPU per GiB relayed", side, spent * 1024 / (2 * size * COUNTS[size]))
        if size == BIG:
            self._add("engine memory over idle at 256 MiB", side, most - idle)

    def _add(self, figure: str, side: Side, *values: float) -> None:
        name = {BARE_PAGE.name: BARE.name, OURS_PAGE.name: OURS.name}.get(side.name, side.name)
        self.samples[figure][name].extend(values)

    def _copy_memory(self) -> None:
        """Copy as much as an array and its echo are, the other limit."""
        for size in SIZES:
            source, target = bytes(size * MIB), bytearray(size * MIB)
            before = time.perf_counter()
            for _ in range(2):
                target[:] = source
            self.samples[f"{size} MiB there and back"]["memory copy"].append(time.perf_counter() - before)
