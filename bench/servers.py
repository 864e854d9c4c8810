"""The sides that are measured: how each is installed, started, and asked."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from uv import find_uv_bin

from imjoy.model.project import ALLOCATOR_VARIABLES

ROOT = Path(__file__).resolve().parents[1]
SIDES = ROOT / "bench" / "sides"
THIS_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
TOKEN = "a-token-of-the-benchmark"
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
POLL_SECONDS = 0.002
SETTLE_SECONDS = 0.5


@dataclass(frozen=True)
class Side:
    """One program that is measured.

    ``serve`` makes the arguments after the interpreter from port and folder. A side without ``requirements`` runs in
    this interpreter. ``driver`` is its program in ``sides/``, run by this interpreter when it drives a browser; without
    one only the side's start is measured.
    """

    name: str
    serve: Callable[[int, Path], list[str]]
    driver: str = ""
    python: str = THIS_PYTHON
    requirements: tuple[str, ...] = ()
    venv: str = ""
    environ: dict[str, str] = field(default_factory=dict)
    path: str = "/"
    in_browser: bool = False


def _ours(port: int, folder: Path) -> list[str]:
    return ["-m", "imjoy", "start", "--no-open", "--port", str(port), "--workspace", str(folder)]


def _classic(*options: str) -> Callable[[int, Path], list[str]]:
    def serve(port: int, folder: Path) -> list[str]:
        words = ["-m", "imjoy", "--port", str(port), "--token", TOKEN, "--workspace", str(folder)]
        return [*words, *options]

    return serve


def _jupyter(port: int, folder: Path) -> list[str]:
    # Its own limits of 10 MiB a message and 1 MB/s would end the arrays.
    return [
        *("-m", "jupyter_server", "--no-browser", "--allow-root", f"--ServerApp.port={port}"),
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={folder}",
        '--ServerApp.tornado_settings={"websocket_max_message_size": 2147483648}',
        "--ZMQChannelsWebsocketConnection.limit_rate=False",
    ]


def _hypha(port: int, folder: Path) -> list[str]:
    return ["-m", "hypha.server", "--host=127.0.0.1", f"--port={port}"]


def _bare(port: int, folder: Path) -> list[str]:
    return [str(SIDES / "bare.py"), "serve", str(port)]


_CLASSIC = ("imjoy[engine]==0.8.22", "janus==0.4.0", "psutil", "numpy", "websockets")

OURS = Side(
    "imjoy",
    _ours,
    "ours.py",
    THIS_PYTHON,
    (str(ROOT), "numpy"),
    "imjoy",
    {"IMJOY_ENGINE_TOKEN": TOKEN},
    path="/healthz",
)
OURS_PAGE = replace(
    OURS,
    name="imjoy, Chromium",
    serve=lambda port, folder: [*_ours(port, folder), "--serve"],
    driver="ours_page.py",
    in_browser=True,
)
BARE = Side("bare echo", _bare, "bare.py")
BARE_PAGE = replace(BARE, name="bare echo, Chromium", driver="bare_page.py", in_browser=True)
PEERS = (
    # --freeze spares it half of its pip calls: one at its own start, one at each plugin's. It still has pip upgrade pip
    # at each start; after the first time that only asks the index, and its user waits for it.
    Side("ImJoy-Engine 0.8.22", _classic("--freeze"), "classic.py", "3.7", _CLASSIC, "classic"),
    Side(
        "jupyter_server",
        _jupyter,
        "jupyter.py",
        "3.11",
        ("jupyter_server", "ipykernel", "numpy", "websockets"),
        "jupyter",
        path="/api",
    ),
    Side(
        "hypha 0.21.137",
        _hypha,
        "hypha.py",
        "3.11",
        ("hypha==0.21.137", "sqlmodel==0.0.22", "sqlalchemy<2.1", "aiobotocore", "numpy"),
        "hypha",
        {
            "HYPHA_WS_MSG_RATE_LIMIT": "1000000",
            "HYPHA_WS_MSG_BURST_LIMIT": "1000000",
        },  # 200/s would end the arrays
        path="/health/liveness",
    ),
)
WITHOUT_PIP = Side("0.8.22 without pip", _classic("--freeze", "--dev"), "", "3.7", _CLASSIC, "classic")


class NotMeasured(Exception):
    """A side, or one figure of it, cannot be had; the text says why."""


def install(side: Side, venvs: Path) -> Path:
    """Return the interpreter of ``side``, made first where it is missing. Raises NotMeasured."""
    if not side.requirements:
        return Path(sys.executable)
    folder = venvs / side.venv
    python = folder / "bin" / "python"
    try:
        if not (folder / "complete").exists():
            _uv("venv", "--quiet", "--clear", "--seed", "--python", _interpreter(side.python), str(folder))
        elif side.venv != OURS.venv:
            return python
        # As its user has it: a wheel, with its bytecode.
        options = ("--quiet", "--compile-bytecode", "--reinstall-package", "imjoy")
        _uv("pip", "install", *options, "--python", str(python), *side.requirements)
    except subprocess.CalledProcessError as error:
        shutil.rmtree(folder, ignore_errors=True)
        why = (error.stderr or "uv failed").strip().splitlines()[0]
        raise NotMeasured(f"it cannot be installed: {why}") from error
    (folder / "complete").touch()
    return python


def _interpreter(version: str) -> str:
    """Return an interpreter of this version that runs, else the version: uv may know where to get one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    candidates: list[Path | str | None] = [
        *pyenv.glob(f"{version}.*/bin/python"),
        shutil.which(f"python{version}"),
    ]
    for candidate in candidates:
        if candidate is None:
            continue
        if subprocess.run([candidate, "-c", "pass"], check=False, stderr=subprocess.DEVNULL).returncode == 0:
            return str(candidate)
    return version


def _uv(*arguments: str) -> None:
    subprocess.run([find_uv_bin(), *arguments], check=True, text=True, stderr=subprocess.PIPE, timeout=600)


def free_port() -> int:
    """Return a port that nobody had a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A running side. ``ready_seconds`` is from its start to its first answer over HTTP."""

    def __init__(self, side: Side, python: Path, folder: Path) -> None:
        self.side = side
        self.python = python
        self.folder = folder
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._environ = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("PYTHON", "MALLOC_"))
            },
            **side.environ,
            "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]]),
        }
        self._log = (folder / "server.log").open("ab")
        before = time.perf_counter()
        self._process = subprocess.Popen(
            [str(python), *side.serve(port, folder)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=self._environ,
            cwd=folder,
            start_new_session=True,
        )
        self._wait(before + READY_SECONDS)
        self.ready_seconds = time.perf_counter() - before

    def _wait(self, deadline: float) -> None:
        while time.perf_counter() < deadline:
            try:
                self._knock()
                urllib.request.urlopen(self.url + self.side.path, timeout=READY_SECONDS).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(POLL_SECONDS)
        self.stop()
        raise NotMeasured(f"it was not ready within {READY_SECONDS:g} s")

    def _knock(self) -> None:
        """Raise OSError while nobody listens; an urlopen each time would keep a core busy that the side needs."""
        host, port = self.url.removeprefix("http://").split(":")
        socket.create_connection((host, int(port)), timeout=READY_SECONDS).close()

    def processes(self) -> list[psutil.Process]:
        """Return what the side consists of before it runs a plugin: what was started, and its engine if another."""
        top = psutil.Process(self._process.pid)
        return [top, *top.children(recursive=True)]

    def listener(self) -> psutil.Process:
        """Return the process that answers."""
        port = int(self.url.rpartition(":")[2])
        for process in self.processes():
            if any(
                each.laddr.port == port
                for each in process.net_connections()
                if each.status == psutil.CONN_LISTEN
            ):
                return process
        raise NotMeasured("nobody listens")

    def memory(self) -> tuple[int, int]:
        """Return, some time after the start, the listener's resident bytes, and the bytes that all together add."""
        time.sleep(SETTLE_SECONDS)
        added = sum(process.memory_full_info().pss for process in self.processes())
        return int(self.listener().memory_info().rss), int(added)

    def driver(self) -> DriverProcess:
        """Return a client of this server."""
        environ = {
            **self._environ,
            "BENCH_URL": self.url,
            "BENCH_TOKEN": TOKEN,
            "BENCH_FOLDER": str(self.folder),
            "PYTHONPATH": str(SIDES),
        }
        if self.side in (OURS, OURS_PAGE):
            environ.update(ALLOCATOR_VARIABLES)  # as `imjoy run` has them
        python = sys.executable if self.side.in_browser else str(self.python)
        return DriverProcess([python, str(SIDES / self.side.driver)], environ, self._log)

    def stop(self) -> None:
        """End it with all that it started."""
        family = self.processes() if self._process.poll() is None else []
        self._process.terminate()
        _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
        for process in left:
            process.kill()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


class DriverProcess:
    """A client in a process and interpreter of its own (``sides/driver.py``)."""

    def __init__(self, command: Sequence[str], environ: dict[str, str], log: Any) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environ,
            start_new_session=True,
        )

    def ask(self, do: str, seconds: float = 120.0, **arguments: object) -> list[float]:
        """Return the samples that ``do`` took. Raises NotMeasured; the driver is of no use after that."""
        assert self._process.stdin is not None and self._process.stdout is not None
        too_late = threading.Timer(seconds, self._kill)
        too_late.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        finally:
            too_late.cancel()
        answer = json.loads(line or '{"error": "no answer in time"}')
        if "error" in answer:
            raise NotMeasured(answer["error"])
        samples: list[float] = answer["seconds"]
        return samples

    def end(self) -> None:
        """End it, whatever it does, with the plugin or the browser that it started."""
        self._kill()
        self._process.communicate()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


class Peak(threading.Thread):
    """Watches a process's memory until ``result`` is asked for."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._done = threading.Event()
        self._bytes = 0
        self.start()

    def run(self) -> None:
        while not self._done.wait(0.02):
            self._bytes = max(self._bytes, self._process.memory_info().rss)

    def result(self) -> int:
        """Return the most bytes that were resident."""
        self._done.set()
        self.join()
        return self._bytes
