"""A way through to a port that can stop carrying anything without closing: a cable is pulled, a tunnel hangs."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType

CHUNK_BYTES = 64 * 1024


class Tunnel:
    """Carries connections to ``port`` of this machine; those that are frozen stay open and carry nothing any more."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self._carrying: list[threading.Event] = []
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def freeze(self) -> None:
        """Carry nothing any more for those who are connected now; who comes later is carried."""
        for each in self._carrying:
            each.clear()

    def cut(self) -> None:
        """Break all connections that are there now; later ones are carried."""
        for each in self._sockets[1:]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                carrying = threading.Event()
                carrying.set()
                self._carrying.append(carrying)
                threading.Thread(target=self._carry, args=(near, far, carrying), daemon=True).start()

    def _carry(self, near: socket.socket, far: socket.socket, carrying: threading.Event) -> None:
        other = {near: far, far: near}
        with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
            for each in other:
                selector.register(each, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    data = source.recv(CHUNK_BYTES)
                    carrying.wait()
                    if self._closed:
                        return
                    if not data:
                        near.close()
                        far.close()
                        return
                    other[source].sendall(data)

    def __enter__(self) -> Tunnel:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for carrying in self._carrying:
            carrying.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
