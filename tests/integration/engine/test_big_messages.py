"""Messages of any size: they arrive whole, the engine holds only what is in flight, and the limit is a limit."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from imjoy.model.errors import ImJoyError

from .conftest import RunningEngine, StartEngine

numpy = pytest.importorskip("numpy")

Play = Callable[[Any], Any]
MIB = 1 << 20
ECHO = "api.export({'echo': lambda value: value})"


def test_bytes_of_every_size_around_a_frame_arrive_whole(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        async with await engine.open(ECHO) as plugin:
            for size in (0, 1, 4095, 4096, MIB - 200, MIB - 1, MIB, MIB + 1, 3 * MIB + 7):
                content = bytes(index % 251 for index in range(1000)) * (size // 1000 + 1)
                assert bytes(await plugin.call("echo", content[:size])) == content[:size]

    play(scenario())


def test_the_engine_stays_small_whatever_passes_through(engine: RunningEngine, play: Play) -> None:
    process = psutil.Process(engine.process.pid)
    array = numpy.arange(256 * MIB // 8, dtype="float64")
    peak = 0

    async def watch(done: asyncio.Event) -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, process.memory_info().rss)
            await asyncio.wait({asyncio.ensure_future(done.wait())}, timeout=0.02)

    async def scenario() -> None:
        async with await engine.open(ECHO) as plugin:
            await plugin.call("echo", 1)
            idle = process.memory_info().rss
            done = asyncio.Event()
            watching = asyncio.ensure_future(watch(done))
            back = await plugin.call("echo", array)
            done.set()
            await watching
            assert (back[:: 1 << 16] == array[:: 1 << 16]).all()
            assert peak - idle < 64 * MIB

    play(scenario())


def test_a_message_over_the_limit_closes_its_socket_and_nothing_else(
    start_engine: StartEngine, play: Play
) -> None:
    engine = start_engine("--max-message-size", str(2 * MIB))
    script = """
def make(size):
    return bytes(size)

api.export({"echo": lambda value: value, "make": make})
"""

    async def scenario() -> None:
        async with await engine.open(script) as other:
            for name, argument in (("echo", bytes(3 * MIB)), ("make", 3 * MIB)):
                async with await engine.open(script) as plugin:
                    assert bytes(await plugin.call("echo", bytes(MIB))) == bytes(MIB)
                    with pytest.raises(ImJoyError) as caught:
                        await plugin.call(name, argument)
                    assert caught.value.id == "message.too-big"
                    assert str(2 * MIB) in caught.value.why
            assert await other.call("echo", "still here") == "still here"

    play(scenario())


def test_calls_go_on_while_another_plugin_moves_a_big_array(engine: RunningEngine, play: Play) -> None:
    array = numpy.zeros(64 * MIB, dtype="uint8")

    async def scenario() -> None:
        async with await engine.open(ECHO) as big, await engine.open(ECHO) as small:
            moving = asyncio.ensure_future(big.call("echo", array))
            answered = 0
            while not moving.done():
                await small.call("echo", 1)
                answered += 1
            assert (await moving).nbytes == array.nbytes
            assert answered > 1

    play(scenario())


def test_an_answer_that_nobody_has_any_more_is_gone(engine: RunningEngine, play: Play) -> None:
    script = """
import asyncio
import gc
import weakref

async def is_gone():
    answer = weakref.ref(await api.make())
    await asyncio.sleep(0)  # the loop holds it as long as this step runs
    gc.collect()
    return answer() is None

api.export({"echo": lambda value: value, "is_gone": is_gone})
"""

    async def scenario() -> None:
        async with await engine.open(script, {"make": lambda: numpy.zeros(MIB, dtype="uint8")}) as plugin:
            answer = weakref.ref(await plugin.call("echo", numpy.zeros(MIB, dtype="uint8")))
            gc.collect()
            assert answer() is None
            assert await plugin.call("is_gone")

    play(scenario())
