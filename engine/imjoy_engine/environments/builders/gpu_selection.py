"""Chooses a GPU that is free, for ``{"type": "gputil"}``."""

from __future__ import annotations

import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imjoy_engine.environments.specs.spec import GpuRequest, this_platform
from imjoy_engine.processes.guarded_process import run_guarded

LOOK_SECONDS = 15.0
VARIABLE = "CUDA_VISIBLE_DEVICES"
_QUERY = ("--query-gpu=index,utilization.gpu,memory.used,memory.total", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Gpu:
    """One GPU, and how much of it (0 to 1) is in use."""

    index: int
    load: float
    memory: float


async def choose_gpus(request: GpuRequest, environ: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """Return the variables that show the plugin the chosen GPUs alone, and a note about them."""
    if environ.get(VARIABLE):
        return {}, f"{VARIABLE} is set already ({environ[VARIABLE]}); the plugin gets those GPUs."
    command = shutil.which("nvidia-smi", path=environ.get("PATH"))
    if command is None and this_platform() == "osx-arm64":
        return {}, "The plugin asks for a GPU: it finds the one of this Mac as Metal (MPS), not as CUDA."
    if command is None:
        return {}, "The plugin asks for a GPU, and no NVIDIA driver is here: it runs without."
    lines: list[str] = []
    code = await run_guarded([command, *_QUERY], dict(environ), lines.append, seconds=LOOK_SECONDS)
    chosen = choose(parse(lines) if code == 0 else [], request)
    if not chosen:
        return {}, "The plugin asks for a GPU, and none is free: it sees them all."
    names = ",".join(str(gpu.index) for gpu in chosen)
    return {VARIABLE: names, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, f"The plugin gets GPU {names}."


def parse(lines: Sequence[str]) -> list[Gpu]:
    """Read what ``nvidia-smi`` writes; a GPU that does not tell its load counts as idle."""
    found = []
    for line in lines:
        fields = [field.strip() for field in line.split(",")]
        if len(fields) == 4 and fields[0].isdigit():
            load, used, total = (
                float(field) if field.replace(".", "", 1).isdigit() else 0.0 for field in fields[1:]
            )
            found.append(Gpu(int(fields[0]), load / 100, used / total if total else 0.0))
    return found


def choose(gpus: Sequence[Gpu], request: GpuRequest) -> list[Gpu]:
    """Return at most ``request.limit`` free GPUs, in the order that it names."""
    free = [gpu for gpu in gpus if gpu.load <= request.max_load and gpu.memory <= request.max_memory]
    if request.order == "random":
        random.shuffle(free)
    elif request.order == "last":
        free.reverse()
    elif request.order in ("load", "memory"):
        free.sort(key=lambda gpu: gpu.load if request.order == "load" else gpu.memory)
    return free[: request.limit]
