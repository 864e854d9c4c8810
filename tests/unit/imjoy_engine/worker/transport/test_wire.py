from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imjoy_engine.worker.transport import wire
from imjoy_engine.worker.transport.wire import (
    BUFFER_MIN_BYTES,
    SENT_FRAME_BYTES,
    Assembler,
    WireError,
    frames,
)

small = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
)


SMALL_FRAME_BYTES, SMALL_BUFFER_MIN_BYTES = 1 << 11, 1 << 7
# About where a value becomes a buffer, a message a second frame, a third.
big = st.builds(
    lambda size, more: bytes([more]) * (size + more - 20),
    st.sampled_from([SMALL_BUFFER_MIN_BYTES, SMALL_FRAME_BYTES, 2 * SMALL_FRAME_BYTES]),
    st.integers(0, 40),
)
messages = st.recursive(
    st.one_of(small, small, small, big),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=6,
)


@contextmanager
def small_frames() -> Iterator[None]:
    """Let frames and buffers be small while the block runs: the same edges, at a hundredth of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "SENT_FRAME_BYTES", SMALL_FRAME_BYTES)
        patch.setattr(wire, "BUFFER_MIN_BYTES", SMALL_BUFFER_MIN_BYTES)
        yield


def plain(value: Any) -> Any:
    """Return ``value`` with the views that buffers arrive as turned into bytes."""
    if isinstance(value, memoryview):
        return value.tobytes()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@given(messages)
def test_every_message_arrives_as_it_was_sent(message: Any) -> None:
    with small_frames():
        there_and_back(message, SMALL_FRAME_BYTES)


@pytest.mark.parametrize("size", [BUFFER_MIN_BYTES, SENT_FRAME_BYTES, 2 * SENT_FRAME_BYTES])
def test_messages_of_real_size_arrive_as_they_were_sent(size: int) -> None:
    for more in range(-20, 20):
        there_and_back({"value": bytes([more & 255]) * (size + more)}, SENT_FRAME_BYTES)


def there_and_back(message: Any, frame_bytes: int) -> None:
    assembler = Assembler()
    sent = list(frames(message))
    assert all(0 < len(frame) <= frame_bytes for frame in sent)
    results = [assembler.feed(frame) for frame in sent]
    assert results[:-1] == [None] * (len(sent) - 1)
    assert results[-1] is not None
    assert plain(results[-1][0]) == message


@given(messages, st.data())
def test_a_message_may_be_cut_into_frames_of_any_size(message: Any, data: st.DataObject) -> None:
    with small_frames():
        whole = b"".join(frame[1:] for frame in frames(message))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assembler = Assembler()
    for part in parts[:-1]:
        assert assembler.feed(b"\x01" + part) is None
    last = assembler.feed(b"\x00" + parts[-1])
    assert last is not None
    assert plain(last[0]) == message


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_arbitrary_bytes_are_a_wire_error_or_a_message(received: list[bytes]) -> None:
    assembler = Assembler(max_bytes=1 << 20)
    try:
        for frame in received:
            assembler.feed(frame)
    except WireError:
        pass


def test_a_message_over_the_limit_is_refused_before_there_is_room_made_for_it() -> None:
    header = (5).to_bytes(4, "little") + (1).to_bytes(4, "little") + (1 << 40).to_bytes(8, "little")
    with pytest.raises(WireError, match="over the limit"):
        Assembler().feed(b"\x01" + header)


def test_a_view_of_another_shape_travels_as_its_bytes() -> None:
    view = memoryview(bytes(range(256)) * 64).cast("I", (64, 64))
    (frame,) = frames({"view": view})
    whole = Assembler().feed(frame)
    assert whole is not None
    assert whole[0]["view"].tobytes() == view.tobytes()


def test_what_has_no_form_on_the_wire_is_named() -> None:
    with pytest.raises(TypeError, match="a complex cannot be sent"):
        list(frames({"value": 1j}))


def message_of(head: bytes, lengths: tuple[int, ...] = (), rest: bytes = b"") -> bytes:
    """Return a whole message without its flag."""
    table = b"".join(struct.pack("<Q", length) for length in lengths)
    return struct.pack("<II", len(head), len(lengths)) + table + head + rest


def index(number: int, code: int = 1) -> bytes:
    """Return a head that stands for one buffer."""
    return bytes(msgpack.packb(msgpack.ExtType(code, struct.pack("<I", number))))


EMPTY_LIST = message_of(b"\x90")


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ([b"\x02" + EMPTY_LIST], "without its flag"),
        ([b"\x01" + EMPTY_LIST[:3], b"\xff" + EMPTY_LIST[3:]], "without its flag"),
        ([b"\x00" + EMPTY_LIST + b"x"], "of another length than it says"),
        ([b"\x00" + EMPTY_LIST[:-1]], "of another length than it says"),
        ([b"\x00" + EMPTY_LIST[:5]], "shorter than its own header"),
        ([b"\x01" + EMPTY_LIST[:5], b"\x00"], "shorter than its own header"),
        ([b"\x01" + EMPTY_LIST, b"\x00x"], "longer than it says"),
        ([b"\x00" + message_of(index(0), (4,), b"abcde")], "longer than it says"),
        ([b"\x00" + message_of(index(0), (4,), b"abc")], "shorter than it says"),
        ([b"\x00" + message_of(index(1), (4,), b"abcd")], "buffer 1 is not there"),
        ([b"\x00" + message_of(index(0))], "buffer 0 is not there"),
        ([b"\x00" + message_of(index(0, code=2), (4,), b"abcd")], "unknown ext type 2"),
        (
            [b"\x00" + message_of(msgpack.packb(msgpack.ExtType(1, b"\0\0")), (4,), b"abcd")],
            "unknown ext type 1",
        ),
    ],
)
def test_what_is_no_message_is_refused_for_its_reason(sent: list[bytes], why: str) -> None:
    assembler = Assembler()
    for frame in sent[:-1]:
        assert assembler.feed(frame) is None
    with pytest.raises(WireError, match=why):
        assembler.feed(sent[-1])


def test_empty_buffers_and_keys_that_are_no_text_arrive() -> None:
    empty = Assembler().feed(b"\x00" + message_of(index(0), (0,)))
    assert empty is not None
    assert bytes(empty[0]) == b""
    assert Assembler().feed(next(frames({1: "one"}))) == ({1: "one"},)


def test_one_assembler_takes_one_message_after_the_other() -> None:
    assembler = Assembler()
    for number in range(3):
        message = {"value": bytes([number]) * BUFFER_MIN_BYTES}
        *before, last = frames(message)
        assert [assembler.feed(frame) for frame in before] == [None] * len(before)
        result = assembler.feed(last)
        assert result is not None
        assert plain(result[0]) == message


def test_what_is_sent_stays_as_it_was() -> None:
    big = bytes(BUFFER_MIN_BYTES)
    message = {"list": [big, 1], "dict": {"value": big}}
    list(frames(message))
    assert message == {"list": [big, 1], "dict": {"value": big}}


def test_a_view_of_numbers_travels_as_its_bytes() -> None:
    numbers = array("d", range(SENT_FRAME_BYTES // 8 + 1000))
    assembler = Assembler()
    sent = list(frames(memoryview(numbers)))
    assert all(len(frame) <= SENT_FRAME_BYTES for frame in sent)
    *_, last = [assembler.feed(frame) for frame in sent]
    assert last is not None
    assert plain(last[0]) == numbers.tobytes()
