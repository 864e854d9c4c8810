"""Nothing of ours waits in a read of standard input itself: on Windows a library may then fail to load for ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

WAITING_FOR_ANSWERS = """
import asyncio
from imjoy_engine.terminal.run import Answers

async def wait():
    number, answer = Answers().expect()
    print("waiting", flush=True)
    import os
    print(os.read(0, 1), flush=True)  # as for a library that looks at it
    print(await answer, flush=True)

asyncio.run(wait())
"""
WAITING_FOR_THE_END = """
import asyncio, os
from imjoy_engine.server import _stop_at_end_of_input

async def wait():
    stop_wanted = asyncio.Event()
    _stop_at_end_of_input(stop_wanted)
    print("waiting", flush=True)
    print(os.read(0, 1), flush=True)
    await stop_wanted.wait()
    print("ended", flush=True)

asyncio.run(wait())
"""


@pytest.mark.parametrize(
    ("code", "sent", "told"),
    [
        (WAITING_FOR_ANSWERS, '{"id": 1, "answer": "gr\u00fcn"}\n', "gr\\xfcn"),
        (WAITING_FOR_THE_END, "", "ended"),
    ],
)
def test_a_library_that_looks_at_standard_input_finds_it_empty(code: str, sent: str, told: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-X", "utf8", "-c", code.replace("print(await answer", "print(ascii(await answer)")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        assert process.stdout.readline() == "b''\n"
        process.stdin.write(sent)
        process.stdin.close()
        assert process.stdout.readline().strip().strip("'") == told
