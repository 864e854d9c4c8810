"""Ports for programs that cannot be handed a socket."""

from __future__ import annotations

import random
import socket

# Below those that Linux, macOS and Windows give to connections that go out: one of these may be taken in between.
PORTS = range(20000, 30000)


def free_port() -> int:
    """Return a port that nobody has now, at any address, and that no outgoing connection will get."""
    chosen = random.SystemRandom()
    while True:
        with socket.socket() as probe:
            try:
                probe.bind(("", port := chosen.choice(PORTS)))
            except OSError:
                continue
            return port
