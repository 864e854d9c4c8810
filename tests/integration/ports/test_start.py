"""`imjoy start` on a taken port, and `imjoy doctor --port`, as a person meets them."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psutil
import pytest

from imjoy.engines.ports import try_bind

from .conftest import BECOME_NOBODY, Holder, needs_root

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal"),
    pytest.mark.usefixtures("only_user_of_8080"),
]

StartHolder = Callable[..., Holder]
Imjoy = Callable[..., CompletedProcess[str]]
DEFAULT_PORT = 8080


@pytest.fixture
def taken_default(holder: StartHolder) -> Iterator[int]:
    """Make sure that port 8080 is held, by us or by whoever has it, and return the number that comes next."""
    if try_bind("127.0.0.1", DEFAULT_PORT) is None:
        holder(port=DEFAULT_PORT)
    yield DEFAULT_PORT + 1


def test_without_a_terminal_the_default_port_gives_way_to_the_next(
    imjoy: Imjoy, stopped_afterwards: None, taken_default: int
) -> None:
    done = imjoy("start", "--detach", "--json")
    assert done.returncode == 0, done.stderr
    port = json.loads(done.stdout)["port"]
    assert taken_default <= port < taken_default + 10
    assert f"Port {DEFAULT_PORT} is used by" in done.stderr


def test_without_a_terminal_a_port_that_was_typed_is_exit_5_with_the_commands(
    imjoy: Imjoy, holder: StartHolder
) -> None:
    held = holder()
    done = imjoy("start", "--port", str(held.port))
    assert done.returncode == 5
    assert "holder-of-a-port.py" in done.stderr
    assert "imjoy start --port " in done.stderr
    assert f"imjoy doctor --port {held.port} --kill {held.pid}" in done.stderr
    assert held.alive


def test_on_a_terminal_the_next_port_can_be_chosen(
    on_terminal: Callable[..., Any], holder: StartHolder
) -> None:
    held = holder()
    terminal = on_terminal("start", "--port", str(held.port), "--no-open")
    said = terminal.expect("[3] quit: ")
    assert f"(pid {held.pid}, you)" in said
    assert "holder-of-a-port.py" in said
    offered = int(said.rpartition("[1] use ")[2].split()[0])
    terminal.type("1\n")
    terminal.expect(f"http://127.0.0.1:{offered}")
    terminal.expect("Ctrl-C, here")
    terminal.type("\x03")
    assert terminal.wait() == 130
    assert held.alive


def test_on_a_terminal_a_stranger_is_stopped_only_by_typing_its_number(
    on_terminal: Callable[..., Any], holder: StartHolder
) -> None:
    held = holder()
    terminal = on_terminal("start", "--port", str(held.port), "--no-open")
    terminal.expect("[3] quit: ")
    terminal.type("2\n")
    terminal.expect(f"Type {held.pid} to stop it: ")
    terminal.type("yes\n")
    assert terminal.wait() == 5
    assert held.alive

    terminal = on_terminal("start", "--port", str(held.port), "--no-open")
    terminal.expect("[3] quit: ")
    terminal.type("2\n")
    terminal.expect(f"Type {held.pid} to stop it: ")
    terminal.type(f"{held.pid}\n")
    terminal.expect(f"http://127.0.0.1:{held.port}")
    terminal.expect("Ctrl-C, here")
    assert not held.alive
    terminal.type("\x03")
    assert terminal.wait() == 130


@pytest.mark.parametrize(("keys", "exit_code"), [("3\n", 5), ("\n", 5), ("\x03", 130)])
def test_on_a_terminal_one_can_quit(
    on_terminal: Callable[..., Any], holder: StartHolder, keys: str, exit_code: int
) -> None:
    held = holder()
    terminal = on_terminal("start", "--port", str(held.port), "--no-open")
    terminal.expect("[3] quit: ")
    terminal.type(keys)
    assert terminal.wait() == exit_code
    assert held.alive


def test_a_listener_that_dies_during_the_question_leaves_its_port(
    on_terminal: Callable[..., Any], holder: StartHolder
) -> None:
    held = holder()
    terminal = on_terminal("start", "--port", str(held.port), "--no-open")
    terminal.expect("[3] quit: ")
    terminal.type("2\n")
    terminal.expect("to stop it: ")
    held.process.send_signal(signal.SIGKILL)
    held.process.wait()
    terminal.type(f"{held.pid}\n")
    terminal.expect("had ended")
    terminal.expect(f"http://127.0.0.1:{held.port}")
    terminal.expect("Ctrl-C, here")
    terminal.type("\x03")
    assert terminal.wait() == 130


def test_an_engine_of_another_workspace_is_known_as_ours(
    on_terminal: Callable[..., Any], imjoy: Imjoy, stopped_afterwards: None, tmp_path: Path
) -> None:
    other = json.loads(imjoy("start", "--detach", "--port", "0", "--json").stdout)
    mine = ("--workspace", str(tmp_path / "another"))
    terminal = on_terminal("start", "--port", str(other["port"]), "--no-open", *mine)
    terminal.expect("It is your engine of the workspace")
    terminal.type("2\n")
    terminal.expect(f"http://127.0.0.1:{other['port']}")
    terminal.expect("Ctrl-C, here")
    assert json.loads(imjoy("status", "--json").stdout)["running"] is False
    terminal.type("\x03")
    assert terminal.wait() == 130


def test_replace_stops_our_engine_and_nobody_else(
    imjoy: Imjoy, stopped_afterwards: None, holder: StartHolder
) -> None:
    first = json.loads(imjoy("start", "--detach", "--port", "0", "--json").stdout)
    second = json.loads(
        imjoy("start", "--detach", "--replace", "--port", str(first["port"]), "--json").stdout
    )
    assert second["port"] == first["port"]
    assert (second["already_running"], second["pid"] != first["pid"]) == (False, True)
    held = holder()
    refused = imjoy("start", "--replace", "--port", str(held.port))
    assert refused.returncode == 5
    assert held.alive


def test_an_engine_of_ours_that_hangs_is_not_called_running_and_ends_in_order(
    on_terminal: Callable[..., Any], imjoy: Imjoy, stopped_afterwards: None
) -> None:
    first = json.loads(imjoy("start", "--detach", "--port", "0", "--json").stdout)
    os.kill(first["pid"], signal.SIGSTOP)
    refused = imjoy("start")
    assert refused.returncode == 1
    assert "engine.hung" in refused.stderr
    terminal = on_terminal("start", "--port", str(first["port"]), "--no-open")
    terminal.expect("Restart it? [Y/n] ")
    terminal.type("n\n")
    assert terminal.wait() == 1
    stopped = json.loads(imjoy("stop", "--json").stdout)
    assert (stopped["pid"], stopped["how"]) == (first["pid"], "terminated")
    assert (
        not psutil.pid_exists(first["pid"]) or psutil.Process(first["pid"]).status() == psutil.STATUS_ZOMBIE
    )


def test_doctor_lists_who_listens(imjoy: Imjoy, holder: StartHolder) -> None:
    held = holder()
    text = imjoy("doctor", "--port", str(held.port))
    assert text.returncode == 0
    assert f"(pid {held.pid}, you)" in text.stdout
    assert f"imjoy doctor --port {held.port} --kill {held.pid}" in text.stdout
    document = json.loads(imjoy("doctor", "--port", str(held.port), "--json").stdout)
    assert (document["schema"], document["free"]) == (1, False)
    assert [each["pid"] for each in document["listeners"]] == [held.pid]
    held.end()
    assert f"Nobody listens on port {held.port}." in imjoy("doctor", "--port", str(held.port)).stdout


def test_doctor_stops_by_hand_when_told_so(
    imjoy: Imjoy, on_terminal: Callable[..., Any], holder: StartHolder
) -> None:
    held = holder()
    kill = ("doctor", "--port", str(held.port), "--kill", str(held.pid))
    unasked = imjoy(*kill)
    assert unasked.returncode == 2
    assert "port.unconfirmed" in unasked.stderr
    terminal = on_terminal(*kill)
    terminal.expect(f"Type {held.pid} to stop it: ")
    terminal.type("no\n")
    assert terminal.wait() == 1
    assert held.alive
    done = imjoy(*kill, "--yes", "--json")
    assert json.loads(done.stdout)["how"] == "terminated"
    assert not held.alive


def test_doctor_stops_only_what_listens_there(imjoy: Imjoy, holder: StartHolder) -> None:
    held, bystander = holder(), holder()
    done = imjoy("doctor", "--port", str(held.port), "--kill", str(bystander.pid), "--yes")
    assert done.returncode == 1
    assert "port.not-there" in done.stderr
    assert bystander.alive
    assert imjoy("doctor", "--kill", "1").returncode == 2


@needs_root
def test_doctor_leaves_another_user_s_process_alone(imjoy: Imjoy, holder: StartHolder) -> None:
    held = holder(then=BECOME_NOBODY)
    done = imjoy("doctor", "--port", str(held.port), "--kill", str(held.pid), "--yes")
    assert done.returncode == 5
    assert "port.protected" in done.stderr
    assert f"imjoy start --port {held.port + 1}" in done.stderr
    assert held.alive


def test_when_the_next_ten_are_taken_too_that_is_exit_5(imjoy: Imjoy, taken_default: int) -> None:
    with ExitStack() as held:
        for port in range(taken_default, taken_default + 10):
            if try_bind("127.0.0.1", port) is None:
                held.enter_context(socket.create_server(("127.0.0.1", port)))
        done = imjoy("start")
    assert done.returncode == 5
    assert "imjoy start --port 0" in done.stderr
