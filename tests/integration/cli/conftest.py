"""The `imjoy` command as a person runs it: a process, with or without a terminal, with the engine or a double."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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
    """A command under a pseudo-terminal of a given width, and with ``rows`` of that size; each wait has a deadline."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int,
        environ: Mapping[str, str],
        rows: int = 0,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.said = ""
        self._seconds = wait_seconds
        self._terminal, theirs = pty.openpty()
        if rows:
            fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            # Of Enter the console of Wine wants what the key gives.
            settings = termios.tcgetattr(theirs)
            settings[0] &= ~termios.ICRNL
            termios.tcsetattr(theirs, termios.TCSANOW, settings)
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *command],
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
        deadline = time.monotonic() + self._seconds
        while self.text.count(words) < again:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{words!r} was not said; but this was:\n{self.text}")
        return self.text

    def until(self, so: Callable[[], object], what: str) -> None:
        """Read until something is so elsewhere."""
        deadline = time.monotonic() + self._seconds
        while not so():
            assert time.monotonic() < deadline, f"{what} did not come:\n{self.text}"
            if select.select([self._terminal], [], [], 0.05)[0] and not self._read(0):
                raise AssertionError(f"it ended before {what} came:\n{self.text}")

    def wait(self) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + self._seconds
        while self._read(deadline - time.monotonic()):
            continue
        return self.process.wait(self._seconds)

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
            raise AssertionError(f"nothing more was said within {self._seconds} s:\n{self.text}")
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
        begun.append(OnTerminal([*IMJOY, *arguments], columns, environ))
        return begun[-1]

    yield start
    for each in begun:
        each.process.kill()
        each.process.wait(WAIT_SECONDS)
        each.close()
