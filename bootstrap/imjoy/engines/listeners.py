"""Who listens on a port, and the ladder that stops it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imjoy.effects.network.addresses import WILDCARDS
from imjoy.effects.network.listening import BindFailure
from imjoy.effects.network.proc_sockets import holders_of, listening_sockets
from imjoy.effects.processes.process import (
    POLL_SECONDS,
    CommandFailed,
    Ending,
    birth_of,
    command_line,
    end_process_tree,
    find_process,
    run_command,
)
from imjoy.engines.ports import try_bind
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import ENGINE_MODULE
from imjoy.model.results import Result

if TYPE_CHECKING:
    import psutil

Holders = list[tuple[int, str]]

LSOF_SECONDS = 5.0
SECRET_OPTION = re.compile(r"(--?[\w-]*(?:token|password|passwd|secret|key)[= ])('[^']*'|\S+)", re.IGNORECASE)
REBIND_SECONDS = 3.0
WIDEST_COMMAND = 200
# They hold ports for something inside a container or another system, which stopping them would cut off.
CONTAINER_PROXIES = (
    "docker-proxy",
    "dockerd",
    "com.docker.backend",
    "com.docker.vpnkit",
    "vpnkit",
    "rootlessport",
    "gvproxy",
    "orbstack",
    "orbstack helper",
    "colima",
    "limactl",
    "conmon",
    "wslrelay.exe",
    "wslhost.exe",
)


@dataclass(frozen=True)
class Listener(Result):
    """A process that holds a listening socket; ``birth`` tells it from a later one."""

    pid: int
    name: str
    user: str
    mine: bool
    command: str
    address: str
    birth: str

    def described(self) -> str:
        """Return who it is, in words."""
        return f"{self.name} (pid {self.pid}, {'you' if self.mine else self.user or 'another user'})"


@dataclass(frozen=True)
class PortHolders(Result):
    """Who listens on a port, ``note`` where nobody is seen although it cannot be had."""

    port: int
    free: bool
    listeners: tuple[Listener, ...]
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the document of ``imjoy doctor --port N --json``."""
        return {
            "schema": 1,
            "port": self.port,
            "free": self.free,
            "listeners": [each.as_json() for each in self.listeners],
            "note": self.note,
        }


@dataclass(frozen=True)
class ListenerStopped(Result):
    """What the ladder did to a process, and whether the port can be had now."""

    pid: int
    port: int
    how: Ending
    free: bool
    left: tuple[int, ...]


def port_holders(port: int, host: str) -> PortHolders:
    """Return who listens on a port, whatever the address, and whether ``host`` can bind it."""
    listeners = find_listeners(port)
    refusal = try_bind(host, port)
    note = ""
    if refusal is BindFailure.NOT_PERMITTED:
        note = f"The system does not let you use port {port}."
    elif refusal is not None and not listeners:
        note = explain_nobody(port)
    return PortHolders(port, refusal is None, listeners, note)


def find_listeners(port: int, host: str | None = None) -> tuple[Listener, ...]:
    """Return who listens on exactly this TCP port, at addresses that overlap with ``host`` (None: at any).

    One socket may have several holders: each is returned. Empty when nobody listens, or nobody that we may see.
    """
    found: dict[int, str] = {}
    for pid, address in _holders(port):
        if host is None or overlaps(host, address):
            found.setdefault(pid, address)
    return tuple(each for pid, address in found.items() if (each := _listener(pid, address)) is not None)


def overlaps(host: str, address: str) -> bool:
    """Whether listening on ``address`` keeps ``host`` from being bound. A dual-stack ``::`` takes IPv4 as well."""
    try:
        wanted = str(socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM)[0][4][0]) if host else ""
    except socket.gaierror:
        wanted = host
    address = address.removeprefix("::ffff:")
    if wanted == address or "::" in (wanted, address):
        return True
    if ":" in wanted or ":" in address:
        return wanted == ""
    return wanted in WILDCARDS or address in WILDCARDS


def explain_nobody(port: int) -> str:
    """Return why a port may be taken by nobody in sight."""
    return f"Something outside this view (a container, WSL, another user) holds port {port}."


def stop_listener(listener: Listener, port: int, host: str) -> ListenerStopped:
    """End a process by terminate (5 s) and kill (3 s), its children included, and try the port.

    Takes at most 14 s. Raises :class:`ImJoyError` ``port.protected`` for what imjoy never stops (itself, its
    ancestors, the system, another user's processes, the proxies of containers), ``port.immortal`` for what survives.
    """
    import psutil

    refuse_protected(listener, port)
    try:
        how = end_process_tree(listener.pid, listener.birth)
    except psutil.AccessDenied as error:
        raise _protected(listener, port, "The system does not let you end it.") from error
    if find_process(listener.pid, listener.birth) is not None:
        raise ImJoyError(
            "port.immortal",
            f"{listener.described()} survived terminate and kill.",
            why="It waits on the system, mostly on a disk or a device.",
            fix=f"imjoy start --port {port + 1}",
        )
    free = _becomes_free(host, port)
    left = () if free else tuple(each.pid for each in find_listeners(port, host))
    return ListenerStopped(listener.pid, port, how, free, left)


def refuse_protected(listener: Listener, port: int) -> None:
    """Raise :class:`ImJoyError` ``port.protected`` when this process must not be stopped."""
    import psutil

    if listener.pid in (0, 1):
        raise _protected(listener, port, "It is the system's first process.")
    if listener.name.lower() in CONTAINER_PROXIES:
        raise _protected(listener, port, "It serves a container. Stop the container instead.")
    family = {os.getpid(), *(each.pid for each in psutil.Process().parents())}
    if listener.pid in family:
        raise _protected(listener, port, "imjoy was started by it.")
    if not listener.mine:
        raise _protected(
            listener, port, f"It belongs to {listener.user or 'another user'}; imjoy does not use sudo."
        )


def engine_layout_of(listener: Listener, prefix: Path) -> Layout | None:
    """Return the paths of the engine that a listener seems to be, by its command line; None for another program.

    A seeming engine is proven by :func:`imjoy.engines.running.find_engine` with these paths.
    """
    process = find_process(listener.pid, listener.birth)
    argv = command_line(process) if process else []
    if ENGINE_MODULE not in argv or "--workspace" not in argv[:-1]:
        return None
    return Layout(prefix, Path(argv[argv.index("--workspace") + 1]))


def _protected(listener: Listener, port: int, why: str) -> ImJoyError:
    return ImJoyError(
        "port.protected",
        f"imjoy does not stop {listener.described()}.",
        why=f"{why}\n{listener.command}".strip(),
        fix=f"imjoy start --port {port + 1}",
        exit_code=ExitCode.PORT_TAKEN,
    )


def _becomes_free(host: str, port: int) -> bool:
    deadline = time.monotonic() + REBIND_SECONDS
    while try_bind(host, port) is BindFailure.TAKEN:
        # Children that were just killed hold it for an instant more.
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _holders(port: int) -> Holders:
    """Return pid and address of each holder, from the first source that can tell."""
    answers = (source(port) for source in SOURCES)
    return next((holders for holders in answers if holders is not None), [])


def _by_kernel(port: int) -> Holders | None:
    """Linux shows every socket; what it does not show us of their holders, nobody else would."""
    sockets = listening_sockets(port)
    return None if sockets is None else list(holders_of(sockets))


def _by_table(port: int) -> Holders | None:
    """The system's table of connections; it names one holder a socket, so processes are asked for the others."""
    import psutil

    try:
        listed = [each for each in psutil.net_connections(kind="tcp") if _listens(each, port)]
    except (psutil.AccessDenied, OSError):
        return None
    others = _by_process(port) if listed else None
    return [*(others or ()), *((each.pid, str(each.laddr[0])) for each in listed if each.pid and each.laddr)]


def _by_process(port: int) -> Holders | None:
    """Every process that we may look into: macOS lets nobody but an administrator see the whole table."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            ask = getattr(process, "net_connections", None) or process.connections  # until psutil 6
            found += [(process.pid, str(each.laddr[0])) for each in ask(kind="tcp") if _listens(each, port)]
    return found or None


def _by_lsof(port: int) -> Holders | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    try:
        output = run_command(
            [lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpn"], timeout=LSOF_SECONDS
        ).output
    except CommandFailed:
        # It also fails when it finds nobody.
        return None
    pid, found = 0, []
    for line in output.splitlines():
        if re.fullmatch(r"p\d+", line):
            pid = int(line[1:])
        elif line.startswith("n") and pid:
            host = line[1:].rpartition(":")[0].strip("[]")
            found.append((pid, "0.0.0.0" if host == "*" else host))
    return found


SOURCES: Sequence[Callable[[int], Holders | None]] = (_by_kernel, _by_table, _by_process, _by_lsof)
"""Asked in this order; None says that a source cannot tell."""


def _listens(connection: object, port: int) -> bool:
    import psutil

    where = getattr(connection, "laddr", None)
    return bool(where) and getattr(connection, "status", "") == psutil.CONN_LISTEN and where.port == port  # type: ignore[union-attr]


def _listener(pid: int, address: str) -> Listener | None:
    import psutil

    try:
        process = psutil.Process(pid)
        birth, name = birth_of(pid), process.name()
    except psutil.Error:
        # It ended while we looked.
        return None
    user, mine = _owner(process)
    # On one line, and without what a terminal would obey: a stranger chose these words.
    words = shlex.join(command_line(process)) or name
    line = " ".join("".join(each if each.isprintable() else " " for each in words).split())
    # It ends up in reports, and classic engines take their token on the command line.
    command = SECRET_OPTION.sub(r"\1<hidden>", line)
    if len(command) > WIDEST_COMMAND:
        command = command[:WIDEST_COMMAND] + "…"
    return Listener(pid, name, user, mine, command, address, birth)


def _owner(process: psutil.Process) -> tuple[str, bool]:
    import psutil

    try:
        user = process.username()
        return user, user == psutil.Process().username()
    except (psutil.Error, KeyError):
        return "", False
