"""What values become on the wire that have no form of their own there."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import io
import pathlib
import sys
import types
import uuid
from typing import Any

import msgpack
import numpy as np
import pytest

from imjoy_engine.worker.rpc.peer import PeerRPC, _codecs
from imjoy_engine.worker.rpc.sendable import NotSendable


class Sender(PeerRPC):
    """A conversation with nobody, for what is made of values."""

    def __init__(self) -> None:
        self._codecs = _codecs()


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


Point = collections.namedtuple("Point", ["x", "y"])


def sent(value: Any) -> Any:
    (encoded,) = Sender().wrap([value])
    msgpack.packb(encoded)
    return encoded


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        (datetime.datetime(2019, 3, 1, 12, 30), "2019-03-01T12:30:00"),
        (datetime.date(2019, 3, 1), "2019-03-01"),
        (datetime.timedelta(minutes=2), 120.0),
        (pathlib.Path("a") / "b.tif", str(pathlib.Path("a/b.tif"))),
        (bytearray(b"xy"), b"xy"),
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (collections.deque([1, 2]), [1, 2]),
        (collections.OrderedDict([("b", 1), ("a", range(2))]), {"b": 1, "a": [0, 1]}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (Point(1, (2, 3)), [1, [2, 3]]),
        (frozenset([1]), {"_rtype": "set", "_rvalue": [1]}),
        (decimal.Decimal("1.10"), "1.10"),
        (fractions.Fraction(1, 4), 0.25),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (io.StringIO("t"), {"_rtype": "blob", "_rvalue": "t", "_rmime": "text/plain"}),
        (io.BytesIO(b"t"), {"_rtype": "blob", "_rvalue": b"t", "_rmime": "application/octet-stream"}),
        ({1: "a", 2.5: "b", None: "c", (1, 2): "d"}, {1: "a", "2.5": "b", "None": "c", "(1, 2)": "d"}),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (np.float32(1.5), 1.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.float16(0.5), 0.5),
        (np.datetime64("2020-02-03"), "2020-02-03"),
        (np.timedelta64(3, "m"), 180.0),
        (np.str_("a"), "a"),
        (np.array(["a", "bc"]), ["a", "bc"]),
        (np.array([1, "x", None], dtype=object), [1, "x", None]),
        (np.array(["2020-02-03", "NaT"], "datetime64[D]"), ["2020-02-03", None]),
    ],
)
def test_a_value_becomes_the_nearest_that_there_is(value: Any, becomes: Any) -> None:
    assert sent(value) == becomes
    assert type(sent(value)) is type(becomes) or isinstance(value, (np.str_, enum.IntEnum))


def test_arrays_travel_in_little_endian_whatever_they_were() -> None:
    big = np.arange(3, dtype=">i4").reshape(3, 1)
    assert sent(big) == {
        "_rtype": "ndarray",
        "_rvalue": np.arange(3, dtype="<i4").tobytes(),
        "_rshape": [3, 1],
        "_rdtype": "int32",
    }
    assert sent(np.ones(2, np.longdouble))["_rdtype"] == "float64"
    assert sent(np.array([1, 2], "timedelta64[m]"))["_rvalue"] == np.array([60.0, 120.0]).tobytes()


def test_a_structured_array_becomes_its_columns() -> None:
    table = np.array([(1, 2.5), (3, 4.5)], dtype=[("id", "<i4"), ("area", "<f8")])
    columns = sent(table)
    assert columns["id"]["_rvalue"] == np.array([1, 3], "<i4").tobytes()
    assert columns["area"]["_rdtype"] == "float64"
    assert sent(table[1]) == {"id": 3, "area": 4.5}


@pytest.mark.parametrize(
    ("value", "kind", "advice"),
    [
        (2**70, "int", "64 bits"),
        (1 + 2j, "complex", "z.real"),
        ((x for x in "ab"), "generator", "list(...)"),
        (map(str, []), "map", "list(...)"),
        (io, "module", "outside of its process"),
        (np.complex64(1j), "complex64", "dtype"),
    ],
)
def test_what_cannot_be_sent_is_named_with_its_place(value: Any, kind: str, advice: str) -> None:
    with pytest.raises(NotSendable) as caught:
        sent({"cells": [1, {"z": value}]})
    text = str(caught.value)
    assert f"type {kind}" in text
    assert "at ['cells'][1]['z'] cannot be sent" in text
    assert advice in text


def test_what_contains_itself_is_named() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(NotSendable, match="contains itself"):
        sent(loop)


def test_what_numpy_can_take_is_sent_as_an_array() -> None:
    class Tensor:
        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            return np.ones(2, "float32")

    class OnTheGpu:
        def __array__(self, *args: Any, **kwargs: Any) -> Any:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    assert sent([Tensor()])[0]["_rdtype"] == "float32"
    with pytest.raises(
        NotSendable, match=r"at \[0\] cannot be sent: numpy cannot take it \(can't convert cuda:0"
    ):
        sent([OnTheGpu()])


def test_a_plugin_s_own_codec_goes_before_all_that() -> None:
    sender = Sender()
    sender.register_codec(
        {"name": "day", "type": datetime.date, "encoder": lambda day: {"ordinal": day.toordinal()}}
    )
    assert sender.wrap([[datetime.date(1, 1, 2)]]) == [[{"ordinal": 2, "_rtype": "day"}]]
    sender.register_codec({"name": "date", "type": datetime.date, "encoder": lambda day: day.year})
    assert sender.wrap([datetime.date(1, 1, 2)]) == [1]


class FrameDouble:
    """As much of pandas' DataFrame as is asked of it; pandas itself is no dependency of the tests."""

    def __init__(self, index: Any) -> None:
        self.index = index

    def reset_index(self) -> FrameDouble:
        return FrameDouble(RangeIndexDouble())

    def to_dict(self, orient: str) -> list[dict[str, Any]]:
        assert orient == "records"
        named = {} if isinstance(self.index, RangeIndexDouble) else {"lost": True}
        return [{"name": "a", "size": np.float32(1.5), **named}]


class RangeIndexDouble:
    """The index that says no more than the number of a row."""


@pytest.mark.parametrize("index", [RangeIndexDouble(), "an index of names"])
def test_a_data_frame_is_a_list_of_records_with_its_index(
    monkeypatch: pytest.MonkeyPatch, index: Any
) -> None:
    pandas = types.SimpleNamespace(DataFrame=FrameDouble, RangeIndex=RangeIndexDouble)
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert sent(FrameDouble(index)) == [{"name": "a", "size": 1.5}]


class FigureDouble:
    """As much of matplotlib's Figure as is asked of it; matplotlib itself is no dependency of the tests."""

    def savefig(self, target: io.BytesIO, format: str) -> None:
        target.write(format.encode())


def test_a_figure_is_a_png_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", types.SimpleNamespace(Figure=FigureDouble))
    assert Sender().wrap([FigureDouble()]) == [{"_rtype": "blob", "_rvalue": b"png", "_rmime": "image/png"}]
