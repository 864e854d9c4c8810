"""Clients that go while their plugin takes nothing: the engine notices, and lets all that was theirs go."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import psutil
import pytest

from .conftest import RunningEngine, StartEngine, plugin_source
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


async def upload(page: Any) -> None:
    """Send more than all that is in between holds."""
    with suppress(ConnectionError):
        for _ in range(64):
            await page.send_bytes(bytes(1 << 20))


def test_a_page_whose_plugin_takes_no_more_keeps_its_run_as_long_as_it_is_there(
    start_engine: StartEngine, play: Callable[[Any], Any]
) -> None:
    engine = start_engine()

    async def scenario() -> None:
        first = await engine.open(ECHO)
        running = (await engine.client.request("GET", "/api/v1/plugins"))["plugins"][0]
        body = {"source": plugin_source(ECHO), "file": "test.imjoy.html", "resume": ["another", "run"]}
        headers = {"Authorization": f"Bearer {engine.token}"}
        async with aiohttp.ClientSession(engine.url, headers=headers) as http:

            async def is_elsewhere() -> bool:
                async with http.post("/api/v1/plugins", json=body) as answer:
                    return bool((await answer.json())["elsewhere"])

            page = await http.ws_connect(f"/api/v1/plugins/{running['id']}/rpc", protocols=("imjoy.v1",))
            await page.receive()
            worker = psutil.Process(running["pid"])
            worker.suspend()
            await page.send_bytes(b'\x02{"calls": ["run"]}')
            uploading = asyncio.ensure_future(upload(page))
            hearing = asyncio.ensure_future(page.receive())
            connection = page._response.connection
            assert connection is not None and connection.transport is not None
            unsent = before = 0
            while not unsent or unsent != before:
                before = unsent
                await asyncio.sleep(0.5)
                unsent = connection.transport.get_write_buffer_size()
            assert await is_elsewhere()
            assert not page.closed and not uploading.done()
            connection.transport.abort()
            assert not await is_elsewhere()
            await asyncio.gather(uploading, hearing, return_exceptions=True)
            worker.kill()
        await first.close()

    play(scenario())
