"""An installed `imjoy` under a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

from tests.integration.cli.conftest import TAKE_TERMINAL
from tests.kit.upgrades import WAIT_SECONDS, Machine


class Terminal:
    """A command of a machine under a pseudo-terminal of its own."""

    def __init__(self, machine: Machine, *arguments: str, **environ: str) -> None:
        self.said = ""
        self._terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**machine.environ, "TERM": "xterm-256color", "COLUMNS": "120", **environ},
        )
        os.close(theirs)

    def read_until(self, words: str) -> str:
        """Return all that was said until these words came."""
        deadline = time.monotonic() + WAIT_SECONDS
        while words not in self.said:
            if not select.select([self._terminal], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{words!r} was not said:\n{self.said}")
            try:
                self.said += os.read(self._terminal, 65536).decode(errors="replace")
            except OSError as error:
                raise AssertionError(f"it ended without {words!r}:\n{self.said}") from error
        return self.said

    def type(self, text: str) -> None:
        """Type on the terminal; "\\x03" is Ctrl-C."""
        os.write(self._terminal, text.encode())

    def end(self) -> int:
        """End the command if it still runs, and return its exit code."""
        self.process.terminate()
        code = self.process.wait(WAIT_SECONDS)
        os.close(self._terminal)
        return code
