"""TCP ports of this machine: who listens on one."""

from __future__ import annotations

from dataclasses import dataclass


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
