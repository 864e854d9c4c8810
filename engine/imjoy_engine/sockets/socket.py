"""The engine's end of a WebSocket."""

from __future__ import annotations

import asyncio
import math
import socket
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from imjoy_engine.sockets.close import Close

FRAME_BYTES = 1 << 20
CLOSE_SECONDS = 2.0
POLL_SECONDS = 0.1


class Socket(web.WebSocketResponse):
    """A socket as every socket here is: frames of at most 1 MiB, never compressed (that made it 5 x slower)."""

    def __init__(self, *subprotocols: str, autoping: bool = True) -> None:
        super().__init__(
            autoping=autoping,
            protocols=subprotocols,
            max_msg_size=FRAME_BYTES + 1,  # aiohttp refuses what is not below it
            compress=False,
            timeout=CLOSE_SECONDS,
        )
        self._transport: asyncio.Transport | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Answer the request that asks for a socket."""
        self._transport = request.transport
        return await super().prepare(request)

    def give_up_after(self, seconds: float) -> None:
        """Have the system break the connection when its other side confirms nothing that it is sent for so long."""
        option = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux; others take some ten minutes
        connection = self.get_extra_info("socket")
        if option is not None and connection is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, math.ceil(seconds * 1000))

    @property
    def broken(self) -> bool:
        """Whether the connection is gone, which one who does not receive is not told."""
        return self._transport is None or self._transport.is_closing()

    async def end(self, close: Close, seconds: float) -> None:
        """Say good-bye, and send what is left; after ``seconds`` the connection is gone in any case."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # Where a sender was cancelled while it waited, aiohttp cancels who comes after it: so a task of its own.
        closing = asyncio.ensure_future(self.close(code=close.code, message=close.reason.encode()))
        await asyncio.wait({closing}, timeout=seconds)
        closing.cancel()
        # A transport that was closed does not say when it has sent the rest, and has no deadline.
        while self._transport is not None and self._transport.get_write_buffer_size():
            if loop.time() >= deadline:
                self._transport.abort()
                return
            await asyncio.sleep(POLL_SECONDS)
