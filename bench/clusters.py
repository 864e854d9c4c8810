"""How fast plugins are on a cluster, beside plugins on the engine's own machine.

The clusters are a SLURM of three nodes (``tests/kit/slurm.py``) and a Dask of three workers, all on this machine.
``python bench/clusters.py`` measures these alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imjoy.model.project import ALLOCATOR_VARIABLES
from imjoy_engine.environments.store.store import EnvironmentStore
from imjoy_engine.terminal.client import Connection, EngineClient

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.kit import slurm as kit

ECHO_CALLS = 500
BIG_BYTES = 64 << 20
MANY = 50
# When a job begins is a matter of luck, of up to a second: the more samples, the less of it.
SLURM_STARTS = 4
DASK_WORKERS, DASK_THREADS = 3, 20
READY_SECONDS = 60.0
PLUGIN = """<config lang="json">
{"name": "NAME", "type": "native-python", "version": "1", "api_version": "0.1.8"}
</config>
<script lang="python">
class Plugin:
    echo = staticmethod(lambda value: value)

api.export(Plugin())
</script>
"""
Samples = dict[str, dict[str, list[float]]]


@dataclass
class Side:
    """An engine, and where its plugins run."""

    name: str
    client: EngineClient


def measure_clusters(rounds: int) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the rows about clusters, and what could not be measured with the reason."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="imjoy-bench-")))
        asyncio.run(
            EnvironmentStore(folder / "environments", freeze=False).prepare_default(lambda progress: None)
        )
        missing = {}
        cluster = None
        try:
            cluster = stack.enter_context(slurm())
            # All sides are on the login node, as only from there it can be reached.
            stack.enter_context(cluster.login())
        except kit.NoSlurm as error:
            missing["plugins on SLURM"] = str(error)
        sides = [stack.enter_context(engine(folder, "local"))]
        if cluster is not None:
            there = f'host = "{cluster.host}"\n[default]\nmemory = "2 GB"\n'
            sides.append(stack.enter_context(engine(folder, "SLURM", there, cluster.environ, "slurm")))
        file = stack.enter_context(dask(folder))
        here = 'host = "127.0.0.1"\n'
        sides.append(stack.enter_context(engine(folder, "Dask", here, {}, f"dask={file}")))
        samples: Samples = defaultdict(lambda: defaultdict(list))
        for number in range(rounds + 1):
            for side in sides:
                # The controller does some things once a second: no sample shall begin just after the one before.
                time.sleep(random.random())
                print(f"clusters, round {number}: {side.name}", file=sys.stderr, flush=True)
                asyncio.run(_measure(side, samples, many=side.name != "SLURM"))
            if cluster is not None:
                for start in range(SLURM_STARTS):
                    time.sleep(random.random())
                    samples["sbatch"]["SLURM"].append(_sbatch(cluster, folder / f"ran-{number}-{start}"))
                    time.sleep(random.random())
                    asyncio.run(_start_and_end(sides[1], samples))
        return list(_rows(samples)), missing


def _rows(samples: Samples) -> Iterator[dict[str, Any]]:
    # What the first round finds cold is not counted.
    median = {
        figure: {side: statistics.median(taken[1:]) for side, taken in of_sides.items()}
        for figure, of_sides in samples.items()
    }
    starts = median["start to first call"]
    if "SLURM" in starts:
        beyond = starts["SLURM"] - median["sbatch"]["SLURM"]
        figure = "SLURM: start to first call, beyond sbatch to a running job"
        yield {"figure": figure, "value": beyond, "unit": "s", "limit": 1.0}
    limits = {
        "start to first call": 3.0,
        "echo p50": 1.3,
        "64 MiB there and back": 1.3,
        f"{MANY} plugins": 3.0,
    }
    for figure, limit in limits.items():
        for side, value in median[figure].items():
            if side == "local" or (side == "SLURM" and limit == 3.0):
                continue
            yield {
                "figure": f"{side}: {figure}",
                "value": value,
                "unit": "s",
                "ratio": value / median[figure]["local"],
                "against": "local",
                "limit": limit,
            }


async def _start(side: Side, samples: Samples) -> Connection:
    began = time.perf_counter()
    connection = await _open(side, "One")
    samples["start to first call"][side.name].append(time.perf_counter() - began)
    return connection


async def _start_and_end(side: Side, samples: Samples) -> None:
    await (await _start(side, samples)).close()


async def _measure(side: Side, samples: Samples, *, many: bool) -> None:
    async with await _start(side, samples) as connection:
        calls = [await _timed(connection, 1) for _ in range(ECHO_CALLS)]
        samples["echo p50"][side.name].append(statistics.median(calls))
        big = b"x" * BIG_BYTES
        samples["64 MiB there and back"][side.name].append(
            statistics.median([await _timed(connection, big) for _ in range(3)])
        )
    if many:
        began = time.perf_counter()
        async with contextlib.AsyncExitStack() as stack:
            opened = await asyncio.gather(*(_open(side, f"Plugin {number}") for number in range(MANY)))
            samples[f"{MANY} plugins"][side.name].append(time.perf_counter() - began)
            for each in opened:
                await stack.enter_async_context(each)


async def _open(side: Side, name: str) -> Connection:
    plugin = await side.client.start_plugin(source=PLUGIN.replace("NAME", name), file="bench.imjoy.html")
    connection = await side.client.connect(plugin["id"], {}, timeout=300)
    await connection.call("echo", 0)
    return connection


async def _timed(connection: Connection, value: object) -> float:
    began = time.perf_counter()
    await connection.call("echo", value)
    return time.perf_counter() - began


def _sbatch(cluster: kit.Slurm, mark: Path) -> float:
    began = time.perf_counter()
    cluster.run("sbatch", "--output=/dev/null", f"--wrap=: >{mark}")
    while not mark.exists():
        time.sleep(0.005)
    return time.perf_counter() - began


@contextlib.contextmanager
def slurm() -> Iterator[kit.Slurm]:
    """Run a SLURM. Raises ``kit.NoSlurm``."""
    if reason := kit.why_not():
        raise kit.NoSlurm(reason)
    with kit.slurm() as cluster:
        yield cluster


@contextlib.contextmanager
def dask(folder: Path) -> Iterator[Path]:
    """Run a scheduler and three workers on this machine; yield the scheduler's file."""
    file = folder / "scheduler.json"
    common = ["--no-dashboard", "--scheduler-file", str(file), "--host", "127.0.0.1"]
    threads = ["--nthreads", str(DASK_THREADS), "--nworkers", "1", "--no-nanny"]
    commands = [["dask_scheduler", "--port", "0", *common]]
    commands += [["dask_worker", *threads, *common] for _ in range(DASK_WORKERS)]
    with contextlib.ExitStack() as stack:
        for words in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{words[0]}", *words[1:]],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd=folder,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            deadline = time.monotonic() + READY_SECONDS
            while not file.exists():
                if time.monotonic() > deadline:
                    raise TimeoutError("Dask's scheduler does not come up")
                time.sleep(0.05)
        yield file


@contextlib.contextmanager
def engine(
    folder: Path, name: str, cluster_toml: str = "", environ: dict[str, str] | None = None, cluster: str = ""
) -> Iterator[Side]:
    """Run an engine that shares the environments in ``folder``."""
    workspace = folder / name
    (workspace / ".imjoy").mkdir(parents=True, mode=0o700)
    (workspace / ".imjoy" / "environments").symlink_to(folder / "environments")
    (workspace / ".imjoy" / "cluster.toml").write_text(cluster_toml)
    words = ["serve", "--port", "0", "--workspace", str(workspace), "--lifeline"]
    words += ["--cluster", cluster] if cluster else []
    process = subprocess.Popen(
        [sys.executable, "-m", "imjoy_engine", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # As ``imjoy start`` has it.
        env={**ALLOCATOR_VARIABLES, **os.environ, **(environ or {})},
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        if ready["event"] != "ready":
            raise RuntimeError(f"{name}: {ready}")
        token = Path(ready["token_file"]).read_text(encoding="utf-8").strip()
        yield Side(name, EngineClient(ready["url"], token))
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    found, not_measured = measure_clusters(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    for row in found:
        print(json.dumps(row))
    for what, why in not_measured.items():
        print(f"Not measured: {what}: {why}")
