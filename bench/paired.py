"""Start, idle memory and first paint, paired with an older commit in one run: neither may have become worse.

The same interpreter, packages and Chromium run both, one after the other in each round, in turns the one first and the
other. ``make bench-paired`` compares with the commit that issue 15 began at (``BASE``); another is the first argument,
and how many rounds the second. Fifteen took three minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, sync_playwright

BASE = "0f8a8e8"
ROUNDS = 15
ROOT = Path(__file__).parents[1]
TOKEN = "a-token-of-the-benchmark"
FLAGS = ["--no-sandbox", "--disable-gpu"]
SETTLE_SECONDS = 1.0
LIMIT = 1.05
UNITS = {"start": "s", "idle memory": "MiB", "command": "s", "first paint": "ms", "connected": "ms"}

PAINTED = """() => new Promise((done) => {
    const told = () => performance.getEntriesByName("first-contentful-paint")[0];
    if (told()) return done(told().startTime);
    new PerformanceObserver(() => told() && done(told().startTime)).observe({ type: "paint", buffered: true });
})"""


def unpack(commit: str, folder: Path) -> Path:
    """Put the sources of a commit into ``folder`` and return it."""
    packed = subprocess.run(
        ["git", "archive", commit, "bootstrap", "engine"], cwd=ROOT, check=True, stdout=subprocess.PIPE
    ).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def environ(sources: Path) -> dict[str, str]:
    """Return the variables that have Python take our packages from ``sources``, and write their bytecode there.

    An install has it too. Without, who has more sources would seem slower by the time that compiling them takes.
    """
    path = os.pathsep.join(str(sources / each) for each in ("bootstrap", "engine"))
    return {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "", "IMJOY_ENGINE_TOKEN": TOKEN}


@contextmanager
def engine(sources: Path, workspace: Path) -> Iterator[tuple[str, float, psutil.Process]]:
    """Run an engine that serves the app; yield its url, how many seconds it took to be ready, and its process."""
    argv = ["serve", "--port", "0", "--serve", "--lifeline", "--workspace", str(workspace)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "imjoy_engine", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ(sources),
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        ready = next(event for event in map(json.loads, process.stdout) if event["event"] != "progress")
        if ready["event"] != "ready":
            raise RuntimeError(f"{sources}: {ready}")
        yield ready["url"], time.perf_counter() - began, psutil.Process(process.pid)
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def measure(sources: Path, workspace: Path, browser: Browser) -> dict[str, float]:
    """Return one sample of each figure."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "imjoy", "--version"],
        env=environ(sources),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    command = time.perf_counter() - began
    with engine(sources, workspace) as (url, seconds, process):
        time.sleep(SETTLE_SECONDS)
        memory = process.memory_info().rss / (1 << 20)
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        opened = time.perf_counter()
        page.goto(f"{url}/#token={TOKEN}")
        page.get_by_role("button", name="Connected").wait_for()
        connected = 1000 * (time.perf_counter() - opened)
        painted = float(page.evaluate(PAINTED))
        context.close()
    return {
        "start": seconds,
        "idle memory": memory,
        "command": command,
        "first paint": painted,
        "connected": connected,
    }


def measure_paired(base: str, rounds: int) -> list[dict[str, Any]]:
    """Return a row for each figure: the median of now, and the median of the ratios of the rounds."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="imjoy-bench-") as made, sync_playwright() as playwright:
        folder = Path(made)
        sides = {"now": unpack("HEAD", folder / "now"), "before": unpack(base, folder / "before")}
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for number in range(rounds + 1):
            for side in sorted(sides, reverse=bool(number % 2)):
                print(f"round {number}: {side}", file=sys.stderr, flush=True)
                found = measure(sides[side], folder / f"workspace-{side}", browser)
                for figure, value in found.items() if number else ():  # the first fetches, and finds all cold
                    samples[figure, side].append(value)
        browser.close()
    return [
        {
            "figure": f"paired: {figure}",
            "value": statistics.median(samples[figure, "now"]),
            "unit": unit,
            "ratio": statistics.median(
                now / before
                for now, before in zip(samples[figure, "now"], samples[figure, "before"], strict=True)
            ),
            "against": base,
            "limit": LIMIT,
        }
        for figure, unit in UNITS.items()
    ]


if __name__ == "__main__":
    words = sys.argv[1:]
    for row in measure_paired(words[0] if words else BASE, int(words[1]) if len(words) > 1 else ROUNDS):
        print(json.dumps(row))
