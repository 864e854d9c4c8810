"""A child process whose end is noticed by itself, and whose output is handed on as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Child(asyncio.SubprocessProtocol):
    """Hands ``("stdout" | "stderr", bytes)`` to ``on_output``.

    ``exited`` is done when it has ended, ``silent`` when its pipes have closed as well.

    asyncio's own ``Process.wait`` waits for the pipes (3.11.7, 3.12.1, 3.13.0), and whatever the process started may
    hold those for ever.
    """

    def __init__(self, on_output: Callable[[str, bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[None] = loop.create_future()
        self.silent: asyncio.Future[None] = loop.create_future()
        self._on_output = on_output
        self._pipes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the pipes that there are."""
        if isinstance(transport, asyncio.SubprocessTransport):
            self._pipes = sum(transport.get_pipe_transport(fd) is not None for fd in (1, 2))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Hand on what the process wrote."""
        self._on_output("stdout" if fd == 1 else "stderr", data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Note that a pipe has closed; its standard input is none of those that count."""
        if fd:
            self._pipes -= 1
            if self._pipes == 0 and not self.silent.done():
                self.silent.set_result(None)

    def process_exited(self) -> None:
        """Note that the process has ended."""
        self.exited.set_result(None)

    async def exits_within(self, seconds: float) -> bool:
        """Whether it has ended after ``seconds`` at most."""
        await asyncio.wait({self.exited}, timeout=seconds)
        return self.exited.done()
