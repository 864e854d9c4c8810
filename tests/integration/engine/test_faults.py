"""What fails around the engine: every call ends, with a result or an error; nothing is left; the engine serves on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from tests.kit.tunnel import Tunnel

from imjoy.engines.running import Condition, find_engine
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine.terminal.client import Connection, EngineClient

from .conftest import RunningEngine, StartEngine, new_workspace, serve
from .holding import nothing_kept

Play = Callable[[Any], Any]

ECHO = """
import os, time

def wait(seconds):
    time.sleep(seconds)
    return seconds

api.export({"echo": lambda value: value, "wait": wait, "pid": os.getpid})
"""
SILENCE = ("--silence", "0.9")
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


def tunnel_to(engine: RunningEngine) -> Tunnel:
    return Tunnel(urlsplit(engine.url).port or 0)


async def logged(engine: RunningEngine, plugin: str, text: str) -> None:
    """Wait until the plugin's log says ``text``."""
    async for kind, data in engine.client.events(plugin):
        if kind == "log" and text in data["text"]:
            return
    raise AssertionError(f"the log never said {text!r}")


async def plugin_and_connection(
    engine: RunningEngine, client: EngineClient | None = None
) -> tuple[str, Connection]:
    plugin = await engine.start(ECHO)
    return plugin["id"], await (client or engine.client).connect(plugin["id"], {}, timeout=30)


def test_a_suspended_plugin_is_named_and_its_calls_end_at_their_deadline(
    engine: RunningEngine, play: Play
) -> None:
    async def scenario() -> None:
        async with await engine.open(ECHO) as other, nothing_kept(engine):
            plugin, connection = await plugin_and_connection(engine)
            pid = int(await connection.call("pid"))
            os.kill(pid, signal.SIGSTOP)
            with pytest.raises(ImJoyError) as caught:
                await connection.call("echo", 1, timeout=0.5)
            assert caught.value.id == "plugin.no-answer"
            await logged(engine, plugin, f"kill -CONT {pid}")
            assert await other.call("echo", 2) == 2
            os.kill(pid, signal.SIGCONT)
            await logged(engine, plugin, "goes on")
            assert await connection.call("echo", 3, timeout=10) == 3
            os.kill(pid, signal.SIGSTOP)
            await engine.client.request("DELETE", f"/api/v1/plugins/{plugin}?grace=0")
            assert (await engine.final(plugin))["state"] == "exited"
            assert not psutil.pid_exists(pid)
            await connection.close()
            await other.close()

    play(scenario())


def test_a_client_behind_a_dead_line_takes_its_plugin_along(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine(*SILENCE)

    async def scenario() -> None:
        with tunnel_to(engine) as tunnel:
            async with nothing_kept(engine):
                client = EngineClient(tunnel.url, engine.token)
                plugin, connection = await plugin_and_connection(engine, client)
                pid = int(await connection.call("pid"))
                tunnel.freeze()
                assert (await engine.final(plugin))["state"] == "exited"
                assert not psutil.pid_exists(pid)
                assert "nothing was heard of this client for 0.9 s" in engine.log()
                async with await engine.open(ECHO) as again:
                    assert await again.call("echo", 1) == 1

    play(scenario())


def test_a_call_into_a_dead_line_ends_with_an_error(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        with tunnel_to(engine) as tunnel:
            client = EngineClient(tunnel.url, engine.token, silence=0.4)
            _, connection = await plugin_and_connection(engine, client)
            assert await connection.call("echo", 1) == 1
            tunnel.freeze()
            with pytest.raises(ImJoyError) as caught:
                await connection.call("echo", 2)
            assert caught.value.id == "engine.unreachable"
            assert "nothing was heard of the engine" in caught.value.why

    play(scenario())


def test_a_client_that_only_waits_is_not_taken_for_gone(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine(*SILENCE)

    async def scenario() -> None:
        client = EngineClient(engine.url, engine.token, silence=0.4)
        _, connection = await plugin_and_connection(engine, client)
        assert await connection.call("wait", 2.0) == 2.0
        await connection.close()

    play(scenario())


def test_a_client_that_slept_for_long_finds_its_call_ended(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine(*SILENCE)
    program = """
import asyncio, sys
from imjoy.model.errors import ImJoyError
from imjoy_engine.terminal.client import EngineClient

async def main(url, token, plugin):
    connection = await EngineClient(url, token).connect(plugin, {}, timeout=30)
    print("connected", flush=True)
    try:
        await connection.call("wait", 60)
    except ImJoyError as error:
        print(error.id, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

    async def scenario() -> str:
        async with nothing_kept(engine):
            plugin = (await engine.start(ECHO))["id"]
            sleeper = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", program, engine.url, engine.token, plugin),
                stdout=asyncio.subprocess.PIPE,
            )
            assert sleeper.stdout is not None
            assert (await sleeper.stdout.readline()).strip() == b"connected"
            sleeper.send_signal(signal.SIGSTOP)
            assert (await engine.final(plugin))["state"] == "exited"
            sleeper.send_signal(signal.SIGCONT)
            said = (await sleeper.stdout.readline()).decode().strip()
            assert await sleeper.wait() == 0
            return said

    assert play(scenario()) in ("plugin.gone", "engine.unreachable")


def test_an_engine_without_descriptors_serves_on_with_those_that_it_has(
    engine: RunningEngine, play: Play
) -> None:
    resource = pytest.importorskip("resource")
    process = psutil.Process(engine.process.pid)
    if not hasattr(resource, "prlimit"):
        pytest.skip("only Linux changes another process's limits")

    async def scenario() -> None:
        async with await engine.open(ECHO) as plugin:
            before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (process.num_fds() + 2, before[1]))
            try:
                # The request has a descriptor; the process that it asks for has none.
                starved = await engine.start(ECHO)
                failed = await engine.final(starved["id"])
                assert await plugin.call("echo", "still here", timeout=10) == "still here"
            finally:
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
            assert (failed["state"], failed["error"]["id"]) == ("failed", "plugin.not-started")
            assert "Too many open files" in failed["error"]["why"]
            async with await engine.open(ECHO) as again:
                assert await again.call("echo", 1) == 1

    play(scenario())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this account may not mount a tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def log_error(engine: RunningEngine) -> str:
    """Return what the engine's status says of its log."""
    return str((await engine.client.request("GET", "/api/v1/status"))["log_error"])


def test_a_full_disk_is_said_and_survived(small_disk: Path, environments: Path, play: Play) -> None:
    engine = serve(new_workspace(small_disk, environments))
    writes = "def write():\n    open('big', 'wb').write(bytes(1 << 20))\n\napi.export({'write': write})"

    async def scenario() -> None:
        async with await engine.open(ECHO) as plugin:
            filler = small_disk / "filler"
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while file.write(bytes(4096)):
                    pass
            assert await plugin.call("echo", "still here", timeout=10) == "still here"
            async with await engine.open(writes) as full:
                with pytest.raises(ImJoyError) as caught:
                    await full.call("write", timeout=10)
                assert "No space left on device" in caught.value.why
            # The log's last block has room for some lines more.
            while not (error := await log_error(engine)):
                with pytest.raises(ImJoyError):
                    await engine.client.request("GET", f"/api/v1/plugins/{'x' * 200}")
            assert error == "No space left on device"
            filler.unlink()
            async with await engine.open(writes) as again:
                await again.call("write", timeout=10)
            assert await log_error(engine) == ""
        # More than once where the sentence had room and the line after it had not.
        said = [json.loads(line)["text"] for line in engine.log().splitlines()]
        assert any(
            re.fullmatch(r"messages since [\d:]{8} are missing: No space left on device", text)
            for text in said
        )

    try:
        play(scenario())
    finally:
        assert engine.stop() == 0
        assert engine.process.stdout is not None
        engine.process.stdout.close()


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
@pytest.mark.parametrize("jump", ["+2d", "-2d"])
def test_a_clock_that_is_set_disturbs_neither_plugins_nor_the_stop(
    start_engine: StartEngine, play: Play, tmp_path: Path, jump: str
) -> None:
    told = tmp_path / "faketime"
    told.write_text("+0\n")
    engine = start_engine(
        env={
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(told),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    )

    async def scenario() -> None:
        async with await engine.open(ECHO) as before:
            told.write_text(f"{jump}\n")
            assert await before.call("echo", 1, timeout=10) == 1
            async with await engine.open(ECHO) as after:
                assert await after.call("echo", 2, timeout=10) == 2

    play(scenario())
    assert engine.stop() == 0


def test_an_engine_from_before_the_clock_was_set_is_still_known_as_ours(engine: RunningEngine) -> None:
    state = engine.workspace / ".imjoy" / "engine.json"
    # On some systems the process table tells start times by the clock of now, the state file by that of then.
    shifted = state.read_text().replace('"birth": "', '"birth": "1')
    state.write_text(shifted)
    assert find_engine(Layout(engine.workspace, engine.workspace)).condition is Condition.PROVEN


def test_a_client_that_reads_slowly_costs_the_engine_no_memory(engine: RunningEngine, play: Play) -> None:
    pytest.importorskip("numpy")
    process = psutil.Process(engine.process.pid)
    size = 128 << 20
    script = (
        f"import numpy, os\napi.export({{'big': lambda: numpy.zeros({size}, 'uint8'), 'pid': os.getpid}})"
    )

    async def scenario() -> None:
        async with await engine.open(script) as slow, await engine.open(ECHO) as other:
            worker = psutil.Process(int(await slow.call("pid")))
            idle = process.memory_info().rss
            transport = slow._link._socket._transport
            transport.pause_reading()
            waiting = asyncio.ensure_future(slow.call("big"))
            worked = 0.0
            # The worker has filled what lies between when it has nothing more to do.
            while worked != (worked := sum(worker.cpu_times()[:2])):
                for number in range(20):
                    assert await other.call("echo", number, timeout=10) == number
                await asyncio.sleep(0.5)
            assert process.memory_info().rss - idle < 32 << 20
            transport.resume_reading()
            assert (await waiting).nbytes == size
            assert process.memory_info().rss - idle < 64 << 20

    play(scenario())
