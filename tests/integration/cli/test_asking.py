"""Questions on a terminal, on a real one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from .conftest import TAKE_TERMINAL, WAIT_SECONDS

PROGRAM = """
import sys
from imjoy.cli.prompts import confirm
try:
    print(confirm("Do it?", default=True))
except KeyboardInterrupt:
    print("interrupted")
"""


def answered(*typed: str) -> str:
    """Return what is said to what is typed, each as soon as the question can be read."""
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-c", TAKE_TERMINAL, sys.executable, "-c", PROGRAM]
    with subprocess.Popen(argv, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        os.close(theirs)
        try:
            for each in typed:
                said = b""
                while b"[Y/n]" not in said:
                    said += os.read(ours, 1024)
                os.write(ours, each.encode())
            return process.communicate(timeout=WAIT_SECONDS)[0].strip()
        finally:
            process.kill()
            os.close(ours)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [(["\r"], "True"), (["N\r"], "False"), (["what\r", "yes\r"], "True")],
    ids=["Enter", "no", "neither, then yes"],
)
def test_a_question_is_answered_with_yes_no_or_enter(typed: list[str], answer: str) -> None:
    assert answered(*typed) == answer


def test_ctrl_c_is_heard_also_the_moment_the_question_appears() -> None:
    # Of the time that Python takes from the question to its wait, a signal was lost: once in forty.
    assert {answered("\x03") for _ in range(30)} == {"interrupted"}
