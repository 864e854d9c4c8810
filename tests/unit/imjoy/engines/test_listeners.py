"""Who listens on a port and cannot be ended; tests/integration/ports has those that can."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from imjoy.engines import listeners
from imjoy.engines.listeners import Listener, find_listeners, stop_listener
from imjoy.model.errors import ImJoyError

LISTENS = """
import socket
with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], flush=True)
    input()
"""


@pytest.fixture
def listener() -> Iterator[tuple[Listener, int]]:
    """Return a process that listens on a port of its own, and that port."""
    with subprocess.Popen(
        [sys.executable, "-c", LISTENS], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        (found,) = find_listeners(port)
        yield found, port
        assert process.poll() is None
        process.communicate(b"\n")


def test_who_survives_is_told_with_another_port(
    listener: tuple[Listener, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    who, port = listener
    monkeypatch.setattr(listeners, "end_process_tree", lambda pid, birth: "killed")
    with pytest.raises(ImJoyError) as caught:
        stop_listener(who, port, "127.0.0.1")
    assert caught.value.id == "port.immortal"
    assert str(who.pid) in caught.value.what
    assert caught.value.fix == f"imjoy start --port {port + 1}"


def test_whom_the_system_protects_is_told(
    listener: tuple[Listener, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    who, port = listener

    def refuse(pid: int, birth: str) -> None:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(listeners, "end_process_tree", refuse)
    with pytest.raises(ImJoyError) as caught:
        stop_listener(who, port, "127.0.0.1")
    assert caught.value.id == "port.protected"
    assert "does not let you end it" in caught.value.why
