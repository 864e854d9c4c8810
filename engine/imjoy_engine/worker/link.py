"""One imjoy-rpc connection over one WebSocket; used by the worker and by the Python client."""

import asyncio
import threading
import types
from collections import deque
from functools import partial
from typing import Any, Callable, Coroutine, Deque, Dict, Generator, Optional, Tuple

import websockets
from imjoy_rpc.utils import MessageEmitter

from .wire import DEFAULT_MAX_MESSAGE_BYTES, FRAME_BYTES, SUBPROTOCOL, Assembler, WireError, frames

_connect: Any
try:
    from websockets.asyncio import client

    _connect = client.connect
    _HEADERS = "additional_headers"
except ImportError:  # websockets below 13, the newest for Python 3.6 and 3.7
    _connect = websockets.connect
    _HEADERS = "extra_headers"

_MAJOR = int(websockets.__version__.split(".")[0]) if hasattr(websockets, "__version__") else 0
CONNECT_TIMEOUT_SECONDS = 15
ABNORMAL_CLOSE = 1006
SOCKET_BUFFER_BYTES = 1 << 20


async def open_socket(url: str, secret: str, subprotocol: str = SUBPROTOCOL) -> Any:
    """Connect to a WebSocket of the engine, showing ``secret``; never through a proxy.

    Raises:
        OSError, websockets.WebSocketException, asyncio.TimeoutError: the engine did not answer as one.
    """
    options: Dict[str, Any] = {_HEADERS: {"Authorization": "Bearer " + secret}}
    if _MAJOR >= 15:
        options["proxy"] = None
    return await asyncio.wait_for(
        _connect(
            url,
            subprotocols=[subprotocol],
            max_size=FRAME_BYTES,
            compression=None,  # packing binary frames made everything five times slower
            ping_interval=None,  # a plugin may compute for minutes without coming back to its loop
            write_limit=SOCKET_BUFFER_BYTES,
            **options,
        ),
        CONNECT_TIMEOUT_SECONDS,
    )


@types.coroutine
def _resume(started: Coroutine[Any, Any, None], waiting_for: Any) -> Generator[Any, Any, None]:
    """Go on with a coroutine that was started by hand and now waits for ``waiting_for``."""
    while True:
        try:
            value = yield waiting_for
        except BaseException as error:  # passed on, not handled
            step = partial(started.throw, error)
        else:
            step = partial(started.send, value)
        try:
            waiting_for = step()
        except StopIteration:
            return


class Link(MessageEmitter):  # type: ignore[misc]
    """Sends and receives imjoy-rpc messages in order.

    ``emit`` writes to the socket before it returns when the socket takes it, so that a plugin that computes without
    coming back to its event loop still shows its progress; it may be called from any thread.
    """

    def __init__(self, socket: Any, peer_id: str, max_bytes: int = DEFAULT_MAX_MESSAGE_BYTES) -> None:
        super().__init__()
        self.peer_id = peer_id
        self.closed = False
        self._socket = socket
        self._loop = asyncio.get_event_loop()
        self._thread = threading.get_ident()
        self._waiting: Deque[Dict[str, Any]] = deque()
        self._sender: Optional[asyncio.Future[None]] = None
        self._assembler = Assembler(max_bytes)

    def emit(self, message: Dict[str, Any]) -> None:
        """Send a message, or queue it behind those that wait. A closed link drops it."""
        if threading.get_ident() == self._thread:
            self._emit(message)
        else:
            self._loop.call_soon_threadsafe(self._emit, message)

    def _emit(self, message: Dict[str, Any]) -> None:
        if self.closed:
            return
        self._waiting.append(message)
        if self._sender is not None:
            return
        sending = self._send_waiting()
        if self._socket.state.name == "OPEN":
            # The first step runs here and now. (Not while closing: then websockets arms a timeout on the current task.)
            try:
                waiting_for = sending.send(None)
            except StopIteration:
                return
            sending = _as_coroutine(_resume(sending, waiting_for))
        self._sender = asyncio.ensure_future(sending)
        self._sender.add_done_callback(self._sent)

    def _sent(self, sender: "asyncio.Future[None]") -> None:
        self._sender = None
        if not sender.cancelled():
            sender.exception()

    async def _send_waiting(self) -> None:
        while self._waiting:
            message = self._waiting.popleft()
            try:
                for frame in frames(message):
                    await self._socket.send(frame)
            except websockets.ConnectionClosed:
                self.closed = True
                self._waiting.clear()

    async def flush(self) -> None:
        """Wait until everything emitted so far is with the operating system."""
        while self._sender is not None:
            await asyncio.wait([self._sender])

    async def receive(self, handle: Callable[[Dict[str, Any]], None]) -> Tuple[int, str]:
        """Hand every message to ``handle`` until the socket closes; return the close code and the reason given."""
        try:
            while True:
                frame = await self._socket.recv()
                if isinstance(frame, str):
                    raise WireError("a text frame")
                whole = self._assembler.feed(frame)
                if whole is not None:
                    handle(whole[0])
        except websockets.ConnectionClosed as closed:
            received = getattr(
                closed, "rcvd", closed
            )  # websockets before 10 has code and reason on the error
            return getattr(received, "code", ABNORMAL_CLOSE), getattr(received, "reason", "") or ""
        except WireError as error:
            reason = str(error)
            await self._socket.close(1008, reason[:120])
            return 1008, reason
        finally:
            self.closed = True

    async def close(self) -> None:
        """Send what waits, then close the socket."""
        await self.flush()
        self.closed = True
        await self._socket.close()

    def disconnect(self) -> None:
        """End the conversation, without waiting for it (imjoy-rpc calls this)."""
        self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self.close()))


async def _as_coroutine(generator: Any) -> None:
    await generator
