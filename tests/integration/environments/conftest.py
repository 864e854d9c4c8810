"""Packages to install, a conda channel, an index that never answers, and a second process that builds."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BUILDER_SCRIPT = """
import asyncio, sys
from pathlib import Path
from imjoy_engine.environments.builders import venv_env
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.environments.store.store import EnvironmentStore

real_build = venv_env.build_venv

async def counted_build(*args, **kwargs):
    print("BUILD", flush=True)
    await real_build(*args, **kwargs)

venv_env.build_venv = counted_build

async def main():
    store = EnvironmentStore(Path(sys.argv[1]), freeze=False)
    report = lambda progress: print("PROGRESS", progress.text, flush=True)
    print("READY", await store.ensure(EnvironmentSpec(None, tuple(sys.argv[2:])), report), flush=True)

asyncio.run(main())
"""


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes a wheel to where pip is configured to look, and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    def write_wheel(name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> Path:
        info = f"{name}-{version}.dist-info"
        metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"]
        metadata += [f"Requires-Dist: {requirement}\n" for requirement in requires]
        path = folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{name}.py", f"version = {version!r}\n")
            wheel.writestr(f"{info}/METADATA", "".join(metadata))
            wheel.writestr(
                f"{info}/WHEEL",
                "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            )
            wheel.writestr(
                f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
            )
        return path

    return write_wheel


@pytest.fixture
def silent_index(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """An index, configured for pip, that takes connections and never answers: a build that lasts."""
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://me:hunter2@127.0.0.1:{server.getsockname()[1]}/simple")
        yield server


@pytest.fixture
def start_builder(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that starts another process with a store of its own; it tells what it does by lines."""
    started: list[subprocess.Popen[str]] = []
    script = tmp_path / "builder.py"
    script.write_text(BUILDER_SCRIPT)

    def start(root: Path, *requirements: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(script), str(root), *requirements],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def pyenv(version: str) -> Path:
    return Path(os.environ["PYENV_ROOT"]) / "versions" / version
