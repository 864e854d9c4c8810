"""Whether a port can be had, and which one can."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from imjoy.effects.network.listening import BindFailure
from imjoy.engines.ports import first_free_port, try_bind

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")


def test_a_free_port_can_be_had_and_is_free_again_afterwards() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert try_bind("127.0.0.1", port) is None
    assert try_bind("127.0.0.1", port) is None


def test_a_port_with_a_listener_is_taken_and_the_next_one_is_offered() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert try_bind("127.0.0.1", port) is BindFailure.TAKEN
        free = first_free_port("127.0.0.1", port)
    assert free is not None
    assert port < free < port + 10


def test_connections_that_ended_a_moment_ago_do_not_keep_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            # Whoever closes first keeps the address in TIME_WAIT.
            server.accept()[0].close()
    assert try_bind("127.0.0.1", port) is None


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_a_bad_host(host: str) -> None:
    assert try_bind(host, 0) is BindFailure.BAD_HOST


def test_after_the_last_port_there_is_none() -> None:
    assert first_free_port("127.0.0.1", 65536) is None


def test_a_free_port_is_free_for_all_who_look_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with ThreadPoolExecutor(8) as pool:
        refusals = list(pool.map(lambda _: try_bind("127.0.0.1", port), range(400)))
    assert set(refusals) == {None}
