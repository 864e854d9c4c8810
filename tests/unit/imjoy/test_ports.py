"""Who listens on a port."""

from __future__ import annotations

import os
import socket

from imjoy.ports import find_listener


def test_a_listener_of_ours_is_found_by_pid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = find_listener(server.getsockname()[1])
    assert listener is not None
    assert listener.pid == os.getpid()


def test_a_free_port_has_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert find_listener(port) is None
