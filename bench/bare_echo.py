"""The least that aiohttp's WebSockets can do: two ordinary processes, one sends back what the other sends.

``bare_echo.py`` serves, and says where; ``bare_echo.py URL`` measures: for each line ``COUNT BYTES`` on its standard
input it sends that often that much, and answers with the seconds that each took, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aiohttp
from aiohttp import web


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(max_msg_size=0, compress=False)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_bytes(message.data)
    return socket


async def serve() -> None:
    """Serve until standard input closes."""
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"ws://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


async def measure(url: str) -> None:
    """Measure what standard input asks for, until it closes."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0, compress=0) as socket,
    ):
        while line := await asyncio.to_thread(sys.stdin.readline):
            count, size = map(int, line.split())
            content = bytes(size)
            samples = []
            for _ in range(count):
                before = time.perf_counter()
                await socket.send_bytes(content)
                await socket.receive()
                samples.append(time.perf_counter() - before)
            print(json.dumps(samples), flush=True)


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1]) if len(sys.argv) > 1 else serve())
