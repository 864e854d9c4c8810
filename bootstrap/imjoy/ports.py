"""TCP ports of this machine: whether one can be had, which is free, under which urls one is reached."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
from enum import Enum

from imjoy.effects.addresses import addresses_of

NEXT_PORTS = 10
HIGHEST_PORT = 65535


class BindFailure(Enum):
    """Why an address cannot be listened on."""

    TAKEN = "taken"
    NOT_PERMITTED = "not permitted"
    BAD_HOST = "bad host"


# Two checks of the doctor that try the same port at once would each take the other for a stranger.
_ONE_AT_A_TIME = threading.Lock()


def try_bind(host: str, port: int) -> BindFailure | None:
    """Bind and listen for an instant, by the engine's own rules; None when that works.

    A port that was free a moment ago may be taken by now: only the engine's own bind decides.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        return BindFailure.BAD_HOST
    with _ONE_AT_A_TIME, socket.socket(family, kind, protocol) as listener:
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            elif sys.platform == "win32":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            listener.bind(address)
            listener.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return BindFailure.TAKEN
            refused = error.errno in {errno.EACCES, getattr(errno, "WSAEACCES", errno.EACCES)}
            return BindFailure.NOT_PERMITTED if refused else BindFailure.BAD_HOST
    return None


def first_free_port(host: str, first: int, count: int = NEXT_PORTS) -> int | None:
    """Return the first of ``count`` ports that can be had now, or None."""
    candidates = range(first, min(first + count, HIGHEST_PORT + 1))
    return next((port for port in candidates if try_bind(host, port) is None), None)


def reachable_urls(host: str, port: int, scheme: str = "http") -> tuple[str, ...]:
    """Return the urls of what listens on ``host``; for 0.0.0.0 and ::, one for each address of this machine."""
    return tuple(_url(address, port, scheme) for address in addresses_of(host))


def _url(host: str, port: int, scheme: str) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
