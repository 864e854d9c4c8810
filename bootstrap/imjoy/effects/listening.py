"""Listens on a TCP port: the one way in which the engine takes its port, and in which it is tried whether it could."""

from __future__ import annotations

import errno
import os
import socket
import sys
from enum import Enum

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
    """Return a socket that listens on ``host`` (empty: everywhere) and ``port`` (0: any free one).

    A port in TIME_WAIT can be had, one that somebody listens on cannot; on Windows nobody can take it from us then.
    Raises :class:`CannotListen`.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise CannotListen(BindFailure.BAD_HOST, str(error)) from error
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif sys.platform == "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        listener.bind(address)
        # It may fail after a good bind: two may bind, and only one listen.
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        raise CannotListen(_failure(error), error.strerror or str(error)) from error
    return listener


def _failure(error: OSError) -> BindFailure:
    if error.errno == errno.EADDRINUSE:
        return BindFailure.TAKEN
    return BindFailure.NOT_PERMITTED if error.errno in REFUSED else BindFailure.BAD_HOST
