"""Messages to frames and back (``docs/protocol.md``, "RPC socket").

Big binary values never pass through msgpack: they are sent from, and received into, memory of their own.
"""

import struct
import sys
from typing import Any, Iterator, List, Optional, Tuple, Union

import msgpack

SUBPROTOCOL = "imjoy.v1"
# What is sent: as fast as the largest, and the engine holds a quarter of that for each array that passes through.
SENT_FRAME_BYTES = 1 << 18
BUFFER_MIN_BYTES = 4096
BUFFER_EXT_TYPE = 1
DEFAULT_MAX_MESSAGE_BYTES = 2 << 30
MAX_BUFFERS = 1 << 16

_LAST = b"\x00"
_MORE = b"\x01"
_COUNTS = struct.Struct("<II")
_INDEX = struct.Struct("<I")
_LENGTH = struct.Struct("<Q")
_SCALARS = frozenset([str, int, float, bool, type(None)])

Binary = Union[bytes, bytearray, memoryview]


class WireError(ValueError):
    """The other end sent bytes that are no message, or one over the limit."""


class _Buffer:
    """Stands in a message for a binary value that travels beside it; unknown to msgpack, so that its hook is asked."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


def _pack_buffer(value: Any) -> msgpack.ExtType:
    if isinstance(value, _Buffer):
        return msgpack.ExtType(BUFFER_EXT_TYPE, _INDEX.pack(value.index))
    raise TypeError("a {} cannot be sent".format(type(value).__name__))


def _take_buffers(value: Any, buffers: List[memoryview]) -> Any:
    """Return ``value`` with every big binary value moved to ``buffers``; containers without one are not copied."""
    if isinstance(value, dict):
        changed = None
        for key, item in value.items():
            if (
                type(item) in _SCALARS
            ):  # most are, and a call for each is a tenth of what a small message costs
                continue
            taken = _take_buffers(item, buffers)
            if taken is not item:
                if changed is None:
                    changed = dict(value)
                changed[key] = taken
        return value if changed is None else changed
    if isinstance(value, (list, tuple)):
        copy = None
        for position, item in enumerate(value):
            if type(item) in _SCALARS:
                continue
            taken = _take_buffers(item, buffers)
            if taken is not item:
                if copy is None:
                    copy = list(value)
                copy[position] = taken
        return value if copy is None else copy
    if isinstance(value, (bytes, bytearray, memoryview)):
        view = memoryview(value)
        if view.nbytes >= BUFFER_MIN_BYTES:
            if not (view.contiguous and view.format == "B" and view.ndim == 1):
                view = memoryview(view.tobytes())
            buffers.append(view)
            return _Buffer(len(buffers) - 1)
    return value


def frames(message: Any) -> Iterator[bytes]:
    """Return the frames of ``message``, each ready to be sent as one binary WebSocket message.

    The big binary values in it are read while the frames are taken: they must not change until then.

    Raises:
        TypeError: something in the message has no form on the wire.
    """
    buffers: List[memoryview] = []
    head = msgpack.packb(_take_buffers(message, buffers), default=_pack_buffer)
    lengths = b"".join(_LENGTH.pack(view.nbytes) for view in buffers)
    start = _COUNTS.pack(len(head), len(buffers)) + lengths + head
    if not buffers and len(start) < SENT_FRAME_BYTES:
        return iter([_LAST + start])
    return _cut([memoryview(start)] + buffers)


def _cut(pieces: List[memoryview]) -> Iterator[bytes]:
    """Cut what stands in ``pieces``, one behind the other, into frames."""
    room = SENT_FRAME_BYTES - 1
    left = sum(piece.nbytes for piece in pieces)
    parts: List[Union[bytes, memoryview]] = []
    filled = 0
    for piece in pieces:
        position = 0
        while position < piece.nbytes:
            part = piece[position : position + room - filled]
            parts.append(part)
            position += part.nbytes
            filled += part.nbytes
            left -= part.nbytes
            if filled == room or left == 0:
                yield b"".join([_MORE if left else _LAST, *parts])
                parts = []
                filled = 0


def _allocate(size: int) -> memoryview:
    """Return writable memory of ``size`` bytes; numpy's is not cleared first, which is a pass over it less."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and hasattr(numpy, "empty"):
        return memoryview(numpy.empty(size, "uint8"))
    return memoryview(bytearray(size))


class Assembler:
    """Puts frames together into messages; holds one message at most, at most ``max_bytes`` of it."""

    def __init__(self, max_bytes: int = DEFAULT_MAX_MESSAGE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._start = bytearray()
        self._targets: Optional[List[memoryview]] = None
        self._target = 0
        self._position = 0

    def feed(self, frame: Binary) -> Optional[Tuple[Any]]:
        """Take one frame; return a tuple of the message when it is complete, else None.

        Binary values that travelled as buffers come as writable ``memoryview``.

        Raises:
            WireError: the frame does not fit the protocol; the socket is of no use any more.
        """
        view = memoryview(frame)
        if not view.nbytes or view[0] > 1:
            raise WireError("a frame without its flag")
        last = view[0] == 0
        rest = view[1:]
        if self._targets is None:
            if last and not self._start:
                whole = self._whole(rest)
                if whole is not None:
                    return whole
            self._start += rest
            rest = self._open()
        if self._targets is not None:
            self._fill(rest)
        if not last:
            return None
        return self._close()

    @staticmethod
    def _whole(rest: memoryview) -> Optional[Tuple[Any]]:
        """Unpack a message of one frame without buffers, the common case, straight from the frame."""
        if rest.nbytes < _COUNTS.size:
            raise WireError("a message shorter than its own header")
        head_length, count = _COUNTS.unpack_from(rest)
        if count:
            return None
        if rest.nbytes != _COUNTS.size + head_length:
            raise WireError("a message of another length than it says")
        return (_unpack(rest[_COUNTS.size :], []),)

    def _open(self) -> memoryview:
        """Read the lengths once they are there, make room, and return what is left of the bytes so far."""
        start = self._start
        nothing = memoryview(b"")
        if len(start) < _COUNTS.size:
            return nothing
        head_length, count = _COUNTS.unpack_from(start)
        if count > MAX_BUFFERS:
            raise WireError("{} buffers in one message".format(count))
        table_end = _COUNTS.size + count * _LENGTH.size
        if len(start) < table_end:
            return nothing
        lengths = [_LENGTH.unpack_from(start, _COUNTS.size + i * _LENGTH.size)[0] for i in range(count)]
        if head_length + sum(lengths) > self._max_bytes:
            raise WireError("a message of {} bytes, over the limit".format(head_length + sum(lengths)))
        self._targets = [_allocate(length) for length in [head_length] + lengths]
        self._target = 0
        self._position = 0
        self._start = bytearray()
        return memoryview(start)[table_end:]

    def _fill(self, data: memoryview) -> None:
        targets = self._targets or []
        while data.nbytes:
            if self._target == len(targets):
                raise WireError("a message longer than it says")
            target = targets[self._target]
            take = min(data.nbytes, target.nbytes - self._position)
            target[self._position : self._position + take] = data[:take]
            self._position += take
            data = data[take:]
            if self._position == target.nbytes:
                self._target += 1
                self._position = 0

    def _close(self) -> Tuple[Any]:
        targets = self._targets
        if targets is None:
            raise WireError("a message shorter than its own header")
        while self._target < len(targets) and targets[self._target].nbytes == 0:
            self._target += 1
        if self._target < len(targets):
            raise WireError("a message shorter than it says")
        self._targets = None
        return (_unpack(targets[0], targets[1:]),)


def _unpack(head: memoryview, buffers: List[memoryview]) -> Any:
    def ext_hook(code: int, data: bytes) -> Any:
        if code != BUFFER_EXT_TYPE or len(data) != _INDEX.size:
            raise WireError("unknown ext type {}".format(code))
        index = _INDEX.unpack(data)[0]
        if index >= len(buffers):
            raise WireError("buffer {} is not there".format(index))
        return buffers[index]

    try:
        return msgpack.unpackb(head, raw=False, strict_map_key=False, ext_hook=ext_hook)
    except WireError:
        raise
    except (ValueError, msgpack.UnpackException, RecursionError) as error:
        raise WireError("a head that is not msgpack: {}".format(error)) from error
