"""The client's side of a WebSocket (RFC 6455) with the standard library alone.

It stands in for websockets' protocol in an interpreter that lacks websockets, and speaks to our engine only: no
extensions, no server that is not ours. It reads and writes nothing itself.
"""

import base64
import os
import struct
from collections import namedtuple
from typing import Any, Dict, List
from urllib.parse import urlsplit

CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
FINAL, MASKED = 0x80, 0x80
MASK_BYTES = 4
HEAD_END = b"\r\n\r\n"
MAX_HEAD_BYTES = 1 << 16
PROTOCOL_ERROR, TOO_BIG = 1002, 1009

Address = namedtuple("Address", ["host", "port", "resource", "secure"])
Response = namedtuple("Response", ["status_code"])
Frame = namedtuple("Frame", ["fin", "opcode", "data"])
Request = namedtuple("Request", ["headers"])
State = namedtuple("State", ["name"])


def parse_uri(url: str) -> Address:
    """Return where a ``ws://`` or ``wss://`` url leads."""
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    resource = (parts.path or "/") + ("?" + parts.query if parts.query else "")
    return Address(parts.hostname or "", parts.port or (443 if secure else 80), resource, secure)


def apply_mask(data: Any, mask: bytes) -> bytes:
    """Return ``data``, each byte of it combined with the one of ``mask`` whose turn it is."""
    size = len(data)
    repeated = (mask * (size // MASK_BYTES + 1))[:size]
    combined = int.from_bytes(data, "little") ^ int.from_bytes(repeated, "little")
    return combined.to_bytes(size, "little")


class PlainProtocol:
    """Bytes that come become events, and what is said becomes bytes; the names are those of websockets' protocol."""

    def __init__(self, url: str, subprotocol: str, max_bytes: int) -> None:
        self.state = State("CONNECTING")
        self._address = parse_uri(url)
        self._subprotocol = subprotocol
        self._max_bytes = max_bytes
        self._input = bytearray()
        self._output: List[bytes] = []
        self._events: List[Any] = []
        self._close_sent = False

    def connect(self) -> Request:
        """Return the request to send; its headers may be added to."""
        host = self._address.host
        headers: Dict[str, str] = {
            "Host": "{}:{}".format("[" + host + "]" if ":" in host else host, self._address.port),
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": self._subprotocol,
        }
        return Request(headers)

    def send_request(self, request: Request) -> None:
        """Ask for the WebSocket."""
        lines = ["GET {} HTTP/1.1".format(self._address.resource)]
        lines += ["{}: {}".format(name, value) for name, value in request.headers.items()]
        self._output.append("\r\n".join(lines).encode("latin-1") + HEAD_END)

    def send_text(self, data: bytes) -> None:
        """Send a text message."""
        self._send(TEXT, data)

    def send_ping(self, data: bytes) -> None:
        """Send a ping."""
        self._send(PING, data)

    def send_close(self, code: int = 1000, reason: str = "") -> None:
        """Begin to say good-bye, or answer the other side's."""
        if not self._close_sent:
            self._close_sent = True
            self._send(CLOSE, struct.pack("!H", code) + reason.encode()[:123])
            self.state = State("CLOSING")

    def _send(self, opcode: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = struct.pack("!BB", FINAL | opcode, MASKED | size)
        elif size < 1 << 16:
            head = struct.pack("!BBH", FINAL | opcode, MASKED | 126, size)
        else:
            head = struct.pack("!BBQ", FINAL | opcode, MASKED | 127, size)
        mask = os.urandom(MASK_BYTES)
        self._output.append(head + mask + apply_mask(data, mask))

    def data_to_send(self) -> List[bytes]:
        """Return what is to be written; an empty piece stands for the end of it."""
        output, self._output = self._output, []
        return output

    def events_received(self) -> List[Any]:
        """Return what has come, once: the response, then frames."""
        events, self._events = self._events, []
        return events

    def receive_eof(self) -> None:
        """The other side sends no more."""
        self.state = State("CLOSED")

    def receive_data(self, data: bytes) -> None:
        """Take what has come."""
        self._input += data
        if self.state.name == "CONNECTING" and not self._take_response():
            return
        while self.state.name in ("OPEN", "CLOSING") and self._take_frame():
            continue

    def _take_response(self) -> bool:
        end = self._input.find(HEAD_END)
        if end < 0:
            if len(self._input) > MAX_HEAD_BYTES:
                self._refuse(0)
            return False
        words = bytes(self._input[:end]).split(b"\r\n", 1)[0].split(b" ")
        del self._input[: end + len(HEAD_END)]
        status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
        if status != 101:
            self._refuse(status)
            return False
        self.state = State("OPEN")
        self._events.append(Response(status))
        return True

    def _refuse(self, status: int) -> None:
        self.state = State("CLOSED")
        self._events.append(Response(status))

    def _take_frame(self) -> bool:
        """Take one frame; tell whether there was a whole one."""
        data = self._input
        if len(data) < 2:
            return False
        size, start = data[1] & 0x7F, 2
        if size >= 126:
            start, form = (4, "!H") if size == 126 else (10, "!Q")
            if len(data) < start:
                return False
            size = struct.unpack_from(form, data, 2)[0]
        opcode = data[0] & 0x0F
        if data[0] & 0x70 or data[1] & MASKED or (opcode >= CLOSE and size > 125):
            return self._fail(PROTOCOL_ERROR)
        if size > self._max_bytes:
            return self._fail(TOO_BIG)
        if len(data) < start + size:
            return False
        content = bytes(memoryview(data)[start : start + size])
        frame = Frame(bool(data[0] & FINAL), opcode, content)
        del data[: start + size]
        self._events.append(frame)
        if opcode == PING:
            self._send(PONG, content)
        elif opcode == CLOSE:
            code = struct.unpack("!H", content[:2])[0] if len(content) > 1 else 1000
            self.send_close(code)
            # The server closes the connection first (RFC 6455, section 7.1.1).
            self.state = State("CLOSING")
        return True

    def _fail(self, code: int) -> bool:
        self.send_close(code)
        self.state = State("CLOSED")
        self._output.append(b"")
        return False
