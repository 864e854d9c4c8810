"""Real processes that hold ports: plain ones, stubborn ones, families, other users'."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.integration.cli.conftest import imjoy, on_terminal, stopped_afterwards, workspace

__all__ = ["imjoy", "on_terminal", "stopped_afterwards", "workspace"]

# Listens and says on which port; the rest of the program follows.
LISTEN = """
import os, signal, socket, sys, time
family = socket.AF_INET6 if ":" in {host!r} else socket.AF_INET
server = socket.socket(family, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if {v6only!r} is not None:
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, {v6only!r})
server.bind(({host!r}, {port!r}))
server.listen()
{then}
# In one piece: where the program has forked, both say it.
os.write(1, b"%d\\n" % server.getsockname()[1])
signal.pause()
"""
IGNORE_TERMINATE = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
FORK_A_HOLDER = "os.fork()"
CHILD_ALONE = """
if os.fork():
    server.close()
    signal.pause()
"""
BECOME_NOBODY = "os.setgid(65534); os.setuid(65534)"


class Holder:
    """A process that listens."""

    def __init__(self, code: str, folder: Path) -> None:
        script = folder / "holder-of-a-port.py"
        script.write_text(code)
        self.process = subprocess.Popen(
            [sys.executable, str(script), "line\nbreak \x1b[31m", "--token=hush", "--api-key", "hu sh"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line) if line.strip() else 0
        self.pid = self.process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; one that has ended but was not waited for does not."""
        return self.process.poll() is None

    def end(self) -> None:
        """Kill it and its children."""
        try:
            family = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        for each in family:
            try:
                each.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[..., Holder]]:
    """Return a function that starts a listener on a free port (or ``port``); all are ended afterwards."""
    begun: list[Holder] = []

    def start(host: str = "127.0.0.1", then: str = "", port: int = 0, v6only: int | None = None) -> Holder:
        begun.append(Holder(LISTEN.format(host=host, then=then, port=port, v6only=v6only), tmp_path))
        return begun[-1]

    yield start
    for each in begun:
        each.end()


needs_root = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs root, to be another user")
