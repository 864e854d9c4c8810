"""How long the command line takes, beside the least that anything written in Python takes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

LIMITS = {"imjoy --version": 4.0, "imjoy --help": 8.0}
BARE = "python -c pass"


def wall(command: list[str]) -> float:
    """Return the seconds that a command takes."""
    before = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - before


def measure_commands(rounds: int) -> list[dict[str, Any]]:
    """Return the rows about commands that start and end."""
    samples: dict[str, list[float]] = {name: [] for name in (BARE, *LIMITS)}
    for _ in range(rounds):
        samples[BARE].append(wall([sys.executable, "-c", "pass"]))
        for name in LIMITS:
            samples[name].append(wall([sys.executable, "-m", *name.split()]))
    bare = statistics.median(samples[BARE])
    return [
        {
            "figure": name,
            "value": statistics.median(samples[name]) * 1000,
            "unit": "ms",
            "ratio": statistics.median(samples[name]) / bare,
            "against": BARE,
            "limit": limit,
        }
        for name, limit in LIMITS.items()
    ]


def measure_doctor(rounds: int) -> list[dict[str, Any]]:
    """Return the rows about ``imjoy doctor --offline`` in an empty home: in all, and beyond its slowest check."""
    whole, beyond = [], []
    with tempfile.TemporaryDirectory(prefix="imjoy-bench-") as home:
        environ = {**os.environ, "HOME": home, "USERPROFILE": home}
        for _ in range(rounds):
            before = time.perf_counter()
            output = subprocess.run(
                [sys.executable, "-m", "imjoy", "doctor", "--offline", "--json"],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                check=False,
            ).stdout
            whole.append((time.perf_counter() - before) * 1000)
            slowest = max(each["milliseconds"] for each in json.loads(output)["checks"])
            beyond.append(whole[-1] - slowest)
    return [
        {"figure": "imjoy doctor --offline (at most 1500)", "value": statistics.median(whole), "unit": "ms"},
        {
            "figure": "of which beyond its slowest check (at most 300)",
            "value": statistics.median(beyond),
            "unit": "ms",
        },
    ]
