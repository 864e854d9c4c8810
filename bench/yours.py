"""How long a plugin takes to start in an environment that a person has, beside one of ours; and how long finding takes.

By itself: ``python bench/yours.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from imjoy.model.layout import Layout
from imjoy_engine.environments.builders.venv_env import build_venv
from imjoy_engine.environments.existing.records import ExistingEnvironments
from imjoy_engine.terminal.client import EngineClient

TOKEN = "a-token-of-the-benchmark"
SOURCE = """
<config lang="json">{"name": "Bench", "type": "native-python"}</config>
<script lang="python">
from imjoy import api
api.export({"answer": lambda: 42})
</script>
"""
# What a worker needs besides is not among it, as nobody has that.
THEIRS = ("numpy", "psutil", "requests", "six")
ENVIRONMENTS = 30


def measure_yours(rounds: int, folder: Path) -> list[dict[str, Any]]:
    """Return the rows about environments that were there; ``folder`` is a place for them."""
    folder.mkdir(parents=True, exist_ok=True)
    mine = folder / "mine"
    asyncio.run(
        build_venv(
            mine,
            THEIRS,
            python=Path(sys.executable),
            environ=os.environ,
            report=lambda progress: None,
        )
    )
    # As pip leaves it.
    subprocess.run([mine / "bin" / "python", "-m", "compileall", "-q", mine / "lib"], check=True)
    workspace = folder / "workspace"
    layout = Layout(prefix=workspace, workspace=workspace)
    ExistingEnvironments(layout.existing_environments).add("mine", mine / "bin" / "python")
    with _engine(workspace) as client:
        seconds: dict[str, list[float]] = {"": [], "mine": []}
        for _ in range(rounds + 1):
            for name, samples in seconds.items():
                samples.append(asyncio.run(_start(client, name)))
    # The first of each builds, or brings what a worker needs.
    ours, yours = (statistics.median(samples[1:]) for samples in (seconds[""], seconds["mine"]))
    return [
        {
            "figure": "plugin start to first call, in an environment of yours",
            "value": yours * 1000,
            "unit": "ms",
            "ratio": yours / ours,
            "against": "one of ours",
            "limit": 1.1,
        },
        {
            "figure": f"imjoy env find, {ENVIRONMENTS} environments (at most 1000)",
            "value": _find(rounds, folder / "home") * 1000,
            "unit": "ms",
        },
    ]


@contextmanager
def _engine(workspace: Path) -> Iterator[EngineClient]:
    argv = ["serve", "--port", "0", "--workspace", str(workspace), "--lifeline"]
    with subprocess.Popen(
        [sys.executable, "-m", "imjoy_engine", *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "IMJOY_ENGINE_TOKEN": TOKEN},
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        ready = next(event for event in map(json.loads, process.stdout) if event["event"] != "progress")
        yield EngineClient(ready["url"], TOKEN)
        process.stdin.close()
        process.wait(30)


async def _start(client: EngineClient, name: str) -> float:
    before = time.perf_counter()
    plugin = await client.start_plugin(source=SOURCE, file="bench.imjoy.html", env=name)
    async with await client.connect(plugin["id"], {}, timeout=300) as connection:
        await connection.call("answer")
        return time.perf_counter() - before


def _find(rounds: int, home: Path) -> float:
    """Return the seconds that `imjoy env find` takes where there are as many environments as one may have."""
    for number in range(ENVIRONMENTS // 2):
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(home / "venvs" / f"mine-{number}")],
            check=True,
        )
        prefix = home / "miniforge3" / "envs" / f"conda-{number}"
        (prefix / "bin").mkdir(parents=True)
        (prefix / "conda-meta").mkdir()
        for package in ("python-3.12.1-h1_0", "numpy-2.1.0-py312_0", "pytorch-2.5.0-py312_0"):
            (prefix / "conda-meta" / f"{package}.json").touch()
        (prefix / "bin" / "python").symlink_to(sys.executable)
    environ = {**os.environ, "HOME": str(home), "USERPROFILE": str(home), "PYENV_ROOT": str(home / ".pyenv")}
    samples = []
    for _ in range(rounds):
        before = time.perf_counter()
        command = [sys.executable, "-m", "imjoy", "env", "find", "--json"]
        found = subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=True
        )
        samples.append(time.perf_counter() - before)
        assert len(json.loads(found.stdout)["found"]) >= ENVIRONMENTS
    return statistics.median(samples)


def main() -> None:
    """Print the rows as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imjoy-bench-") as folder:
        for row in measure_yours(options.rounds, Path(folder)):
            sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
