"""Who holds a port, and the ladder, with real processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import psutil
import pytest

from imjoy.effects.network.listening import BindFailure
from imjoy.effects.processes.process import birth_of
from imjoy.engines import listeners
from imjoy.engines.listeners import find_listeners, port_holders, stop_listener
from imjoy.engines.ports import try_bind
from imjoy.model.errors import ImJoyError

from .conftest import (
    BECOME_NOBODY,
    CHILD_ALONE,
    FORK_A_HOLDER,
    IGNORE_TERMINATE,
    Holder,
    needs_root,
)

pytestmark = [
    pytest.mark.usefixtures("here_and_on_a_mac"),
    pytest.mark.skipif(os.name == "nt", reason="needs fork and signals"),
]

StartHolder = Callable[..., Holder]
HOST = "127.0.0.1"


def test_a_holder_is_named_with_its_command_line(holder: StartHolder) -> None:
    held = holder()
    [found] = find_listeners(held.port, HOST)
    assert (found.pid, found.mine, found.address) == (held.pid, True, HOST)
    assert "holder-of-a-port.py" in found.command
    assert "'line break [31m'" in found.command
    assert found.command.endswith("--token=<hidden> --api-key <hidden>")
    assert found.described().endswith(f"(pid {held.pid}, you)")


def test_only_listeners_on_exactly_that_port_count(holder: StartHolder) -> None:
    held = holder()
    with socket.create_connection((HOST, held.port)) as client:
        # Our end of the connection has a port too, on which nobody listens.
        assert find_listeners(client.getsockname()[1]) == ()
        assert [each.pid for each in find_listeners(held.port)] == [held.pid]


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_wildcard_is_in_the_way_of_loopback(holder: StartHolder, address: str) -> None:
    if address == "::" and not socket.has_ipv6:
        pytest.skip("there is no IPv6")
    held = holder(address, v6only=0 if address == "::" else None)
    assert try_bind(HOST, held.port) is BindFailure.TAKEN
    assert [each.pid for each in find_listeners(held.port, HOST)] == [held.pid]


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
def test_a_listener_on_the_other_loopback_only_is_not_in_the_way(holder: StartHolder) -> None:
    held = holder("::1")
    assert try_bind(HOST, held.port) is None
    assert find_listeners(held.port, HOST) == ()
    assert [each.address for each in find_listeners(held.port)] == ["::1"]
    assert port_holders(held.port, HOST).free


def test_a_socket_with_two_holders_has_both_named(holder: StartHolder) -> None:
    held = holder(then=FORK_A_HOLDER)
    [child] = psutil.Process(held.pid).children()
    assert {each.pid for each in find_listeners(held.port, HOST)} == {held.pid, child.pid}


def test_a_child_that_inherited_the_socket_is_found_when_its_parent_has_none(holder: StartHolder) -> None:
    held = holder(then=CHILD_ALONE)
    [child] = psutil.Process(held.pid).children()
    [found] = find_listeners(held.port, HOST)
    assert found.pid == child.pid
    assert stop_listener(found, held.port, HOST).free
    assert held.alive


def test_a_polite_holder_is_terminated_and_the_port_is_free(holder: StartHolder) -> None:
    held = holder()
    stopped = stop_listener(find_listeners(held.port)[0], held.port, HOST)
    assert (stopped.how, stopped.free, stopped.left) == ("terminated", True, ())
    assert not held.alive


@pytest.mark.slow
def test_a_holder_that_ignores_terminate_is_killed(holder: StartHolder) -> None:
    held = holder(then=IGNORE_TERMINATE)
    stopped = stop_listener(find_listeners(held.port)[0], held.port, HOST)
    assert (stopped.how, stopped.free) == ("killed", True)


def test_children_that_hold_the_socket_end_with_their_parent(holder: StartHolder) -> None:
    held = holder(then=FORK_A_HOLDER)
    parent = next(each for each in find_listeners(held.port) if each.pid == held.pid)
    assert stop_listener(parent, held.port, HOST).free


def test_when_another_holder_is_left_the_port_is_not_called_free(holder: StartHolder) -> None:
    held = holder(then=FORK_A_HOLDER)
    child = next(each for each in find_listeners(held.port) if each.pid != held.pid)
    stopped = stop_listener(child, held.port, HOST)
    assert (stopped.free, stopped.left) == (False, (held.pid,))


def test_a_number_that_was_given_to_another_process_is_left_alone(holder: StartHolder) -> None:
    held = holder()
    [found] = find_listeners(held.port)
    # What remains of a listener that ended, whose number the system gave to this holder.
    earlier = replace(found, birth=birth_of(1))
    assert stop_listener(earlier, held.port, HOST).how == "gone"
    assert held.alive


# Runs as the first process of a namespace of its own, where the next number can be chosen.
REUSE_A_NUMBER = """
import subprocess, sys
from pathlib import Path
from imjoy.engines.listeners import find_listeners, stop_listener

CODE = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])));" \
    "print(s.getsockname()[1], flush=True); sys.stdin.read()"

def listen(port):
    argv = [sys.executable, "-c", CODE, str(port)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())

first, port = listen(0)
[found] = find_listeners(port)
first.kill()
first.wait()
Path("/proc/sys/kernel/ns_last_pid").write_text(str(found.pid - 1))
second, _ = listen(port)
how = stop_listener(found, port, "127.0.0.1").how
print(second.pid == found.pid, how, second.poll())
"""


@needs_root
@pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare is missing")
def test_a_number_that_the_kernel_really_gave_again_is_left_alone() -> None:
    alone = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    done = subprocess.run(
        [*alone, sys.executable, "-c", REUSE_A_NUMBER], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and ("unshare" in done.stderr or "ns_last_pid" in done.stderr):
        pytest.skip(f"this machine has no namespaces for us: {done.stderr}")
    assert done.stdout.split() == ["True", "gone", "None"], done.stderr


def test_a_holder_that_ended_meanwhile_is_gone(holder: StartHolder) -> None:
    held = holder()
    [found] = find_listeners(held.port)
    held.process.terminate()
    held.process.wait()
    stopped = stop_listener(found, held.port, HOST)
    assert (stopped.how, stopped.free) == ("gone", True)


def test_after_connections_the_port_is_free_at_once(holder: StartHolder) -> None:
    held = holder()
    with socket.create_connection((HOST, held.port)):
        begin = time.monotonic()
        assert stop_listener(find_listeners(held.port)[0], held.port, HOST).free
    # What is left of a connection keeps a port for a minute from whoever does not know how to take it.
    assert time.monotonic() - begin < 30


@needs_root
def test_another_user_s_process_is_named_and_never_stopped(holder: StartHolder) -> None:
    held = holder(then=BECOME_NOBODY)
    [found] = find_listeners(held.port)
    assert (found.mine, found.user) == (False, "nobody")
    with pytest.raises(ImJoyError) as raised:
        stop_listener(found, held.port, HOST)
    assert raised.value.id == "port.protected"
    assert "does not use sudo" in raised.value.why
    assert raised.value.fix == f"imjoy start --port {held.port + 1}"
    assert held.alive


def test_never_itself_its_ancestors_the_first_process_or_a_container_s_proxy() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        [me] = find_listeners(port)
        for listener in (
            me,
            replace(me, pid=os.getppid()),
            replace(me, pid=1),
            replace(me, pid=0),
            replace(me, pid=2**22, name="docker-proxy"),
            # What has the ports of containers on a Mac.
            *(
                replace(me, pid=2**22, name=name)
                for name in ("com.docker.backend", "OrbStack Helper", "limactl")
            ),
        ):
            with pytest.raises(ImJoyError) as raised:
                stop_listener(listener, port, HOST)
            assert raised.value.id == "port.protected"


def test_what_the_table_does_not_show_is_found_by_asking_each_process(
    holder: StartHolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(kind: str) -> None:
        raise psutil.AccessDenied

    held = holder()
    # macOS shows the table to nobody but an administrator.
    monkeypatch.setattr(psutil, "net_connections", refuse)
    monkeypatch.setattr(listeners, "SOURCES", (listeners._by_table, listeners._by_process))
    assert [each.pid for each in find_listeners(held.port, HOST)] == [held.pid]


@pytest.mark.parametrize("address", ["127.0.0.1", "::"])
def test_every_source_sees_the_same_holders(holder: StartHolder, address: str) -> None:
    held = holder(address, then=FORK_A_HOLDER)
    answers = [answer for source in listeners.SOURCES if (answer := source(held.port)) is not None]
    assert len(answers) >= 2
    pids = {held.pid, *(each.pid for each in psutil.Process(held.pid).children())}
    for answer in answers:
        assert {pid for pid, _ in answer} == pids
    assert {where for _, where in answers[0]} == {address}


def test_that_nobody_listens_is_known_at_once() -> None:
    def look() -> float:
        begin = time.monotonic()
        assert find_listeners(1) == ()
        return time.monotonic() - begin

    # The best of some: what a busy machine adds is not ours.
    assert min(look() for _ in range(3)) < 1


@pytest.mark.skipif(shutil.which("lsof") is None, reason="lsof is not installed")
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_lsof_is_asked_last(holder: StartHolder, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    held = holder(address)
    monkeypatch.setattr(listeners, "SOURCES", (listeners._by_lsof,))
    [found] = find_listeners(held.port, HOST)
    assert (found.pid, found.address) == (held.pid, address)
    assert find_listeners(1) == ()


def test_without_lsof_and_without_a_view_that_is_said(
    holder: StartHolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = holder()
    monkeypatch.setattr(listeners, "SOURCES", (listeners._by_lsof,))
    monkeypatch.setenv("PATH", "/nowhere")
    seen = port_holders(held.port, HOST)
    assert (seen.free, seen.listeners) == (False, ())
    assert "outside this view" in seen.note
