"""Plugins as tasks of a real Dask cluster, whose workers have another Python than the engine."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.kit.old_hosts import interpreter

from imjoy.model.errors import ImJoyError

from .conftest import ROOT, RunningEngine, StartEngine, plugin_source

Play = Callable[[Any], Any]
START_SECONDS = 60
THREADS = 2
PLUGIN = """
import os, sys

class Plugin:
    echo = staticmethod(lambda value: value)
    environment = staticmethod(lambda: dict(os.environ))
    pid = staticmethod(os.getpid)

    def leave(self, code):
        print("good bye", flush=True)
        os._exit(code)

api.export(Plugin())
"""


@dataclass
class Cluster:
    """A scheduler on this machine, and one worker."""

    address: str
    file: Path
    scheduler: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]
    python: Path
    folder: Path


def run_dask(python: Path, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    log = (folder / f"{words[0]}.log").open("ab")
    with log:
        return subprocess.Popen(
            [str(python), "-m", "distributed.cli." + words[0], *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            start_new_session=True,
            env={**os.environ, "DASK_TEMPORARY_DIRECTORY": str(folder), "TMPDIR": str(folder)},
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process of Dask's with its nanny's children."""
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        for each in [psutil.Process(process.pid), *children]:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(children, timeout=10)
    process.wait()


@pytest.fixture(scope="module")
def dask_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python of another minor version with Dask, and nothing of ours."""
    other = interpreter("3.12")
    folder = tmp_path_factory.mktemp("dask") / "venv"
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", str(other), str(folder)], check=True)
    python = folder / "bin" / "python"
    wanted = f"distributed=={version('distributed')}"
    done = subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", str(python), wanted],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no distributed from the package index: {done.stderr[-300:]}")
    return python


@pytest.fixture(scope="module")
def cluster(dask_python: Path) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="dask-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        file = folder / "scheduler.json"
        here = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        scheduler = run_dask(Path(sys.executable), folder, "dask_scheduler", *here)
        worker = None
        try:
            wait_until(lambda: file.exists() and file.read_text().strip().endswith("}"), folder)
            address = json.loads(file.read_text())["address"]
            worker = begin_worker(dask_python, folder, file)
            wait_until(lambda: "Registered to" in (folder / "dask_worker.log").read_text(), folder)
            yield Cluster(address, file, scheduler, worker, dask_python, folder)
        finally:
            for process in filter(None, (worker, scheduler)):
                end(process)


def wait_until(true: Callable[[], bool], folder: Path) -> None:
    """Wait for the processes that write their logs to ``folder``."""
    deadline = time.monotonic() + START_SECONDS
    while not true():
        logs = {log.name: log.read_text() for log in folder.glob("*.log")}
        assert time.monotonic() < deadline, logs
        time.sleep(0.05)


def begin_worker(python: Path, folder: Path, file: Path, *options: str) -> subprocess.Popen[bytes]:
    threads = ("--nthreads", str(THREADS), "--nworkers", "1", "--no-dashboard", "--scheduler-file", str(file))
    return run_dask(python, folder, "dask_worker", *threads, "--host", "127.0.0.1", *options)


@pytest.fixture
def start(
    cluster: Cluster, start_engine: StartEngine, workspace: Path
) -> Iterator[Callable[..., RunningEngine]]:
    """Start engines whose plugins run on that Dask; nothing of their jobs may be left."""

    def begin(*options: str, settings: str = "") -> RunningEngine:
        (workspace / ".imjoy" / "cluster.toml").write_text(f'host = "127.0.0.1"\n{settings}\n')
        return start_engine("--cluster", f"dask={cluster.file}", *options)

    yield begin
    deadline = time.monotonic() + 20
    while left := list(cluster.folder.glob("imjoy-job-*")):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_plugin_runs_under_a_worker_of_another_python_and_ends_with_it(
    start: Callable[..., RunningEngine], cluster: Cluster, play: Play
) -> None:
    engine = start()

    async def scenario() -> tuple[dict[str, Any], int]:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            pid = await connection.call("pid")
            above = [each.pid for each in psutil.Process(pid).parents()]
            assert cluster.worker.pid in above
            value = {"bytes": b"x" * (3 << 20), "text": "ümlaut"}
            back = await connection.call("echo", value)
            assert (bytes(back["bytes"]), back["text"]) == (value["bytes"], value["text"])
            environment = await connection.call("environment")
            assert [name for name in environment if "IMJOY" in name] == ["IMJOY_WORKER_CERTIFICATE"]
            shown = await engine.client.request("GET", f"/api/v1/plugins/{plugin['id']}")
            assert (shown["place"]["cluster"], shown["place"]["state"]) == ("Dask", "RUNNING")
            await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
            return await engine.final(plugin["id"]), pid

    plugin, pid = play(scenario())
    assert (plugin["state"], plugin["error"]) == ("exited", None)
    assert gone(pid)


def test_a_plugin_that_exits_is_reported_with_its_exit_code(
    start: Callable[..., RunningEngine], play: Play
) -> None:
    engine = start()

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            with pytest.raises(ImJoyError):
                await connection.call("leave", 7)
            return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["exit_code"], plugin["error"]["id"]) == ("failed", 7, "plugin.died")
    assert "good bye" in plugin["error"]["output"]


def test_a_plugin_for_which_no_worker_is_free_waits_and_can_be_stopped(
    start: Callable[..., RunningEngine], play: Play
) -> None:
    engine = start()

    async def scenario() -> None:
        taken = [await engine.open(PLUGIN, name=f"Plugin {number}") for number in range(THREADS)]
        plugin = await engine.start(PLUGIN, name="One too many")
        async for kind, data in engine.client.events(plugin["id"]):
            if kind == "log" and "no worker has taken it" in data["text"]:
                break
        await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
        assert (await engine.final(plugin["id"]))["state"] == "exited"
        # With room again, the next one runs.
        for connection in taken:
            await connection.close()
        async with await engine.open(PLUGIN, name="The next") as connection:
            assert await connection.call("echo", 1) == 1

    play(scenario())


def test_an_engine_that_is_killed_leaves_nothing_on_workers(
    start: Callable[..., RunningEngine], play: Play
) -> None:
    engine = start()

    async def scenario() -> int:
        connection = await engine.open(PLUGIN)
        pid = int(await connection.call("pid"))
        os.kill(engine.process.pid, signal.SIGKILL)
        engine.process.wait()
        await connection.wait_ended()
        await connection.close()
        return pid

    assert gone(play(scenario()))


def test_a_job_that_does_not_come_to_its_worker_says_why(
    start: Callable[..., RunningEngine], play: Play
) -> None:
    # As it ends where the engine's environments are not seen.
    engine = start(settings='prologue = "exit 66"')

    async def scenario() -> dict[str, Any]:
        return await engine.final((await engine.start(PLUGIN))["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.not-started")
    assert "interpreter is not there on the node" in plugin["error"]["why"]


def test_a_node_of_which_nothing_is_heard_is_told_and_ends_all_by_itself(
    start: Callable[..., RunningEngine], play: Play
) -> None:
    engine = start()

    async def scenario() -> tuple[dict[str, Any], int]:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            pid = int(await connection.call("pid"))
            node = psutil.Process(pid).parents()[1]
            node.suspend()
            try:
                return await engine.final(plugin["id"]), pid
            finally:
                node.resume()

    plugin, pid = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.lost")
    assert "for 10 s" in plugin["error"]["what"]
    assert gone(pid)


def test_the_page_s_lines_about_dask_are_followed_word_by_word(workspace: Path, tmp_path: Path) -> None:
    dask = Path(sys.executable).parent / "dask"
    if not dask.exists():
        pytest.skip("the command dask is not installed")
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    block = page.split("## Dask")[1].split("```")[1]
    install, scheduler, worker, start = (line.split("   ")[0].strip() for line in block.strip().splitlines())
    assert install == "pip install 'imjoy[dask]'"
    assert "dask" in (metadata("imjoy").get_all("Provides-Extra") or [])
    assert "--resources GPU=1" in block
    (workspace / ".imjoy" / "cluster.toml").write_text('host = "127.0.0.1"\n')
    own_environ = {**os.environ, "HOME": str(tmp_path), "DASK_TEMPORARY_DIRECTORY": str(tmp_path)}
    file = tmp_path / "Plugin.imjoy.html"
    body = "import os\napi.export({'setup': lambda: None, 'run': lambda ctx: os.getpid()})"
    file.write_text(plugin_source(body, resources={"gpus": 1}))

    def words(line: str, *more: str) -> list[str]:
        program, *rest = shlex.split(line.replace("~", str(tmp_path)).replace("$HOME", str(tmp_path)))
        mine = {"dask": [str(dask)], "imjoy": [sys.executable, "-m", "imjoy"]}
        return [*mine[program], *rest, *more]

    def type_in(line: str, *more: str) -> str:
        command = words(line, *more, "--json", "--workspace", str(workspace))
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            env=own_environ,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # Beside others of this machine, and not for its network.
    here = ("--host", "127.0.0.1", "--no-dashboard")
    with ExitStack() as held:

        def begin(line: str, *more: str) -> None:
            log = held.enter_context((tmp_path / f"{line.split()[1]}.log").open("wb"))
            process = subprocess.Popen(
                words(line, *here, *more), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=own_environ
            )
            held.callback(end, process)

        begin(scheduler, "--port", "0")
        begin(worker, "--resources", "GPU=1")
        address = tmp_path / "scheduler.json"
        wait_until(lambda: address.exists() and address.read_text().strip().endswith("}"), tmp_path)
        type_in(start.split(" or ")[0], "--port", "0", "--detach")
        try:
            ran = [json.loads(line) for line in type_in("imjoy run", str(file)).splitlines()]
        finally:
            type_in("imjoy stop")
    assert [event["value"] > 0 for event in ran if event["event"] == "result"] == [True], ran
    assert "Dask job imjoy-" in json.dumps(ran)


def cancel_from_outside(cluster: Cluster, key: str) -> None:
    """Cancel a task as somebody else does."""
    code = (
        "import sys, distributed\n"
        "with distributed.Client(sys.argv[1]) as other:\n"
        "    other.cancel([distributed.Future(sys.argv[2], other)], force=True)\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, cluster.address, key], timeout=60, check=True, capture_output=True
    )


@pytest.mark.parametrize("runs", [True, False], ids=["one that runs", "one that waits"])
def test_a_task_that_somebody_cancels_is_named_and_its_process_ends(
    start: Callable[..., RunningEngine], cluster: Cluster, play: Play, runs: bool
) -> None:
    engine = start()

    async def scenario() -> None:
        # No worker has a GPU.
        plugin = await engine.start(PLUGIN, resources={} if runs else {"gpus": 1})
        connection = await engine.client.connect(plugin["id"], {}, timeout=60) if runs else None
        async for kind, data in engine.client.events(plugin["id"]):
            if kind == "state" and data["place"] and (data["state"] == "ready" or not runs):
                break
        await asyncio.to_thread(cancel_from_outside, cluster, data["place"]["job"])
        ended = await engine.final(plugin["id"])
        assert (ended["state"], ended["error"]["id"]) == ("failed", "cluster.cancelled")
        if connection is not None:
            assert gone(ended["pid"])
            await connection.close()

    play(scenario())


def test_a_worker_that_dies_takes_no_plugin_with_it_and_its_task_is_not_run_twice(
    start: Callable[..., RunningEngine], cluster: Cluster, play: Play
) -> None:
    engine = start()
    lonely = begin_worker(cluster.python, cluster.folder, cluster.file, "--resources", "GPU=1")

    async def scenario() -> None:
        plugin = await engine.start(PLUGIN, resources={"gpus": 1})
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            pid = await connection.call("pid")
            above = psutil.Process(pid).parents()
            dask = next(each for each in above if each.ppid() == lonely.pid)
            dask.kill()
            # Its nanny starts another, which runs the task again; that one's secret is spent.
            await asyncio.to_thread(psutil.wait_procs, [dask], timeout=20)
            deadline = time.monotonic() + 30
            while "[auth.worker]" not in engine.log():
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            while len(list(cluster.folder.glob("imjoy-job-*"))) > 1:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            assert await connection.call("pid") == pid
            shown = await engine.client.request("GET", f"/api/v1/plugins/{plugin['id']}")
            assert shown["state"] == "ready"

    try:
        play(scenario())
    finally:
        end(lonely)


def failing(workspace: Path, *options: str) -> dict[str, Any]:
    (workspace / ".imjoy" / "cluster.toml").write_text('host = "127.0.0.1"\n')
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "imjoy_engine",
            "serve",
            "--port",
            "0",
            "--workspace",
            str(workspace),
            *options,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    failed = json.loads(done.stdout.splitlines()[-1])
    assert failed["event"] == "failed"
    return dict(failed["error"])


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("tcp://192.0.2.1:8786", "cluster.insecure", "not encrypted"),
        ("http://127.0.0.1:8786", "cluster.missing", "no address"),
        ("/nowhere/scheduler.json", "cluster.missing", "no scheduler file"),
        ("tls://127.0.0.1:9", "cluster.missing", "No Dask scheduler answers"),
        ("tcp://127.0.0.1:9", "cluster.missing", "No Dask scheduler answers"),
    ],
)
def test_a_dask_that_is_none_is_told(workspace: Path, target: str, error: str, words: str) -> None:
    failed = failing(workspace, "--cluster", f"dask={target}")
    assert failed["id"] == error
    assert words in failed["what"]


def test_a_server_that_is_no_dask_is_told(start_engine: StartEngine, workspace: Path, tmp_path: Path) -> None:
    other = start_engine()
    elsewhere = tmp_path / "other"
    (elsewhere / ".imjoy").mkdir(parents=True)
    failed = failing(elsewhere, "--cluster", f"dask=tcp://127.0.0.1:{other.ready['port']}")
    assert failed["id"] == "cluster.missing"


def check_in_a_moment(target: str, environ: dict[str, str]) -> str:
    """Return the id of the error that an engine has with a Dask which it waits a second for."""
    code = (
        "import asyncio, sys\n"
        "from imjoy.model.errors import ImJoyError\n"
        "from imjoy_engine.launchers import dask\n"
        "dask.CONNECT_SECONDS = 1.0\n"
        "async def check():\n"
        "    back_end = dask.Dask(sys.argv[1], insecure=False)\n"
        "    try:\n"
        "        await back_end.check()\n"
        "    except ImJoyError as error:\n"
        "        print(error.id)\n"
        "    finally:\n"
        "        await back_end.close()\n"
        "asyncio.run(check())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, target],
        stdout=subprocess.PIPE,
        env={**os.environ, **environ},
        text=True,
        timeout=60,
        check=True,
    ).stdout.strip()


def test_a_server_that_takes_connections_and_says_nothing_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert check_in_a_moment(f"tcp://127.0.0.1:{silent.getsockname()[1]}", {}) == "cluster.missing"


def test_a_scheduler_that_hangs_is_seen_as_a_wait_that_can_be_stopped(
    start: Callable[..., RunningEngine], cluster: Cluster, play: Play
) -> None:
    engine = start()

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN)
        async for kind, data in engine.client.events(plugin["id"]):
            if kind == "state" and data["place"] and data["place"]["why"]:
                break
        assert data["place"]["why"] == "no worker has taken it"
        await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
        return await engine.final(plugin["id"])

    cluster.scheduler.send_signal(signal.SIGSTOP)
    try:
        plugin = play(scenario())
    finally:
        cluster.scheduler.send_signal(signal.SIGCONT)
    assert (plugin["state"], plugin["error"]) == ("exited", None)


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    """Return Dask's configuration for encryption, by variables: one certificate, which vouches for itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    new = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    )
    where = ("-subj", "/CN=dask", "-keyout", key, "-out", certificate)
    subprocess.run([openssl, *new, *where], check=True, capture_output=True)
    roles = {
        f"DASK_DISTRIBUTED__COMM__TLS__{role}__{kind}": file
        for role in ("SCHEDULER", "WORKER", "CLIENT")
        for kind, file in (("KEY", key), ("CERT", certificate))
    }
    return {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": certificate, **roles}


def test_an_encrypted_dask_is_used_with_the_certificates_that_its_configuration_names(
    tls: dict[str, str],
    start_engine: StartEngine,
    workspace: Path,
    play: Play,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (workspace / ".imjoy" / "cluster.toml").write_text('host = "127.0.0.1"\n')
    with tempfile.TemporaryDirectory(prefix="dask-", ignore_cleanup_errors=True) as name, ExitStack() as held:
        folder = Path(name)
        file = folder / "scheduler.json"
        here = ("--protocol", "tls", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        with monkeypatch.context() as patched:
            for variable, value in tls.items():
                patched.setenv(variable, value)
            python = Path(sys.executable)
            scheduler = run_dask(python, folder, "dask_scheduler", "--host", "127.0.0.1", *here)
            held.callback(end, scheduler)
            wait_until(lambda: file.exists() and file.read_text().strip().endswith("}"), folder)
            held.callback(end, begin_worker(python, folder, file, "--protocol", "tls"))
        address = json.loads(file.read_text())["address"]
        assert address.startswith("tls://")
        assert check_in_a_moment(address, {}) == "cluster.missing"
        engine = start_engine("--cluster", f"dask={address}", env=tls)

        async def scenario() -> object:
            async with await engine.open(PLUGIN) as connection:
                return await connection.call("echo", "over TLS")

        assert play(scenario()) == "over TLS"
        engine.stop()
