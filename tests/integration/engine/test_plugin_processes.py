"""What a plugin starts ends with it, whatever it did to get away, and hides from nobody that the plugin ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from imjoy.model.errors import ImJoyError

from .conftest import RunningEngine
from .holding import nothing_kept

Play = Callable[[Any], Any]

# Each starts a process that lives for long, in another way, and returns its number.
STARTERS = """
import os, subprocess, sys, time

SLEEP = ["sleep", "1000"]

def plainly():
    return subprocess.Popen(SLEEP).pid

def in_a_session():
    return subprocess.Popen(SLEEP, start_new_session=True).pid

def twice_forked():
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, b"%d" % os.getpid())
            os.execvp(SLEEP[0], SLEEP)
        os._exit(0)
    os.wait()
    return int(os.read(reading, 32))

def deaf():
    program = (
        "import signal, time\\n"
        "for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(each, signal.SIG_IGN)\\n"
        "print('ready', flush=True)\\n"
        "time.sleep(1000)"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    child.stdout.readline()
    return child.pid

def leave(code):
    print("good bye", flush=True)
    os._exit(code)

api.export({
    "plainly": plainly, "in_a_session": in_a_session, "twice_forked": twice_forked, "deaf": deaf,
    "pid": os.getpid, "leave": leave,
})
"""
WAYS = ("plainly", "in_a_session", "twice_forked", "deaf")
# A plugin that is stopped has five seconds to end itself, and its process two more before it is killed.
SOON_SECONDS = 4.0


def alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


def all_end(pids: list[int], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


async def start_all(connection: Any) -> list[int]:
    return [int(await connection.call(way)) for way in WAYS]


@pytest.mark.parametrize("flags", [[], ["allow-detach"]], ids=["", "allow-detach"])
def test_a_plugin_that_dies_is_said_to_have_died_though_its_child_holds_its_output(
    engine: RunningEngine, play: Play, flags: list[str]
) -> None:
    async def scenario() -> tuple[dict[str, Any], int, float]:
        plugin = await engine.start(STARTERS, flags=flags)
        connection = await engine.client.connect(plugin["id"], {})
        child = int(await connection.call("plainly"))
        before = time.monotonic()
        with pytest.raises(ImJoyError) as caught:
            await connection.call("leave", 7)
        assert caught.value.id == "plugin.gone"
        final = await engine.final(plugin["id"])
        await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
        seconds = time.monotonic() - before
        await connection.close()
        return final, child, seconds

    plugin, child, seconds = play(scenario())
    assert (plugin["state"], plugin["exit_code"], plugin["error"]["id"]) == ("failed", 7, "plugin.died")
    assert "good bye" in plugin["error"]["output"]
    assert seconds < SOON_SECONDS
    assert all_end([child])


def test_everything_ends_with_a_plugin_that_is_stopped(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> tuple[list[int], float]:
        async with nothing_kept(engine):
            plugin = await engine.start(STARTERS)
            connection = await engine.client.connect(plugin["id"], {})
            pids = await start_all(connection)
            before = time.monotonic()
            await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
            assert (await engine.final(plugin["id"]))["state"] == "exited"
            # It has ended when it says so.
            assert not any(alive(pid) for pid in pids)
            seconds = time.monotonic() - before
            await connection.close()
            return pids, seconds

    pids, seconds = play(scenario())
    assert len(set(pids)) == len(WAYS)
    assert seconds < SOON_SECONDS


def test_everything_ends_with_a_plugin_that_is_killed(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> list[int]:
        async with nothing_kept(engine):
            plugin = await engine.start(STARTERS)
            connection = await engine.client.connect(plugin["id"], {})
            pids = await start_all(connection)
            os.kill(int(await connection.call("pid")), signal.SIGKILL)
            final = await engine.final(plugin["id"])
            assert (final["state"], final["signal"]) == ("failed", "SIGKILL")
            assert not any(alive(pid) for pid in pids)
            await connection.close()
            return pids

    play(scenario())


@pytest.mark.parametrize("suspended", [False, True], ids=["", "suspended"])
def test_everything_ends_with_an_engine_that_is_killed(
    engine: RunningEngine, play: Play, suspended: bool
) -> None:
    async def scenario() -> list[int]:
        connection = await engine.open(STARTERS)
        pids = await start_all(connection)
        pid = int(await connection.call("pid"))
        if suspended:
            os.kill(pid, signal.SIGSTOP)
        engine.process.kill()
        engine.process.wait()
        await connection.wait_ended()
        await connection.close()
        return [*pids, pid]

    assert all_end(play(scenario()))


def test_everything_ends_with_an_engine_that_stops(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> list[int]:
        connection = await engine.open(STARTERS)
        pids = [*await start_all(connection), int(await connection.call("pid"))]
        assert await asyncio.to_thread(engine.stop) == 0
        await connection.wait_ended()
        await connection.close()
        return pids

    pids = play(scenario())
    assert not any(alive(pid) for pid in pids)


def test_a_plugin_s_process_is_the_one_that_it_says(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        plugin = await engine.start(STARTERS)
        async with await engine.client.connect(plugin["id"], {}) as connection:
            document = await engine.client.request("GET", f"/api/v1/plugins/{plugin['id']}")
            assert document["pid"] == await connection.call("pid")

    play(scenario())


def test_what_ends_before_the_plugin_does_not_stay_as_a_zombie(engine: RunningEngine, play: Play) -> None:
    script = """
import os

def orphan():
    # Its parent ends at once, it itself a moment later: whoever gets it has to wait for it.
    reading, writing = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.write(writing, b"%d" % os.getpid())
            os._exit(0)
        os._exit(0)
    os.wait()
    return int(os.read(reading, 32))

api.export({"orphan": orphan})
"""

    async def scenario() -> None:
        async with await engine.open(script) as plugin:
            orphan = int(await plugin.call("orphan"))
            deadline = time.monotonic() + 10
            while psutil.pid_exists(orphan):
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)

    play(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to a chosen ancestor")
def test_a_plugin_without_its_supervisor_ends(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> int:
        plugin = await engine.start(STARTERS)
        connection = await engine.client.connect(plugin["id"], {})
        pid = int(await connection.call("pid"))
        supervisor = psutil.Process(pid).parent()
        assert supervisor is not None and supervisor.pid != engine.process.pid
        supervisor.kill()
        assert (await engine.final(plugin["id"]))["state"] == "failed"
        await connection.wait_ended()
        await connection.close()
        return pid

    assert all_end([play(scenario())])
