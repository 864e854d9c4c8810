"""Listens on a TCP port: the one way in which the engine takes its port, and in which it is tried whether it could."""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress
from enum import Enum
from typing import Any

from imjoy.effects.network.addresses import WILDCARDS, addresses_of

NO_ROUTE_ERRORS = frozenset({errno.EADDRNOTAVAIL, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH})
PROBE_SECONDS = 1.0
REFUSED = frozenset({errno.EACCES, getattr(errno, "WSAEACCES", errno.EACCES)})


class BindFailure(Enum):
    """Why an address cannot be listened on."""

    TAKEN = "taken"
    NOT_PERMITTED = "not permitted"
    BAD_HOST = "bad host"


class CannotListen(Exception):
    """An address cannot be listened on; ``why`` is what the system says about it."""

    def __init__(self, failure: BindFailure, why: str) -> None:
        super().__init__(why)
        self.failure = failure
        self.why = why


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port`` (0: any free one); on ``::`` for IPv4 as well.

    Of several addresses that a name has, the first that can be had. A port in TIME_WAIT can be had, one that somebody
    listens on cannot; on Windows nobody can take it from us then. Raises :class:`CannotListen`.
    """
    try:
        # Without AI_ADDRCONFIG: it would hide ::1 where only loopback has IPv6.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise CannotListen(BindFailure.BAD_HOST, str(error)) from error
    failures = []
    for family, kind, protocol, _, address in found:
        try:
            return _listen_at(family, kind, protocol, address, backlog)
        except OSError as error:
            failures.append(error)
    # What keeps us from an address that is there says more than that another one is not.
    worst = next((each for each in failures if _failure(each) is not BindFailure.BAD_HOST), failures[0])
    raise CannotListen(_failure(worst), worst.strerror or str(worst)) from worst


def _listen_at(
    family: int, kind: int, protocol: int, address: tuple[Any, ...], backlog: int
) -> socket.socket:
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        if family == socket.AF_INET6 and address[0] == "::":
            # Systems differ in what is so by itself; where it cannot be had, IPv6 alone it is.
            with suppress(OSError):
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        _bind(listener, address)
        # It may fail after a good bind: two may bind, and only one listen.
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def _bind(listener: socket.socket, address: tuple[Any, ...]) -> None:
    """Bind, also where a connection of before is in TIME_WAIT, and never beside somebody who listens.

    With SO_REUSEADDR the kernel of macOS compares exact addresses only: 127.0.0.1 could be had beside another program's
    0.0.0.0, and the other way round (``in_pcbbind`` in xnu's ``bsd/netinet/in_pcb.c`` looks for wildcards only without
    the option). Raises OSError.
    """
    try:
        listener.bind(address)
    except OSError as error:
        if os.name != "posix" or error.errno != errno.EADDRINUSE or _somebody_answers(address):
            raise
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    if os.name == "posix":
        # Linux takes a port in TIME_WAIT again only where the listener of before had the option too.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _somebody_answers(address: tuple[Any, ...]) -> bool:
    """Whether anything listens on that port at an address that overlaps; one that does not answer in time does."""
    for each in addresses_of(str(address[0])):
        try:
            socket.create_connection((each, address[1]), timeout=PROBE_SECONDS).close()
        except socket.timeout:
            return True
        except OSError:
            continue
        return True
    return False


def own_address(host: str) -> str:
    """Return the address under which this machine itself reaches what listens on ``host``.

    For all addresses that is 127.0.0.1, or ::1 where there is no IPv4: either family may be switched off.
    """
    if host not in WILDCARDS:
        return host
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        if host == "0.0.0.0" or _is_there(family, address):
            return address
    return "127.0.0.1"


def why_unreachable(address: str, port: int) -> str:
    """Return why this machine cannot reach its own ``address``, on which ``port`` is listened to; empty when it can.

    A loopback interface that is down can be listened on, and nothing ever comes.
    """
    try:
        socket.create_connection((address, port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        return (error.strerror or str(error)) if error.errno in NO_ROUTE_ERRORS else ""
    return ""


def _is_there(family: int, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _failure(error: OSError) -> BindFailure:
    if error.errno == errno.EADDRINUSE:
        return BindFailure.TAKEN
    return BindFailure.NOT_PERMITTED if error.errno in REFUSED else BindFailure.BAD_HOST
