"""A WebSocket to the engine: websockets' protocol on an asyncio transport.

``send`` writes to the system before it returns, and what arrives is handed on from where it was read. Compared with
``websockets.asyncio`` that is 60 microseconds less for a small call and its answer, and a plugin that computes without
coming back to its event loop still shows its progress. The protocol class is in every websockets from 9.1 (Python 3.6)
on; where there is none, :mod:`.plain_protocol` stands in.
"""

import asyncio
import contextlib
import os
import struct
from typing import Any, Callable, List, Optional, Tuple, Union

from .protocol import apply_mask, new_protocol, parse_uri

CONNECT_SECONDS = 15
CLOSE_SECONDS = 5
NO_STATUS = 1005
ABNORMAL_CLOSE = 1006
SWITCHING_PROTOCOLS = 101
FINAL_BINARY, MASKED = 0x82, 0x80  # RFC 6455, section 5.2
MASK_BYTES = 4
MASKS_AT_ONCE = 64
_SHORT, _MEDIUM, _LONG = struct.Struct("!BB"), struct.Struct("!BBH"), struct.Struct("!BBQ")

# Larger frames are sent at once, by themselves.
GATHERED_BYTES = 4096
# The transport takes this much before it asks us to wait.
WRITE_BUFFER_BYTES = 1 << 20

CONTINUATION, TEXT, BINARY, CLOSE = 0, 1, 2, 8  # RFC 6455, section 5.2

Data = Union[str, bytes]


class SocketRefused(ConnectionError):
    """The engine answered, but not with a WebSocket; ``status`` is its HTTP status, 0 when it had none."""

    def __init__(self, status: int) -> None:
        super().__init__("the engine refused the connection (HTTP status {})".format(status))
        self.status = status


class ClientSocket(asyncio.Protocol):
    """One connection. ``closed`` becomes ``(code, reason)``, whichever side ends it and however.

    With ``gathers`` set, small messages that are sent in one turn of the event loop leave in one system call.
    """

    def __init__(self, url: str, secret: str, subprotocol: str, silence: Optional[float] = None) -> None:
        self._protocol = new_protocol(url, subprotocol)
        self._silence = silence
        self._masks = b""
        self._gathered: List[bytes] = []
        self.gathers = False
        self._heard = True
        self._secret = secret
        self._transport: Any = None
        self._handlers: Optional[Tuple[Callable[[Data], None], Callable[[], None]]] = None
        self._early: List[Data] = []
        self._parts: List[bytes] = []
        self._opcode = 0
        self._close: Tuple[int, str] = (ABNORMAL_CLOSE, "")
        self.writable = True
        loop = asyncio.get_event_loop()
        self.opened: "asyncio.Future[None]" = loop.create_future()
        self.closed: "asyncio.Future[Tuple[int, str]]" = loop.create_future()

    def listen(
        self, on_message: Callable[[Data], None], on_writable: Callable[[], None] = lambda: None
    ) -> None:
        """Hand every message to ``on_message``, those that came already first; ``on_writable`` after each pause."""
        self._handlers = on_message, on_writable
        early, self._early = self._early, []
        for message in early:
            on_message(message)

    def send(self, message: Data) -> None:
        """Send one message. Nothing is sent on a closed socket; watch ``writable`` before sending much."""
        if self.closed.done() or self._protocol.state.name != "OPEN":
            return
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
            self._flush()
            return
        frame = self._binary_frame(message)
        if not self.gathers or len(frame) > GATHERED_BYTES:
            self._send_gathered()
            self._transport.write(frame)
            return
        if not self._gathered:
            asyncio.get_event_loop().call_soon(self._send_gathered)
        self._gathered.append(frame)

    def _binary_frame(self, message: bytes) -> bytes:
        """Return the frame for a message, masked (RFC 6455, section 5.2).

        The protocol's own way is 6 of the 45 microseconds that a call costs at each end, most of them for an object
        that is thrown away and for four random bytes from the system at a time.
        """
        if len(self._masks) < MASK_BYTES:
            self._masks = os.urandom(MASKS_AT_ONCE * MASK_BYTES)
        mask, self._masks = self._masks[:MASK_BYTES], self._masks[MASK_BYTES:]
        size = len(message)
        if size < 126:
            head = _SHORT.pack(FINAL_BINARY, MASKED | size)
        elif size < 1 << 16:
            head = _MEDIUM.pack(FINAL_BINARY, MASKED | 126, size)
        else:
            head = _LONG.pack(FINAL_BINARY, MASKED | 127, size)
        return b"".join((head, mask, apply_mask(message, mask)))

    def _send_gathered(self) -> None:
        if self._gathered:
            gathered, self._gathered = b"".join(self._gathered), []
            self._transport.write(gathered)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say good-bye, and wait a little for the other side to do so. May be repeated."""
        if self._protocol.state.name == "OPEN":
            self._protocol.send_close(code, reason)
            self._flush()
        await asyncio.wait([self.closed], timeout=CLOSE_SECONDS)
        self.abort()

    def abort(self) -> None:
        """Close without a word."""
        self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: Any) -> None:
        """Ask for the WebSocket."""
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        request = self._protocol.connect()
        request.headers["Authorization"] = "Bearer " + self._secret
        self._protocol.send_request(request)
        self._flush()
        if self._silence is not None:
            asyncio.get_event_loop().call_later(self._silence, self._listen_for_life, self._silence, False)

    def _listen_for_life(self, silence: float, asked: bool) -> None:
        """Ping when nothing has come for so many seconds, and give up when nothing comes after that either.

        A program that did not come back to its event loop for long finds this due before what has arrived meanwhile: so
        the ping, and the wait for its answer.
        """
        if self.closed.done():
            return
        if asked and not self._heard:
            self._close = (
                ABNORMAL_CLOSE,
                "nothing was heard of the engine for {:g} s".format(silence * 1.25),
            )
            self.abort()
            return
        quiet, self._heard = not self._heard, False
        if quiet and self._protocol.state.name == "OPEN":
            self._protocol.send_ping(b"")
            self._flush()
        wait = silence / 4 if quiet else silence
        asyncio.get_event_loop().call_later(wait, self._listen_for_life, silence, quiet)

    def data_received(self, data: bytes) -> None:
        """Take what has arrived."""
        self._heard = True
        self._step(self._protocol.receive_data, data)

    def eof_received(self) -> bool:
        """Take note that the other side will send no more."""
        self._step(self._protocol.receive_eof)
        return False

    def connection_lost(self, error: Optional[Exception]) -> None:
        """Report the end."""
        if not self.opened.done():
            self.opened.set_exception(error or SocketRefused(0))
        if not self.closed.done():
            self.closed.set_result(self._close)

    def pause_writing(self) -> None:
        """Stop writing until what was written has gone out."""
        self.writable = False

    def resume_writing(self) -> None:
        """Go on writing."""
        self.writable = True
        if self._handlers is not None:
            self._handlers[1]()

    # What the protocol makes of it

    def _step(self, take: Callable[..., None], *data: bytes) -> None:
        # Versions differ in what they raise for broken frames; either way the protocol has noted how to close.
        with contextlib.suppress(Exception):
            take(*data)
        for event in self._protocol.events_received():
            if self.opened.done():
                self._take_frame(event)
            else:
                self._take_response(event)
        self._flush()

    def _take_response(self, response: Any) -> None:
        # The engine's good-bye may have come with its answer.
        agreed = self._protocol.state.name in ("OPEN", "CLOSING")
        if response.status_code == SWITCHING_PROTOCOLS and agreed:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(SocketRefused(response.status_code))
            self._transport.close()

    def _take_frame(self, frame: Any) -> None:
        opcode = int(frame.opcode)
        if opcode in (TEXT, BINARY, CONTINUATION):
            if opcode != CONTINUATION:
                self._opcode = opcode
            if frame.fin and not self._parts:
                self._deliver(frame.data)
                return
            self._parts.append(bytes(frame.data))
            if frame.fin:
                whole, self._parts = b"".join(self._parts), []
                self._deliver(whole)
        elif opcode == CLOSE:
            # RFC 6455, section 5.5.1; versions differ in when they tell these themselves.
            content = bytes(frame.data)
            self._close = (
                int.from_bytes(content[:2], "big") or NO_STATUS,
                content[2:].decode("utf-8", "replace"),
            )

    def _deliver(self, data: Any) -> None:
        message: Data = bytes(data).decode("utf-8", "replace") if self._opcode == TEXT else data
        if self._handlers is None:
            self._early.append(message)
        else:
            self._handlers[0](message)

    def _flush(self) -> None:
        self._send_gathered()
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
            else:
                self._transport.close()


async def open_socket(
    url: str, secret: str, subprotocol: str, tls: Any = None, silence: Optional[float] = None
) -> ClientSocket:
    """Connect to a url of the engine, showing ``secret``; never through a proxy.

    ``wss://`` needs ``tls``, an ``ssl.SSLContext`` that says whom to trust. An engine of which nothing is heard for
    ``silence`` seconds, and nothing for a quarter as long after a ping, has gone; without ``silence`` it never has.

    Raises:
        OSError, asyncio.TimeoutError: nobody answered; SocketRefused (an OSError): not with a WebSocket.
    """
    opening = asyncio.ensure_future(_connect(url, secret, subprotocol, tls, silence))
    try:
        await asyncio.wait([opening], timeout=CONNECT_SECONDS)
        if not opening.done():
            raise asyncio.TimeoutError("the engine did not answer within {} s".format(CONNECT_SECONDS))
        return opening.result()
    finally:
        opening.cancel()


async def _connect(
    url: str, secret: str, subprotocol: str, tls: Any, silence: Optional[float]
) -> ClientSocket:
    address = parse_uri(url)
    socket = ClientSocket(url, secret, subprotocol, silence)
    protocol: asyncio.Protocol = socket
    if tls is not None:
        from .tls import Tls

        protocol = Tls(socket, tls, address.host)
    transport, _ = await asyncio.get_event_loop().create_connection(
        lambda: protocol, address.host, address.port
    )
    try:
        await asyncio.wait([socket.opened])
    except asyncio.CancelledError:
        transport.abort()
        raise
    socket.opened.result()
    return socket
