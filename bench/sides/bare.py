"""The least that aiohttp's WebSockets can do: two ordinary processes, one sends back what the other sends.

``bare.py serve PORT`` is the server; without arguments this is the driver.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
from aiohttp import web
from driver import Driver, main


async def echo(request: web.Request) -> web.StreamResponse:
    """Send back what comes; answer a plain request with a word."""
    socket = web.WebSocketResponse(max_msg_size=0, compress=False)
    if not socket.can_prepare(request):
        return web.Response(text="here")
    await socket.prepare(request)
    async for message in socket:
        await socket.send_bytes(message.data)
    return socket


class Bare(Driver):
    async def open(self) -> None:
        self._session = aiohttp.ClientSession()
        self._socket = await self._session.ws_connect(
            self.url.replace("http", "ws"), max_msg_size=0, compress=0
        )

    def array(self, size: int) -> Any:
        return bytes(size)

    async def echo(self, value: Any) -> Any:
        await self._socket.send_bytes(value if isinstance(value, bytes) else bytes(100))
        return (await self._socket.receive()).data

    async def do_rate(self, count: int) -> list[float]:
        """Answers carry no name here: with many in flight nobody would know whose they are."""
        return []

    async def close(self) -> None:
        await self._socket.close()
        await self._session.close()


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    app = web.Application()
    app.router.add_get("/", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(serve(int(sys.argv[2])))
    else:
        main(Bare)
