"""Packages to install, a conda channel, an index that never answers, and a second process that builds."""

from __future__ import annotations

import functools
import http.server
import os
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conda_channel import CondaChannel

BUILDER_SCRIPT = """
import asyncio, sys
from pathlib import Path
from imjoy_engine.environments import venv_env
from imjoy_engine.environments.spec import EnvironmentSpec
from imjoy_engine.environments.store import EnvironmentStore

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


class Served(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, for :class:`ChannelServer`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path.endswith(".conda") and self.server.stall.is_set():  # type: ignore[attr-defined]
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"x" * 1000)
            self.wfile.flush()
            self.server.stalled.set()  # type: ignore[attr-defined]
            self.server.closing.wait(30)  # type: ignore[attr-defined]
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class ChannelServer(http.server.ThreadingHTTPServer):
    """A channel over http on loopback. While ``stall`` is set, packages are begun and never ended."""

    daemon_threads = True

    def __init__(self, channel: CondaChannel) -> None:
        super().__init__(("127.0.0.1", 0), functools.partial(Served, directory=str(channel.folder)))
        self.channel = channel
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.stall = threading.Event()
        self.stalled = threading.Event()
        self.closing = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that was killed is no error of ours."""


PYTHONS = ("3.6.15", "3.8.18", "3.11.7")


def pyenv(version: str) -> Path:
    return Path(os.environ["PYENV_ROOT"]) / "versions" / version


@pytest.fixture(scope="session")
def conda_channel(tmp_path_factory: pytest.TempPathFactory) -> CondaChannel:
    """A channel of real packages: interpreters, a few modules."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    channel = CondaChannel(tmp_path_factory.mktemp("channel"))
    found = [version for version in PYTHONS if (root / version / "bin" / "python").exists()]
    if not found:
        pytest.skip(f"no Python of pyenv to make conda packages of ({', '.join(PYTHONS)})")
    for version in found:
        channel.add_python(root / version, version)
    channel.add_module("small", "1.0")
    channel.add_module("small", "2.0")
    channel.add_module("middle", depends=("python", "small <2"))
    channel.add_module("modern", depends=("python >=3.8", "small >=2"))
    return channel


@pytest.fixture(scope="session")
def conda_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package cache that all tests share, as a person's plugins do."""
    return tmp_path_factory.mktemp("pkgs")


@pytest.fixture
def channel(
    conda_channel: CondaChannel, conda_packages: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[ChannelServer]:
    """The channel over http; conda-forge is there too, for whoever does not name one."""
    with ChannelServer(conda_channel) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("CONDA_CHANNEL_ALIAS", server.url)
        monkeypatch.setenv("CONDA_PKGS_DIRS", str(conda_packages))
        monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "rattler"))
        link = conda_channel.folder / "conda-forge"
        if not link.exists():
            link.symlink_to(conda_channel.folder)
        yield server
        server.closing.set()
        server.shutdown()
        thread.join(10)
