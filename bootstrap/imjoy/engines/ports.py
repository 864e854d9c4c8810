"""TCP ports of this machine: whether one can be had, which is free, under which urls one is reached."""

from __future__ import annotations

import threading

from imjoy.effects.network.addresses import addresses_of
from imjoy.effects.network.listening import BindFailure, CannotListen, listen

NEXT_PORTS = 10
HIGHEST_PORT = 65535


# Two checks of the doctor that try the same port at once would each take the other for a stranger.
_ONE_AT_A_TIME = threading.Lock()


def try_bind(host: str, port: int) -> BindFailure | None:
    """Bind and listen for an instant, by the engine's own rules; None when that works.

    A port that was free a moment ago may be taken by now: only the engine's own bind decides.
    """
    try:
        with _ONE_AT_A_TIME, listen(host, port, backlog=1):
            return None
    except CannotListen as error:
        return error.failure


def first_free_port(host: str, first: int, count: int = NEXT_PORTS) -> int | None:
    """Return the first of ``count`` ports that can be had now, or None."""
    candidates = range(first, min(first + count, HIGHEST_PORT + 1))
    return next((port for port in candidates if try_bind(host, port) is None), None)


def reachable_urls(host: str, port: int, scheme: str = "http") -> tuple[str, ...]:
    """Return the urls of what listens on ``host``; for 0.0.0.0 and ::, one for each address of this machine."""
    return tuple(_url(address, port, scheme) for address in addresses_of(host))


def _url(host: str, port: int, scheme: str) -> str:
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
