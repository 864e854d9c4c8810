"""One imjoy-rpc connection over one WebSocket; used by the worker and by the Python client."""

import asyncio
import threading
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterator, Optional

from imjoy_rpc.utils import MessageEmitter

from .websocket import ClientSocket, Data
from .wire import DEFAULT_MAX_MESSAGE_BYTES, Assembler, WireError, frames


class RpcConnection(MessageEmitter):  # type: ignore[misc]
    """Sends and receives imjoy-rpc messages, in order, without holding more than the socket takes.

    ``emit`` may be called from any thread.
    """

    def __init__(
        self, socket: ClientSocket, peer_id: str, max_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    ) -> None:
        super().__init__()
        self.peer_id = peer_id
        self._socket = socket
        self._loop = asyncio.get_event_loop()
        self._thread = threading.get_ident()
        self._waiting: Deque[Iterator[bytes]] = deque()
        self._assembler = Assembler(max_bytes)
        self._sent = asyncio.Event()
        self._sent.set()
        self.on_emit: Optional[Callable[[Dict[str, Any]], None]] = None

    def listen(self, handle: Callable[[Dict[str, Any]], None]) -> None:
        """Hand every message to ``handle``, from now on."""
        self._handle = handle
        self._socket.listen(self._take, self._go_on)

    @property
    def closed(self) -> "asyncio.Future[Any]":
        """Becomes the close code and reason when the socket has closed."""
        return self._socket.closed

    def emit(self, message: Dict[str, Any]) -> None:
        """Send a message, behind those that wait. A closed link drops it.

        Raises TypeError for a message that has no form on the wire.
        """
        pieces = frames(message)
        if self.on_emit is not None:
            self.on_emit(message)
        self._pass_on(pieces)

    def emit_again(self, message: Dict[str, Any]) -> None:
        """Send a message that ``on_emit`` had before, or need not have."""
        self._pass_on(frames(message))

    def _pass_on(self, pieces: Iterator[bytes]) -> None:
        if threading.get_ident() == self._thread:
            self._emit(pieces)
        else:
            self._loop.call_soon_threadsafe(self._emit, pieces)

    def _emit(self, pieces: Iterator[bytes]) -> None:
        self._waiting.append(pieces)
        self._go_on()

    def _go_on(self) -> None:
        """Send until the socket has enough; it calls again when it takes more."""
        while self._waiting and self._socket.writable:
            frame = next(self._waiting[0], None)
            if frame is None:
                self._waiting.popleft()
            else:
                self._socket.send(frame)
        if self._waiting:
            self._sent.clear()
        else:
            self._sent.set()

    def _take(self, frame: Data) -> None:
        try:
            if isinstance(frame, str):
                raise WireError("a text frame")
            whole = self._assembler.feed(frame)
            if whole is None:
                return
            if not isinstance(whole[0], dict) or not isinstance(whole[0].get("type"), str):
                raise WireError("a message without its type")
        except WireError as error:
            asyncio.ensure_future(self._socket.close(1008, str(error)[:120]))
        else:
            self._handle(whole[0])

    async def close(self) -> None:
        """Send what waits, then close the socket."""
        sent: "asyncio.Future[Any]" = asyncio.ensure_future(self._sent.wait())
        await asyncio.wait([sent, self.closed], return_when=asyncio.FIRST_COMPLETED)
        sent.cancel()
        await self._socket.close()

    def disconnect(self) -> None:
        """End the conversation, without waiting for it (imjoy-rpc calls this)."""
        self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self.close()))
