"""The addresses of this machine, and the way to them from another one."""

from __future__ import annotations

import socket

WILDCARDS = ("0.0.0.0", "::", "")
LOOPBACK = ("127.0.0.1", "::1")
LOCAL_HOSTS = (*LOOPBACK, "localhost")
"""What only this machine reaches."""


def addresses_of(host: str) -> tuple[str, ...]:
    """Return the addresses under which what listens on ``host`` is reached, loopback first."""
    if host not in WILDCARDS:
        return (host,)
    import psutil

    families = {socket.AF_INET} if host == "0.0.0.0" else {socket.AF_INET, socket.AF_INET6}
    addresses = [
        each.address
        for interface in psutil.net_if_addrs().values()
        for each in interface
        # A link-local IPv6 address carries its interface after a %, which no browser takes.
        if each.family in families and "%" not in each.address
    ]
    return tuple(sorted(addresses, key=lambda each: each not in LOOPBACK))


def ssh_tunnel(host: str, port: int, machine: str = "") -> str:
    """Return the line that brings what listens on ``host`` to 127.0.0.1 of the machine where it is typed.

    ``machine`` is the name to give ssh; without it an address of this machine stands there.
    """
    outside = [address for address in addresses_of(host) if address not in LOCAL_HOSTS]
    target = "127.0.0.1" if host in WILDCARDS else host
    bracketed = f"[{target}]" if ":" in target else target
    return f"ssh -L {port}:{bracketed}:{port} {machine or (outside or ['HOST'])[0]}"
