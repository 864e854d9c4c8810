"""Ports that the system keeps for itself."""

from __future__ import annotations

import re
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Machine, fail, ok
from imjoy.effects.network.listening import BindFailure
from imjoy.effects.processes.process import CommandFailed
from imjoy.engines.ports import first_free_port, try_bind

AIRPLAY_PORTS = (5000, 7000)
FIRST_UNPRIVILEGED = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
DEFAULT_FIRST_UNPRIVILEGED = 1024
NETSH_SECONDS = 10.0


def look(machine: Machine) -> Finding:
    """Look for a reason of the system's why the port cannot be had, whoever else may listen."""
    reason = reserved_because(machine)
    if reason is None:
        return ok(f"port {machine.port} is not reserved")
    free = first_free_port(machine.host, max(machine.port + 1, 8081)) or 8081
    return fail(f"The system reserves port {machine.port}.", reason, f"imjoy start --port {free}")


def reserved_because(machine: Machine) -> str | None:
    """Return why a port cannot be had on this system, or None."""
    port = machine.port
    if machine.platform == "win32":
        for first, last in excluded_ranges(_netsh(machine)):
            if first <= port <= last:
                return f"Windows has reserved the ports {first} to {last}, usually for Hyper-V or WSL."
        return None
    if machine.platform == "darwin" and port in AIRPLAY_PORTS:
        return "AirPlay Receiver of macOS uses it."
    if port < _first_unprivileged() and try_bind(machine.host, port) is BindFailure.NOT_PERMITTED:
        return f"Ports below {_first_unprivileged()} need an administrator."
    return None


def excluded_ranges(output: str) -> list[tuple[int, int]]:
    """Return the ranges in the output of ``netsh interface ipv4 show excludedportrange protocol=tcp``."""
    return [
        (int(first), int(last))
        for first, last in re.findall(r"^\s*(\d+)\s+(\d+)\s*\*?\s*$", output, re.MULTILINE)
    ]


def _netsh(machine: Machine) -> str:
    argv = ["netsh", "interface", "ipv4", "show", "excludedportrange", "protocol=tcp"]
    try:
        return machine.context.run(argv, timeout=NETSH_SECONDS).output
    except CommandFailed:
        return ""


def _first_unprivileged() -> int:
    try:
        return int(FIRST_UNPRIVILEGED.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return DEFAULT_FIRST_UNPRIVILEGED


CHECK = Check(
    "port.reserved",
    "ports that the system reserves",
    look,
    """\
Cause: ports below 1024 need an administrator, Windows reserves ranges of ports for Hyper-V and WSL, and AirPlay on
macOS uses 5000 and 7000. imjoy cannot free such a port.

Fix: use another port: `imjoy start --port 8081`.""",
)
