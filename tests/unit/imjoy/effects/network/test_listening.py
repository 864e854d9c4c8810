"""Which addresses are listened on, and how this machine reaches them, with either family switched off."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from imjoy.effects.network import listening
from imjoy.effects.network.listening import BindFailure, CannotListen, listen, own_address, why_unreachable


def has_ipv6() -> bool:
    """Whether ::1 can be had here."""
    try:
        listen("::1", 0, 1).close()
    except CannotListen:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="IPv6 is missing")
def test_all_addresses_of_ipv6_are_those_of_ipv4_too() -> None:
    with listen("::", 0, 1) as listener:
        port = listener.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), timeout=5).close()
    assert own_address("::") == "127.0.0.1"


@pytest.mark.parametrize(("missing", "address"), [(socket.AF_INET6, "127.0.0.1"), (socket.AF_INET, "::1")])
@pytest.mark.skipif(not has_ipv6(), reason="IPv6 is missing")
def test_the_family_that_is_there_is_asked(
    missing: int, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = listening._is_there
    monkeypatch.setattr(listening, "_is_there", lambda family, at: family != missing and real(family, at))
    assert own_address("::") == address
    assert own_address("10.0.0.1") == "10.0.0.1"


def test_a_name_whose_first_address_cannot_be_had_is_listened_on_at_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def both(*words: Any, **options: Any) -> list[Any]:
        # As a resolver answers for localhost where IPv6 is switched off.
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with listen("localhost", 0, 1) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


def test_of_several_failures_the_one_of_an_address_that_is_there_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with listen("127.0.0.1", 0, 1) as taken:
        here = ("127.0.0.1", taken.getsockname()[1])
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", here),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *words, **options: found)
        with pytest.raises(CannotListen) as refused:
            listen("localhost", here[1], 1)
    assert refused.value.failure is BindFailure.TAKEN


def test_what_is_listened_on_is_reached() -> None:
    with listen("127.0.0.1", 0, 1) as listener:
        assert why_unreachable("127.0.0.1", listener.getsockname()[1]) == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="network namespaces of Linux")
@pytest.mark.skipif(shutil.which("unshare") is None or os.geteuid() != 0, reason="unshare as root is missing")
def test_a_loopback_that_is_down_is_told_and_not_waited_for() -> None:
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "imjoy", "start", "--detach", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "host.no-loopback" in done.stderr
    assert "ip link set lo up" in done.stderr


@pytest.mark.parametrize(("theirs", "ours"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")])
def test_on_macos_too_nobody_is_bound_beside(theirs: str, ours: str, a_mac: Path) -> None:
    with socket.create_server((theirs, 0)) as taken:
        port = taken.getsockname()[1]
        with socket.socket() as careless:
            careless.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            careless.bind((ours, port))  # as every server that sets the option first can
        with pytest.raises(CannotListen) as refused:
            listen(ours, port, 1)
        assert refused.value.failure is BindFailure.TAKEN


@pytest.mark.skipif(os.name != "posix", reason="the rules of POSIX systems")
@pytest.mark.usefixtures("here_and_on_a_mac")
def test_a_port_in_time_wait_is_had_again_and_again() -> None:
    port = 0
    for _ in range(3):
        with listen("127.0.0.1", port, 1) as listener:
            port = listener.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)) as client:
                # Whoever closes first keeps the address in TIME_WAIT.
                listener.accept()[0].close()
                assert client.recv(1) == b""


@pytest.mark.skipif(os.name != "posix", reason="the rules of POSIX systems")
def test_a_listener_that_takes_no_more_connections_still_has_its_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "PROBE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as taken:
        port = taken.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        with pytest.raises(CannotListen) as refused:
            listen("127.0.0.1", port, 1)
        for each in waiting:
            each.close()
    assert refused.value.failure is BindFailure.TAKEN
