"""The bytes of messages that the page's half of the wire is held to as well, in ``webapp/page/wire.test.js``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from imjoy_engine.worker.transport.wire import Assembler, WireError, frames

VECTORS = json.loads(
    (Path(__file__).parents[2] / "webapp" / "page" / "wire_vectors.json").read_text(encoding="utf-8")
)


def made(value: Any) -> Any:
    """Return a message of the vectors with its binary values: how many bytes, and the first; they count up."""
    if isinstance(value, list):
        return [made(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "$bytes" not in value:
        return {key: made(item) for key, item in value.items()}
    length, first = value["$bytes"]
    return bytes((first + i) & 255 for i in range(length))


def shown(frame: bytes, wanted: dict[str, object]) -> dict[str, object]:
    if "hex" in wanted:
        return {"hex": frame.hex()}
    return {"bytes": len(frame), "sha256": hashlib.sha256(frame).hexdigest()}


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: str(vector["title"]))
def test_the_engine_writes_these_bytes_and_reads_them(vector: dict[str, Any]) -> None:
    written = list(frames(made(vector["message"])))
    wanted = vector["frames"]
    assert [shown(frame, each) for frame, each in zip(written, wanted, strict=True)] == wanted
    assembler = Assembler()
    [*nothing, read] = [assembler.feed(frame) for frame in written]
    assert nothing == [None] * (len(written) - 1)
    assert read == (made(vector["message"]),)


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: str(vector["title"]))
def test_the_engine_refuses_a_message_that_is(vector: dict[str, Any]) -> None:
    assembler = Assembler()
    with pytest.raises(WireError):
        for frame in vector["frames"]:
            assembler.feed(bytes.fromhex(frame))
