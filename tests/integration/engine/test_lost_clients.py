"""Clients that go while their plugin takes nothing: the engine notices, and lets all that was theirs go."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from .conftest import RunningEngine, StartEngine
from .holding import nothing_kept

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot suspend a process")

QUICK = ("--silence", "0.9", "--force-quit-timeout", "0.5")
ECHO = "import os\napi.export({'echo': lambda value: value, 'pid': os.getpid})"
UPLOADER = """
import asyncio, sys
from imjoy_engine.terminal.client import EngineClient

async def main(url, token, plugin):
    connection = await EngineClient(url, token).connect(plugin, {}, timeout=30)
    print(await connection.call("pid"), flush=True)
    sys.stdin.readline()
    call = asyncio.ensure_future(connection.call("echo", bytes(64 << 20)))
    unsent = left = 0
    # The engine goes on pinging, and the answers queue up behind.
    while not unsent or unsent - left > 1024:
        unsent = connection._link._socket._transport.get_write_buffer_size()
        await asyncio.sleep(0.3)
        left = connection._link._socket._transport.get_write_buffer_size()
    print("stalled", flush=True)
    await call

asyncio.run(main(*sys.argv[1:]))
"""


async def lose_a_client(engine: RunningEngine, plugin: str) -> int:
    """Suspend the plugin's worker, and kill its client in the middle of an upload; return the worker's pid."""
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", UPLOADER, engine.url, engine.token, plugin),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert client.stdout is not None
    assert client.stdin is not None
    pid = int(await client.stdout.readline())
    os.kill(pid, signal.SIGSTOP)
    client.stdin.write(b"\n")
    assert await client.stdout.readline() == b"stalled\n"
    client.kill()
    await client.wait()
    return pid


def test_a_client_killed_while_its_suspended_plugin_takes_no_more_is_noticed(
    start_engine: StartEngine, play: Callable[[Any], Any]
) -> None:
    engine = start_engine(*QUICK)

    async def scenario() -> None:
        async with nothing_kept(engine):
            plugin = (await engine.start(ECHO))["id"]
            pid = await lose_a_client(engine, plugin)
            assert (await engine.final(plugin))["state"] == "exited"
            assert not psutil.pid_exists(pid)
        assert "its connection broke" in engine.log()

    play(scenario())


def test_a_suspended_plugin_that_outlives_its_clients_keeps_nothing_of_one_that_was_killed(
    start_engine: StartEngine, play: Callable[[Any], Any]
) -> None:
    engine = start_engine(*QUICK)

    async def scenario() -> None:
        first = await engine.open(ECHO, flags=["allow-detach"])
        plugin = (await engine.client.request("GET", "/api/v1/plugins"))["plugins"][0]["id"]
        await first.close()
        async with nothing_kept(engine):
            pid = await lose_a_client(engine, plugin)
        os.kill(pid, signal.SIGCONT)
        async with await engine.client.connect(plugin, {}, timeout=30) as again:
            assert await again.call("echo", 1, timeout=10) == 1

    play(scenario())
