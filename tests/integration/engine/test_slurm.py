"""Plugins as jobs of a real SLURM: each way in which one starts, waits, ends and is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.kit import slurm as kit
from tests.kit.channel_server import ChannelServer
from tests.kit.pythons import movable_pythons
from tests.kit.slurm import NODES, Slurm

from imjoy.model.errors import ImJoyError
from imjoy.model.project import ALLOCATOR_VARIABLES
from imjoy_engine.launchers import Resources
from imjoy_engine.launchers.slurm import Slurm as BackEnd
from imjoy_engine.terminal.client import EngineClient
from imjoy_engine.worker.transport.websocket import SocketRefused, open_socket

from .conftest import ROOT, RunningEngine, StartEngine, plugin_source

pytestmark = pytest.mark.skipif(bool(kit.why_not()), reason=kit.why_not())
Play = Callable[[Any], Any]
PLUGIN = """
import os, socket, sys, time

def flood(count):
    for number in range(count):
        sys.stdout.write("%07d %s\\n" % (number, "x" * 91))
    sys.stdout.flush()
    return "done"

def leave(code):
    print("good bye", flush=True)
    os._exit(code)

def spawn():
    import subprocess
    return subprocess.Popen(["sleep", "1000"], start_new_session=True).pid

def swell(mebibytes):
    kept = bytearray(mebibytes << 20)
    time.sleep(60)

def fetch(path):
    import ssl, urllib.request
    tls = ssl.create_default_context(cafile=os.environ["IMJOY_WORKER_CERTIFICATE"])
    try:
        with urllib.request.urlopen(api.ENGINE_URL + path, context=tls) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return error.code

class Plugin:
    def exit(self):
        open("left", "w").close()

    def environment(self):
        return dict(os.environ)

    echo = staticmethod(lambda value: value)
    swell, fetch = staticmethod(swell), staticmethod(fetch)
    flood, leave, spawn = staticmethod(flood), staticmethod(leave), staticmethod(spawn)
    where = staticmethod(socket.gethostname)
    pid = staticmethod(os.getpid)

api.export(Plugin())
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Slurm]:
    """Return a SLURM for all tests of this file."""
    with kit.slurm_or_skip() as cluster:
        yield cluster


@pytest.fixture
def slurm(cluster: Slurm) -> Iterator[Slurm]:
    """Return that SLURM, on whose login node the test is, with nothing in its queue before, nor a while after."""
    with cluster.login():
        assert cluster.jobs() == []
        yield cluster
        deadline = time.monotonic() + 60
        while left := cluster.jobs():
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
    left = [str(folder) for folder in cluster.scratch.glob("imjoy-job-*")]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    assert left == []


@pytest.fixture
def start(slurm: Slurm, start_engine: StartEngine, workspace: Path) -> Callable[..., RunningEngine]:
    """Start engines whose plugins run on that SLURM."""

    def begin(settings: str = "", *options: str) -> RunningEngine:
        file = workspace / ".imjoy" / "cluster.toml"
        file.write_text(f'host = "{slurm.host}"\n{settings}')
        return start_engine("--cluster", "slurm", *options, env=slurm.environ)

    return begin


def command_lines() -> str:
    return subprocess.run(["ps", "axww", "-o", "args="], capture_output=True, text=True, check=True).stdout


async def stop(engine: RunningEngine, plugin: dict[str, Any]) -> dict[str, Any]:
    await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
    return await engine.final(plugin["id"])


def test_a_cluster_of_tests_leaves_this_machines_own_network_alone(cluster: Slurm) -> None:
    look = ("ip", "-oneline", "address")
    assert cluster.host not in subprocess.run(look, capture_output=True, text=True, check=True).stdout
    with cluster.login():
        assert cluster.host in subprocess.run(look, capture_output=True, text=True, check=True).stdout


def test_a_plugin_runs_on_a_node_and_ends_with_all_that_it_started(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    # As jobs leave them that are killed outright.
    dead = [slurm.scratch / f"imjoy-job-{node}-LeftOver" for node in NODES]
    for folder in dead:
        folder.mkdir()
        os.utime(folder, (0, 0))
    engine = start()

    async def scenario() -> tuple[dict[str, Any], list[int]]:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            node = await connection.call("where")
            assert node in NODES
            left = {folder for folder in dead if folder.exists()}
            assert left == {folder for folder in dead if f"-{node}-" not in folder.name}
            for folder in left:
                folder.rmdir()
            warned = False
            async for kind, shown in engine.client.events(plugin["id"]):
                # The partition's time is five minutes.
                warned = warned or (kind == "log" and f"Its time on {node} is up in 5 min" in shown["text"])
                if warned and kind == "state" and shown["place"] and shown["place"]["ends"]:
                    break
            assert (shown["place"]["node"], shown["place"]["state"]) == (node, "RUNNING")
            assert shown["place"]["ends"] > time.time()
            pids = [await connection.call("pid"), await connection.call("spawn")]
            assert (await engine.client.request("GET", f"/api/v1/plugins/{plugin['id']}"))["pid"] == pids[0]
            value = {"bytes": b"x" * (3 << 20), "text": "ümlaut"}
            back = await connection.call("echo", value)
            assert (bytes(back["bytes"]), back["text"]) == (value["bytes"], value["text"])
            assert (await connection.call("environment")).items() >= ALLOCATOR_VARIABLES.items()
            final = await stop(engine, plugin)
        return final, pids

    final, pids = play(scenario())
    assert (final["state"], final["exit_code"]) == ("exited", 0)
    assert (engine.workspace / "default" / "left").exists()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_secrets_are_in_no_argv_no_job_record_and_no_script_and_good_once(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start("", "--debug")

    async def scenario() -> None:
        async with await engine.open(PLUGIN) as connection:
            pid = await connection.call("pid")
            environment = await connection.call("environment")
            assert [name for name in environment if "IMJOY" in name] == ["IMJOY_WORKER_CERTIFICATE"]
            assert environment["SLURM_JOB_ID"] in slurm.jobs()
            node = psutil.Process(pid).parents()[1]
            before = node.environ()
            url, secret = before["IMJOY_NODE_URL"], before["IMJOY_NODE_SECRET"]
            assert len(secret) > 40
            record = slurm.run("scontrol", "-dd", "show", "job", environment["SLURM_JOB_ID"])
            script = slurm.run("scontrol", "write", "batch_script", environment["SLURM_JOB_ID"], "-")
            argv = command_lines()
            for text in (record, script, argv):
                assert secret not in text
                assert engine.token not in text
            # Of another certificate nobody here would hear; this one is in the job's script.
            pem = script[
                script.index("-----BEGIN CERTIFICATE") : script.index("-----END CERTIFICATE-----") + 26
            ]
            tls = ssl.create_default_context(cadata=pem)
            for given in (secret, "guessed"):
                with pytest.raises(SocketRefused) as caught:
                    await open_socket(url, given, "imjoy.node.v1", tls)
                assert caught.value.status == 403
            assert await connection.call("echo", 1) == 1

    play(scenario())


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


def test_a_flood_of_output_arrives_whole_at_its_end_and_holds_nobody_up(
    start: Callable[..., RunningEngine], play: Play
) -> None:
    engine = start()

    async def scenario() -> None:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            memory = psutil.Process(engine.process.pid).memory_info().rss
            assert await connection.call("flood", 200_000) == "done"
            text = ""
            async for kind, data in engine.client.events(plugin["id"]):
                if kind == "log":
                    text = (text + data["text"])[-1000:]
                    if "0199999" in text:
                        break
            assert psutil.Process(engine.process.pid).memory_info().rss - memory < 64 << 20

    play(scenario())


def test_a_plugin_waits_with_the_reason_and_can_be_stopped_while_it_does(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start()

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN)
        connecting = asyncio.ensure_future(engine.client.connect(plugin["id"], {}))
        async for kind, data in engine.client.events(plugin["id"]):
            if kind == "state" and data["place"] and data["place"]["why"] and data["place"]["starts"]:
                break
        place = data["place"]
        # When the jobs before it have had their time.
        assert time.time() - 60 < place["starts"] < time.time() + 3600
        assert (place["cluster"], place["state"], place["node"]) == ("SLURM", "PENDING", "")
        assert place["why"] in ("Resources", "Priority")
        assert place["job"] in slurm.jobs()
        final = await stop(engine, plugin)
        assert place["job"] not in slurm.jobs()
        with pytest.raises(ImJoyError):
            await connecting
        return final

    with slurm.busy():
        assert play(scenario())["state"] == "exited"


@pytest.mark.parametrize(
    ("settings", "resources", "error", "reason"),
    [
        ('options = ["--partition=nowhere"]', {}, "cluster.refused", "invalid partition"),
        ("", {"gpus": 50}, "cluster.refused", "not available"),
        ("[maximum]\ncpus = 2", {"cpus": 4}, "cluster.wish", "It wants 4"),
        ("", {"cpus": -1}, "plugin.field", "cpus"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(
    start: Callable[..., RunningEngine],
    play: Play,
    settings: str,
    resources: dict[str, Any],
    error: str,
    reason: str,
) -> None:
    engine = start(settings)

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN, resources=resources)
        return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", error)
    assert reason in plugin["error"]["why"]


def test_resources_reach_the_job(start: Callable[..., RunningEngine], play: Play) -> None:
    engine = start('[default]\nmemory = "500 MiB"\ntime = "10 min"')

    async def scenario() -> dict[str, str]:
        resources = {"CPU": {}, "GPU": {"cpus": 3, "gpus": 1}}
        async with await engine.open(PLUGIN, tags=["GPU", "CPU"], resources=resources) as connection:
            return dict(await connection.call("environment"))

    environment = play(scenario())
    assert environment["SLURM_CPUS_PER_TASK"] == "3"
    assert environment["SLURM_MEM_PER_NODE"] == "500"
    assert environment["CUDA_VISIBLE_DEVICES"] == "0"


def test_what_the_person_wants_comes_before_what_the_plugin_does(
    start: Callable[..., RunningEngine], play: Play
) -> None:
    engine = start("[maximum]\ncpus = 4")
    source = plugin_source(PLUGIN, resources={"cpus": 3}, env=[{"type": "gputil", "limit": 2}])

    async def scenario() -> dict[str, str]:
        given: dict[str, Any] = {"source": source, "file": "p.imjoy.html", "client": "me"}
        refused = await engine.client.start_plugin(**given, resources={"cpus": 5})
        assert (await engine.final(refused["id"]))["error"]["id"] == "cluster.wish"
        plugin = await engine.client.start_plugin(**given, resources={"cpus": 2, "time": "3 min"})
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            return dict(await connection.call("environment"))

    environment = play(scenario())
    assert environment["SLURM_CPUS_PER_TASK"] == "2"
    assert environment["CUDA_VISIBLE_DEVICES"] == "0,1"


def test_a_plugin_that_stays_on_the_engine_s_machine_waits_for_no_node(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start()

    async def scenario() -> None:
        plugin = await engine.start(PLUGIN, tags=["CPU", "GPU"], where={"CPU": "engine"})
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            assert (await engine.state(plugin["id"], "ready"))["place"] is None
            assert await connection.call("where") not in NODES
            assert "SLURM_JOB_ID" not in await connection.call("environment")
            assert set(slurm.jobs()) <= {*before, *busy}

    before = slurm.jobs()
    with slurm.busy() as busy:
        play(scenario())


def test_signed_urls_are_answered_where_nodes_come_and_nothing_else_is(
    start: Callable[..., RunningEngine], play: Play
) -> None:
    engine = start()

    async def scenario() -> None:
        async with await engine.open(PLUGIN) as connection:
            (engine.workspace / "default" / "seen.txt").write_text("by the node")
            body = {"path": "seen.txt", "workspace": "default"}
            signed = await engine.client.request("POST", "/api/v1/files/url", body)
            path = signed["url"][len(engine.url) :]
            assert bytes(await connection.call("fetch", path)) == b"by the node"
            for path in ("/api/v1/file/forged", "/api/v1/status", "/healthz", "/"):
                assert await connection.call("fetch", path) in (401, 403, 404), path

    play(scenario())


def hide_environments(slurm: Slurm, workspace: Path) -> None:
    """Have the node of the partition ``bare`` not see the workspace's environments."""
    environments = workspace / ".imjoy" / "environments"
    shared = slurm.folder / "shared" / "environments"
    shared.unlink(missing_ok=True)
    shared.symlink_to(environments.readlink(), target_is_directory=True)
    environments.unlink()
    environments.symlink_to(shared, target_is_directory=True)


def test_a_node_that_does_not_see_the_environment_says_so(
    start: Callable[..., RunningEngine], slurm: Slurm, workspace: Path, play: Play
) -> None:
    hide_environments(slurm, workspace)
    engine = start('options = ["--partition=bare"]')

    async def scenario() -> dict[str, Any]:
        return await engine.final((await engine.start(PLUGIN))["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.not-started")
    assert "interpreter is not there on the node" in plugin["error"]["why"]


def test_a_plugin_that_takes_more_memory_than_its_job_has_is_named(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start('[default]\nmemory = "300 MiB"')

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            with pytest.raises(ImJoyError):
                await connection.call("swell", 600)
            return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.memory")
    slurm.wait_until_idle()
    # What is killed outright tidies up no more.
    for folder in slurm.scratch.glob("imjoy-job-*"):
        shutil.rmtree(folder)


def test_a_job_that_has_to_make_room_is_named(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start('options = ["--exclusive"]')

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            node = await connection.call("where")
            urgent = ("--partition=urgent", "--exclusive", f"--nodelist={node}", "--output=/dev/null")
            slurm.run("sbatch", *urgent, "--wrap=exec true")
            return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.cancelled")


def test_a_job_that_somebody_cancels_is_named(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start()

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60):
            slurm.run("scancel", *slurm.jobs())
            return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.cancelled")


def test_a_node_that_cannot_reach_the_engine_says_so(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    # Nodes have a loopback of their own.
    slurm.host, before = "127.0.0.1", slurm.host
    try:
        engine = start()
    finally:
        slurm.host = before

    async def scenario() -> dict[str, Any]:
        return await engine.final((await engine.start(PLUGIN))["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.not-started")
    assert "could not reach the engine at https://127.0.0.1:" in plugin["error"]["why"]


def test_an_engine_that_is_killed_leaves_nothing_on_nodes(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start()

    async def scenario() -> list[int]:
        connection = await engine.open(PLUGIN)
        pids = [await connection.call("pid"), await connection.call("spawn")]
        engine.process.kill()
        engine.process.wait()
        await connection.wait_ended()
        await connection.close()
        return pids

    for pid in play(scenario()):
        deadline = time.monotonic() + 20
        while psutil.pid_exists(pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_wish_that_can_never_be_met_is_said_and_can_be_stopped(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start('[default]\ntime = "5 h"')

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN)
        async for kind, data in engine.client.events(plugin["id"]):
            if kind == "log" and "will never be met" in data["text"]:
                assert "PartitionTimeLimit" in data["text"]
                break
        return await stop(engine, plugin)

    assert play(scenario())["state"] == "exited"


def test_a_node_that_is_cut_off_is_told_and_frees_itself(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start()

    async def scenario() -> tuple[dict[str, Any], int]:
        plugin = await engine.start(PLUGIN)
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            node, pid = await connection.call("where"), await connection.call("pid")
            slurm.plug(node, "down")
            try:
                final = await engine.final(plugin["id"])
                deadline = time.monotonic() + 20
                while psutil.pid_exists(pid):
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.05)
            finally:
                slurm.plug(node, "up")
            return final, node

    plugin, node = play(scenario())
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.lost")
    assert f"nothing was heard of {node} for 10 s" in plugin["error"]["what"]
    slurm.wait_until_idle()


@pytest.mark.slow
def test_a_job_whose_time_is_up_is_named(start: Callable[..., RunningEngine], slurm: Slurm) -> None:
    engine = start('[default]\ntime = "1 min"')

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(PLUGIN)
        # Where the machine is busy the job's time is up before the plugin has answered anybody.
        with contextlib.suppress(ImJoyError):
            async with await engine.client.connect(plugin["id"], {}, timeout=60):
                return await engine.final(plugin["id"])
        return await engine.final(plugin["id"])

    plugin = asyncio.run(asyncio.wait_for(scenario(), 150))
    assert (plugin["state"], plugin["error"]["id"]) == ("failed", "cluster.time")


async def killed_while_a_plugin_waits(engine: RunningEngine) -> str:
    """Kill the engine as soon as a plugin of it waits; return that one's job."""
    plugin = await engine.start(PLUGIN)
    async for kind, data in engine.client.events(plugin["id"]):
        if kind == "state" and data["place"]:
            break
    engine.process.kill()
    engine.process.wait()
    return str(data["place"]["job"])


def test_what_waits_when_its_engine_is_killed_is_cancelled_by_the_next_one(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start()
    with slurm.busy() as others:
        waiting = play(killed_while_a_plugin_waits(engine))
        assert waiting in slurm.jobs()
        start()
        assert waiting not in slurm.jobs()
        assert set(others) <= set(slurm.jobs())


def test_what_waits_when_its_engine_is_killed_ends_by_itself_when_it_is_its_turn(
    start: Callable[..., RunningEngine], slurm: Slurm, play: Play
) -> None:
    engine = start()
    with slurm.busy():
        waiting = play(killed_while_a_plugin_waits(engine))
    slurm.wait_until_empty()
    # That the node could not reach the engine.
    assert "ExitCode=67:0" in slurm.run("scontrol", "show", "job", waiting)


def in_front_of(command: str, folder: Path, script: str) -> dict[str, str]:
    """Return a PATH on which ``script`` is that command of SLURM's; ``$real`` in it is the command itself."""
    folder.mkdir(exist_ok=True)
    (folder / command).write_text(f"#!/bin/sh\nreal={shutil.which(command)}\n{script}\n")
    (folder / command).chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


async def refused(back_end: BackEnd, then: Callable[[], None] = lambda: None) -> str:
    """Submit a job that must be refused, and wait until nothing of it is to be taken back; return why."""
    try:
        with pytest.raises(ImJoyError) as caught:
            await back_end.submit("#!/bin/sh\nexec sleep 600\n", {}, "Plugin", Resources())
        assert caught.value.id == "cluster.refused"
        then()
        while back_end.taking_back:
            await asyncio.wait(back_end.taking_back)
        return caught.value.why
    finally:
        await back_end.close()


def clock_that_starts_with(pipe: Path) -> Callable[[Awaitable[object], float], Awaitable[object]]:
    """Return an ``asyncio.wait_for`` whose time begins once a command has written to that pipe."""
    wait_for = asyncio.wait_for
    told: list[str] = []

    async def wait(awaited: Awaitable[object], seconds: float) -> object:
        begun = asyncio.ensure_future(awaited)
        if not told:
            told.append(await asyncio.to_thread(pipe.read_text))
        return await wait_for(begun, seconds)

    return wait


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ("echo Submitted batch job forty-two", "names no job"),
        ("", "names no job"),
        ("echo 'sbatch: error: Socket timed out' >&2; exit 1", "Socket timed out"),
        ("exec sleep 600", "did not answer within"),
        # What the site's own script waits for holds our pipes, and ends with it.
        ("sleep 600; echo late", "did not answer within"),
    ],
)
def test_a_job_that_sbatch_takes_and_does_not_name_is_taken_back(
    slurm: Slurm, tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch, after: str, why: str
) -> None:
    taken = tmp_path / "taken"
    if "sleep" in after:
        os.mkfifo(answered := tmp_path / "answered")
        after = f"echo >{answered}\n{after}"
        monkeypatch.setattr("imjoy_engine.launchers.slurm.COMMAND_SECONDS", 10.0)
        monkeypatch.setattr(asyncio, "wait_for", clock_that_starts_with(answered))
    path = in_front_of("sbatch", tmp_path / "bin", f'"$real" "$@" >{taken}\n{after}')
    back_end = BackEnd({**os.environ, **slurm.environ, **path}, [], "/w")
    assert why in play(refused(back_end))
    assert taken.read_text().strip().isdigit()
    slurm.wait_until_empty()


def test_a_job_of_which_a_controller_that_hung_reads_later_is_taken_back(
    slurm: Slurm, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imjoy_engine.launchers.slurm.COMMAND_SECONDS", 2.0)
    monkeypatch.setattr("imjoy_engine.launchers.slurm.TAKE_BACK_SECONDS", 1.0)
    controller = int((slurm.folder / "slurmctld.pid").read_text())

    def go_on() -> None:
        os.kill(controller, signal.SIGCONT)

    os.kill(controller, signal.SIGSTOP)
    try:
        why = play(refused(BackEnd({**os.environ, **slurm.environ}, [], "/w"), go_on))
    finally:
        go_on()
    assert "sbatch did not answer within 2 s" in why
    slurm.wait_until_empty()


def test_all_plugins_that_wait_share_one_squeue_and_a_banner_changes_nothing(
    start: Callable[..., RunningEngine], slurm: Slurm, tmp_path: Path, play: Play
) -> None:
    calls = tmp_path / "calls"
    squeue = f'echo "$*" >>{calls}\necho "Welcome to the cluster"\nexec "$real" "$@"'
    path = in_front_of("squeue", tmp_path / "bin", squeue)
    in_front_of("sbatch", tmp_path / "bin", 'echo "Mind | the | quota"\nexec "$real" "$@"')
    slurm.environ.update(path)
    try:
        engine = start()
    finally:
        del slurm.environ["PATH"]

    def looks() -> int:
        return sum("--me" in line and "%r" in line for line in calls.read_text().splitlines())

    async def scenario() -> None:
        plugins = [await engine.start(PLUGIN, name=f"Plugin {number}") for number in range(4)]
        for plugin in plugins:
            async for kind, data in engine.client.events(plugin["id"]):
                if kind == "state" and data["place"] and data["place"]["why"]:
                    break
        before, began = looks(), time.monotonic()
        deadline = began + 60
        while (after := looks()) < before + 3:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        # One that was due may have come at once; the two after it are two seconds apart, however many plugins wait.
        assert time.monotonic() - began > (after - before - 1) * 2 - 0.5
        for plugin in plugins:
            assert (await stop(engine, plugin))["state"] == "exited"

    with slurm.busy():
        play(scenario())


def test_without_slurm_the_engine_does_not_start(workspace: Path, slurm: Slurm, tmp_path: Path) -> None:
    (workspace / ".imjoy" / "cluster.toml").write_text(f'host = "{slurm.host}"\n')
    command = ("serve", "--port", "0", "--workspace", str(workspace), "--cluster", "slurm")
    (tmp_path / "slurm.conf").touch()
    nowhere = {"SLURM_CONF": str(tmp_path / "slurm.conf")}
    done = subprocess.run(
        [sys.executable, "-m", "imjoy_engine", *command],
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    failed = json.loads(done.stdout)
    assert (failed["event"], failed["error"]["id"]) == ("failed", "cluster.missing")


def doctor(slurm: Slurm, workspace: Path, settings: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return the exit code of ``imjoy doctor --cluster``, and its links by id."""
    (workspace / ".imjoy" / "cluster.toml").write_text(settings)
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", "doctor", "--cluster", "--json", "--workspace", str(workspace)],
        env={**os.environ, **slurm.environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, {each["id"]: each for each in json.loads(done.stdout)["checks"]}


def test_the_doctor_follows_a_trivial_job_to_its_node(slurm: Slurm, workspace: Path) -> None:
    code, links = doctor(slurm, workspace, f'host = "{slurm.host}"\n[default]\ngpus = 1')
    assert code == 0, links
    assert {each["status"] for each in links.values()} == {"ok"}
    assert any(node in links["cluster.started"]["what"] for node in NODES)
    assert "GPU 0" in links["cluster.gpu"]["what"]
    slurm.wait_until_empty()


@pytest.mark.parametrize(
    ("settings", "broken", "words"),
    [
        ("partition = 7", "cluster.settings", "partition is no setting"),
        ('options = ["--partition=nowhere"]', "cluster.accepted", "invalid partition"),
        ('prologue = "TMPDIR=/nowhere; exit 65"', "cluster.scratch", "no temporary folder"),
        ('host = "127.0.0.1"', "cluster.way", "could not reach the engine"),
        ('options = ["--partition=bare"]', "cluster.environment", "interpreter is not there"),
    ],
)
def test_the_doctor_names_the_link_that_breaks(
    slurm: Slurm, workspace: Path, settings: str, broken: str, words: str
) -> None:
    hide_environments(slurm, workspace)
    host = "" if "host" in settings else f'host = "{slurm.host}"\n'
    code, links = doctor(slurm, workspace, host + settings)
    assert code == 1
    assert [each["id"] for each in links.values() if each["status"] == "fail"] == [broken]
    assert words in links[broken]["what"] + links[broken]["why"]
    assert links[broken]["command"] or links[broken]["advice"]
    behind = list(links)[list(links).index(broken) + 1 :]
    assert all(links[each]["status"] == "skipped" for each in behind)
    slurm.wait_until_empty()


def typed(environ: dict[str, str], workspace: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``imjoy`` with these words, for programs."""
    return subprocess.run(
        [sys.executable, "-m", "imjoy", *words, "--json", "--workspace", str(workspace)],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_page_about_clusters_is_followed_word_by_word(
    slurm: Slurm, workspace: Path, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    rows = "\n".join(re.findall(r"^\| `(\w+ = .+?)` \|", page, re.MULTILINE))
    assert [row.split(" = ")[0] for row in rows.splitlines()] == [
        "options",
        "prologue",
        "wrapper",
        "host",
        "port",
    ]
    # What only the site has: its partition, the name of its login node, and doubles of its commands.
    rows = rows.replace("--partition=gpu", "--partition=main").replace("login1-ib0", slurm.host)
    (workspace / ".imjoy" / "cluster.toml").write_text(
        f'{rows}\n[default]\nmemory = "500 MiB"\n[maximum]\ncpus = 4\n'
    )
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, does in (("module", "true"), ("apptainer", 'shift 3; exec "$@"')):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $1 $2 $3" >>{tmp_path}/called\n{does}\n')
        (programs / name).chmod(0o755)
    environ = {**os.environ, **slurm.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    resources = json.loads("{" + page.split("```json\n")[1].split("```")[0] + "}")
    file = tmp_path / "Plugin.imjoy.html"
    script = (
        "import os\napi.export({'setup': lambda: None, 'run': lambda ctx: os.environ['SLURM_CPUS_PER_TASK']})"
    )
    file.write_text(plugin_source(script, tags=["CPU", "GPU"], **resources))

    def type_in(command: str, *more: str) -> str:
        assert f"`{command}`" in page
        done = typed(environ, workspace, *command.split()[1:], *more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    type_in("imjoy doctor --cluster")
    started = json.loads(type_in("imjoy start --cluster slurm", "--port", "0", "--detach"))
    try:
        ran = type_in("imjoy run --resources cpus=4,memory=8GB", str(file), "--tag", "GPU")
        events = [json.loads(line) for line in ran.splitlines()]
        assert [event["value"] for event in events if event["event"] == "result"] == ["4"], events
        assert "Runs on n" in ran
        client = EngineClient(started["url"], Path(started["token_file"]).read_text().strip())

        async def status_of_a_plugin() -> str:
            plugin = await client.start_plugin(source=plugin_source("api.export({})"), file=str(file))
            async with await client.connect(plugin["id"], {}, timeout=60):
                return await asyncio.to_thread(type_in, "imjoy status")

        assert re.search(r'"node": "n[123]"', asyncio.run(status_of_a_plugin()))
    finally:
        subprocess.run(
            [sys.executable, "-m", "imjoy", "stop", "--workspace", str(workspace)], env=environ, check=True
        )
    called = (tmp_path / "called").read_text().splitlines()
    assert called == ["module load cuda/12.4 ", "apptainer exec --nv /images/base.sif"] * 3


def test_where_the_login_node_has_no_gpu_a_person_says_what_the_nodes_have(
    slurm: Slurm, channel: ChannelServer, workspace: Path, tmp_path: Path
) -> None:
    # The login node of the tests reaches no package index: uv's cache has what the default environment's Python needs.
    number = "{}.{}".format(*sys.version_info)
    if not any(full.startswith(f"{number}.") for full in movable_pythons()):
        pytest.skip(f"no Python {number} that can be moved is here")
    environ = {**os.environ, **slurm.environ, "UV_OFFLINE": "1"}
    (workspace / ".imjoy" / "cluster.toml").write_text(f'host = "{slurm.host}"\n')
    file = tmp_path / "Plugin.imjoy.html"
    script = "import computes\napi.export({'setup': lambda: None, 'run': lambda ctx: computes.version})"
    file.write_text(plugin_source(script, requirements=[f"conda: python={number} computes"]))

    ran = []
    for cuda in ("", "12.4"):
        environ["CONDA_OVERRIDE_CUDA"] = cuda
        typed(environ, workspace, "start", "--cluster", "slurm", "--port", "0", "--detach")
        try:
            ran.append(typed(environ, workspace, "run", str(file)).stdout)
        finally:
            typed(environ, workspace, "stop")
    assert "__cuda" in ran[0]
    results = [event["value"] for event in map(json.loads, ran[1].splitlines()) if event["event"] == "result"]
    assert results == ["1.0"], ran[1]
    assert "Runs on n" in ran[1]


def test_within_an_allocation_plugins_are_steps_of_it(
    slurm: Slurm, start_engine: StartEngine, workspace: Path, play: Play
) -> None:
    (workspace / ".imjoy" / "cluster.toml").write_text(f'host = "{slurm.host}"\n')
    wanted = (
        "--parsable",
        "--nodes=2",
        "--cpus-per-task=4",
        "--gres=gpu:1",
        "--output=/dev/null",
        "--export=NONE",
    )
    allocation = slurm.run("sbatch", *wanted, "--wrap=exec sleep 600").strip()
    slurm.wait_for(allocation)
    engine = start_engine("--cluster", "slurm", env={**slurm.environ, "SLURM_JOB_ID": allocation})

    async def scenario() -> list[int]:
        plugin = await engine.start(PLUGIN, resources={"gpus": 1})
        async with await engine.client.connect(plugin["id"], {}, timeout=60) as connection:
            environment = await connection.call("environment")
            assert environment["SLURM_JOB_ID"] == allocation
            assert environment["CUDA_VISIBLE_DEVICES"] in ("0", "1")
            assert slurm.jobs() == [allocation]
            assert not any("IMJOY_NODE_SECRET=" in line for line in command_lines().splitlines())
            async for kind, shown in engine.client.events(plugin["id"]):
                if kind == "state" and shown["place"] and shown["place"]["ends"]:
                    break
            assert shown["place"]["node"] == await connection.call("where")
            pids = [await connection.call("pid"), await connection.call("spawn")]
            stopped = await stop(engine, plugin)
            assert (stopped["state"], stopped["error"]) == ("exited", None)
        dead = await engine.start(PLUGIN, name="Leaves")
        async with await engine.client.connect(dead["id"], {}, timeout=60) as connection:
            with pytest.raises(ImJoyError):
                await connection.call("leave", 7)
            assert (await engine.final(dead["id"]))["exit_code"] == 7
        greedy = await engine.final((await engine.start(PLUGIN, name="Greedy", resources={"cpus": 19}))["id"])
        assert greedy["error"]["id"] == "cluster.not-started"
        assert "srun ended with exit code 1: " in greedy["error"]["why"]
        return pids

    try:
        pids = play(scenario())
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert slurm.jobs() == [allocation]
    finally:
        slurm.run("scancel", allocation)


@pytest.mark.parametrize("way", ["salloc", "sbatch"])
def test_an_engine_that_is_started_within_an_allocation_is_typed_as_anywhere(
    slurm: Slurm, workspace: Path, tmp_path: Path, way: str
) -> None:
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    assert f"`{way}`" in page
    # A shell of salloc's is on the login node, a job on a node, which has no name here.
    host = slurm.host if way == "salloc" else kit.address_of("n2")
    (workspace / ".imjoy" / "cluster.toml").write_text(f'host = "{host}"\n')
    file, said = tmp_path / "Plugin.imjoy.html", tmp_path / "said"
    body = "import os\napi.export({'setup': lambda: None, 'run': lambda ctx: os.environ['SLURM_JOB_ID']})"
    file.write_text(plugin_source(body))
    imjoy, where = f"{sys.executable} -m imjoy", f"--workspace {workspace}"
    session = (
        f"exec >{said} 2>&1 </dev/null; echo job $SLURM_JOB_ID; "
        f"{imjoy} start --cluster slurm --port 0 --detach {where} && {imjoy} run {file} --json {where}; "
        f"{imjoy} stop {where}; echo through"
    )
    wanted = ("--nodes=1", "--nodelist=n2", "--cpus-per-task=4")
    if way == "salloc":
        slurm.run("salloc", "--quiet", *wanted, "sh", "-c", session)
    else:
        slurm.run("sbatch", "--wait", "--output=/dev/null", *wanted, f"--wrap={session}")
    lines = said.read_text().splitlines()
    assert lines[-1] == "through", lines
    job = lines[0].split()[1]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert [event["value"] for event in events if event["event"] == "result"] == [job], lines
    # The plugin was a step of that job.
    assert f"SLURM job {job}.1" in said.read_text()
