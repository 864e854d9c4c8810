"""What an engine pays for clusters that it does not use: beside the same one from which their modules were taken.

That it starts without them shows that nothing of them is imported. What a start costs is its CPU: how long it takes
depends on what else the machine does by more than what is looked for. ``python bench/without.py`` measures this alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from clusters import engine

import imjoy_engine

CLUSTER_MODULES = (
    "cluster_check.py",
    "launchers/cluster.py",
    "launchers/cluster_settings.py",
    "launchers/dask.py",
    "launchers/shared_folder.py",
    "launchers/slurm.py",
    "launchers/slurm_steps.py",
    "web/routes/nodes.py",
    "worker/node.py",
)
SETTLE_SECONDS = 1.0
LIMIT = 1.02
UNITS = {"start": "s", "CPU of a start and a stop": "s", "idle memory": "MiB"}
LIMITED = ("CPU of a start and a stop", "idle memory")


def measure_without(rounds: int) -> list[dict[str, Any]]:
    """Return the rows: start and idle memory, to those of an engine that has no cluster to use."""
    samples: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="imjoy-bench-") as made:
        folder = Path(made)
        (folder / "environments").mkdir()
        for side in ("with", "without"):
            package = folder / side / "imjoy_engine"
            shutil.copytree(Path(imjoy_engine.__file__).parent, package)
            for module in CLUSTER_MODULES if side == "without" else ():
                (package / module).unlink()
                for compiled in (package / module).parent.glob(f"__pycache__/{Path(module).stem}.*.pyc"):
                    compiled.unlink()
        for number in range(rounds + 1):
            for side in random.sample(("with", "without"), 2):
                print(f"without a cluster, round {number}: {side}", file=sys.stderr, flush=True)
                # Bytecode, as where it is installed: the first round, which is not counted, writes it.
                environ = {"PYTHONPATH": str(folder / side), "PYTHONDONTWRITEBYTECODE": ""}
                used, began = _cpu_of_children(), time.perf_counter()
                with engine(folder, f"{side}-{number}", environ=environ) as started:
                    seconds = time.perf_counter() - began
                    time.sleep(SETTLE_SECONDS)
                    memory = asyncio.run(started.client.request("GET", "/api/v1/status"))["memory"]
                if number:  # what the first round finds cold is not counted
                    samples["start", side].append(seconds)
                    samples["CPU of a start and a stop", side].append(_cpu_of_children() - used)
                    samples["idle memory", side].append(memory / (1 << 20))
    return [
        {
            "figure": f"without --cluster: {figure}",
            "value": statistics.median(samples[figure, "with"]),
            "unit": unit,
            "ratio": statistics.median(
                each / other
                for each, other in zip(samples[figure, "with"], samples[figure, "without"], strict=True)
            ),
            "against": "the same without the modules for clusters",
            **({"limit": LIMIT} if figure in LIMITED else {}),
        }
        for figure, unit in UNITS.items()
    ]


def _cpu_of_children() -> float:
    """Return the CPU seconds of the processes that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    for row in measure_without(int(sys.argv[1]) if len(sys.argv) > 1 else 20):
        print(json.dumps(row))
