"""TCP ports of this machine: who listens on one, and under which urls it is reached."""

from __future__ import annotations

import socket
from dataclasses import dataclass

WILDCARDS = ("0.0.0.0", "::", "")
LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True)
class Listener:
    """The process that listens on a port."""

    pid: int
    name: str


def find_listener(port: int) -> Listener | None:
    """Return who listens on a TCP port, or None when nobody does or the system will not tell us."""
    import psutil

    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return None
    for connection in connections:
        where = connection.laddr
        if connection.status == psutil.CONN_LISTEN and where and where.port == port and connection.pid:
            try:
                return Listener(connection.pid, psutil.Process(connection.pid).name())
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                return None
    return None


def reachable_urls(host: str, port: int) -> tuple[str, ...]:
    """Return the urls of what listens on ``host``; for 0.0.0.0 and ::, one for each address of this machine."""
    if host not in WILDCARDS:
        return (_url(host, port),)
    import psutil

    families = {socket.AF_INET} if host == "0.0.0.0" else {socket.AF_INET, socket.AF_INET6}
    addresses = [
        each.address
        for interface in psutil.net_if_addrs().values()
        for each in interface
        # A link-local IPv6 address carries its interface after a %, which no browser takes.
        if each.family in families and "%" not in each.address
    ]
    return tuple(_url(address, port) for address in sorted(addresses, key=lambda each: each not in LOOPBACK))


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
