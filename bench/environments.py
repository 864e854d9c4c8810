"""How fast environments are made: beside bare py-rattler, and beside ``venv`` with pip.

The conda channel is made on this machine and served on loopback; the pip index is the one that pip is configured to
use. Everything is warm: each side has made the same environment once before.
"""

from __future__ import annotations

import asyncio
import functools
import http.server
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from imjoy_engine.environments.specs.spec import BASE_REQUIREMENTS, EnvironmentSpec
from imjoy_engine.environments.store.store import EnvironmentStore

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.kit.channel import CondaChannel

PIP_PACKAGES = ("matplotlib", "numpy", "scikit-image")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def served_channel(folder: Path) -> Iterator[str]:
    """Make a channel with this interpreter, numpy and pip; yield its url."""
    channel = CondaChannel(folder)
    channel.add_python(Path(sys.base_prefix), ".".join(map(str, sys.version_info[:3])))
    short = f"{sys.version_info[0]}.{sys.version_info[1]}"
    site = Path(sysconfig.get_path("purelib"))
    for name in ("numpy", "pip"):
        files = {
            f"lib/python{short}/site-packages/{path.relative_to(site)}": path
            for top in (*site.glob(name), *site.glob(f"{name}.libs"), *site.glob(f"{name}-*.dist-info"))
            for path in top.rglob("*")
            if path.is_file()
        }
        channel.add(name, version(name), files, depends=(f"python {short}.*",))
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def measure_environments(rounds: int, folder: Path) -> list[dict[str, Any]]:
    """Return the rows about environments; ``folder`` is a place for them."""
    with served_channel(folder / "channel") as url:
        conda = asyncio.run(_measure_conda(rounds, folder, url))
    return [*conda, *asyncio.run(_measure_pip(rounds, folder))]


async def _measure_conda(rounds: int, folder: Path, url: str) -> list[dict[str, Any]]:
    import rattler

    os.environ["CONDA_PKGS_DIRS"] = str(folder / "pkgs")
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    spec = EnvironmentSpec(python, tuple(sorted(BASE_REQUIREMENTS)), channels=(url,), conda=("numpy", "pip"))
    store = EnvironmentStore(folder / "environments", freeze=False)

    async def bare() -> None:
        records = await rattler.solve(
            [rattler.Channel(url)],
            [f"python={python}", "numpy", "pip"],
            gateway=rattler.Gateway(),
            virtual_packages=rattler.VirtualPackage.detect(),
        )
        await rattler.install(records, folder / "bare", cache_dir=folder / "pkgs", show_progress=False)

    async def ours() -> None:
        await store.ensure(spec, lambda progress: None)

    ours_seconds, bare_seconds = [], []
    for _ in range(rounds + 1):
        _clear(folder / "bare", store.prefix(spec))
        bare_seconds.append(await _timed(bare))
        ours_seconds.append(await _timed(ours))
    ready = [await _timed(ours) for _ in range(20)]
    return [
        _row("conda environment, warm", ours_seconds[1:], "bare py-rattler", bare_seconds[1:], 2.0),
        {"figure": "a built environment adds", "value": statistics.median(ready) * 1000, "unit": "ms"},
    ]


async def _measure_pip(rounds: int, folder: Path) -> list[dict[str, Any]]:
    spec = EnvironmentSpec(None, tuple(sorted({*BASE_REQUIREMENTS, *PIP_PACKAGES})))
    store = EnvironmentStore(folder / "environments", freeze=False)
    plain = folder / "plain"

    async def ours() -> None:
        await store.ensure(spec, lambda progress: None)

    async def venv_and_pip() -> None:
        make = [sys.executable, "-m", "venv", str(plain)]
        await asyncio.to_thread(subprocess.check_call, make)
        pip = [str(plain / "bin" / "python"), "-m", "pip", "install", "--quiet", *spec.requirements]
        await asyncio.to_thread(subprocess.check_call, pip, stderr=subprocess.DEVNULL)

    ours_seconds, pip_seconds = [], []
    for _ in range(max(2, rounds // 3) + 1):
        _clear(plain, store.prefix(spec))
        pip_seconds.append(await _timed(venv_and_pip))
        ours_seconds.append(await _timed(ours))
    return [_row("pip environment, warm", ours_seconds[1:], "venv and pip", pip_seconds[1:], 0.2)]


async def _timed(act: Any) -> float:
    before = time.perf_counter()
    await act()
    return time.perf_counter() - before


def _clear(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _row(figure: str, ours: list[float], against: str, other: list[float], limit: float) -> dict[str, Any]:
    value, compared = statistics.median(ours), statistics.median(other)
    return {
        "figure": figure,
        "value": value * 1000,
        "unit": "ms",
        "ratio": value / compared,
        "against": against,
        "limit": limit,
    }
