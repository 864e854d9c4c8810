"""Whether the other side of a WebSocket is still there."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from aiohttp.http import WSMessage, WSMsgType

from imjoy_engine.sockets.close import Close
from imjoy_engine.sockets.socket import Socket

SILENT = 4408
PINGS_BEFORE_SILENCE = 3

LOST = Close(1000, "its connection broke")


class KeepAlive:
    """Receives from a client, and notices when it has gone without a word: a laptop that sleeps, a cable, a tunnel.

    Its socket is one without ``autoping``. ``on_answer`` is called when the client answers :meth:`answers_within`: what
    was on its way before does not count.
    """

    def __init__(self, socket: Socket, silence: float, on_answer: Callable[[], None] = lambda: None) -> None:
        self._socket = socket
        self._silence = silence
        self._listening = False
        self._heard = False
        self._word = asyncio.Event()
        self._questions = 0
        self._on_answer = on_answer
        self._pinging: asyncio.Future[None] | None = None

    async def receive(self) -> WSMessage:
        """Return the next message that is neither ping nor pong."""
        self._listening = True
        try:
            while True:
                message = await self._socket.receive()
                self._heard = True
                self._word.set()
                if message.type is WSMsgType.PONG and self._questions and message.data == self._question():
                    self._on_answer()
                if message.type is WSMsgType.PING:
                    await self._socket.pong(message.data)
                elif message.type is not WSMsgType.PONG:
                    return message
        finally:
            self._listening = False

    def _question(self) -> bytes:
        return b"%d" % self._questions

    def _ping(self, payload: bytes = b"") -> None:
        # A client that takes nothing any more blocks a ping too. To cancel it would cancel, in aiohttp, whoever else
        # waits to send.
        if self._pinging is None or self._pinging.done():
            self._pinging = asyncio.ensure_future(self._send_ping(payload))

    async def _send_ping(self, payload: bytes) -> None:
        # It may have gone before we were told.
        with contextlib.suppress(ConnectionError):
            await self._socket.ping(payload)

    async def answers_within(self, seconds: float) -> bool:
        """Ping; return whether anything is heard of the client within ``seconds``.

        One that we do not listen to meanwhile, as its plugin takes no more, is there as long as its connection is: what
        a system refuses that has none shows at a later ping.
        """
        self._word.clear()
        self._questions += 1
        listened = True
        for _ in range(PINGS_BEFORE_SILENCE):
            self._ping(self._question())
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._word.wait(), seconds / PINGS_BEFORE_SILENCE)
                return True
            if self._socket.broken:
                return False
            listened = listened and self._listening
        return not listened

    async def wait_for_silence(self) -> Close:
        """Ping now and then; return how to close when nothing has come for the seconds of silence, or can come.

        A client that was killed while we do not listen, as its plugin takes no more, is found by the pings that its
        system refuses; one whose machine has gone by what :meth:`Socket.give_up_after` set.
        """
        interval = self._silence / PINGS_BEFORE_SILENCE
        quiet = 0
        try:
            while quiet < PINGS_BEFORE_SILENCE:
                self._heard = False
                self._ping()
                await asyncio.sleep(interval)
                if self._socket.broken:
                    return LOST
                # While its plugin takes no more, we do not listen, and hear no answer either.
                quiet = 0 if self._heard or not self._listening else quiet + 1
        finally:
            if self._pinging is not None:
                self._pinging.cancel()
        return Close(SILENT, f"nothing was heard of this client for {self._silence:g} s")
