"""The `imjoy` command as a person runs it: a process, with or without a terminal, with the engine or a double."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

DOUBLE = Path(__file__).parent / "double"
IMJOY = [sys.executable, "-m", "imjoy"]
WAIT_SECONDS = 30.0
# Ctrl-C reaches only a process whose controlling terminal this is.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[1], sys.argv[1:])"
)
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07)")


@pytest.fixture
def workspace(home: Path) -> Path:
    """Return the folder that imjoy takes for its workspace when nothing else is said."""
    return home / "ImJoyWorkspace"


@pytest.fixture
def double_engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that puts the DoubleEngine in the engine's place, with the manner it names."""

    def choose(manner: str) -> None:
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(DOUBLE), os.environ["PYTHONPATH"]]))
        monkeypatch.setenv("DOUBLE_MANNER", manner)

    return choose


Imjoy = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def imjoy() -> Imjoy:
    """Return a function that runs `imjoy` to its end, without a terminal."""

    def run(*arguments: str, text: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*IMJOY, *arguments],
            input=text,
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            cwd=cwd,
            check=False,
        )

    return run


@pytest.fixture
def stopped_afterwards(imjoy: Imjoy) -> Iterator[None]:
    """Stop a detached engine when the test is over, however it went."""
    yield
    imjoy("stop")


class OnTerminal:
    """An `imjoy` under a pseudo-terminal of a given width."""

    def __init__(self, arguments: list[str], columns: int, environ: Mapping[str, str]) -> None:
        self.said = ""
        self._terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *IMJOY, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color", **environ},
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        """Type on the terminal; "\\x03" is Ctrl-C."""
        os.write(self._terminal, text.encode())

    def expect(self, words: str, again: int = 1) -> str:
        """Read until ``words`` have been said ``again`` times; return all that was said, without colours."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.text.count(words) < again:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{words!r} was not said; but this was:\n{self.text}")
        return self.text

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self._read(deadline - time.monotonic()):
            continue
        return self.process.wait(WAIT_SECONDS)

    def close(self) -> None:
        """Close the terminal, as a window that is closed does. Safe to repeat."""
        if self._terminal >= 0:
            os.close(self._terminal)
            self._terminal = -1

    @property
    def text(self) -> str:
        """What was said, without colours and with plain line ends."""
        return ESCAPES.sub("", self.said).replace("\r\n", "\n")

    def _read(self, timeout: float) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], max(0.0, timeout))
        if not ready:
            raise AssertionError(f"nothing more was said within {WAIT_SECONDS} s:\n{self.text}")
        try:
            part = os.read(self._terminal, 65536)
        except OSError:  # Linux: the other end was closed
            part = b""
        self.said += part.decode(errors="replace")
        return bool(part)


@pytest.fixture
def on_terminal() -> Iterator[Callable[..., OnTerminal]]:
    """Return a function that starts `imjoy` under a pseudo-terminal; what still runs at the end is ended."""
    begun: list[OnTerminal] = []

    def start(*arguments: str, columns: int = 80, **environ: str) -> OnTerminal:
        begun.append(OnTerminal(list(arguments), columns, environ))
        return begun[-1]

    yield start
    for each in begun:
        each.process.kill()
        each.process.wait(WAIT_SECONDS)
        each.close()
