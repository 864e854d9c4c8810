"""Whether the engine can have its port."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Machine, ok, warn
from imjoy.effects.network.listening import BindFailure
from imjoy.engines.listeners import explain_nobody, find_listeners
from imjoy.engines.ports import first_free_port, try_bind
from imjoy.engines.running import Condition, find_engine


def look(machine: Machine) -> Finding:
    """Bind and listen for an instant, and look for who has the port when that is refused."""
    refusal = try_bind(machine.host, machine.port)
    if refusal is None:
        return ok(f"port {machine.port} is free")
    if refusal is not BindFailure.TAKEN:
        # port.reserved tells the rest.
        return ok(f"no program uses port {machine.port}")
    found_engine = find_engine(machine.layout)
    if (
        found_engine.condition is Condition.PROVEN
        and found_engine.state
        and found_engine.state.port == machine.port
    ):
        return ok(f"port {machine.port} is used by the engine of this workspace")
    holders = find_listeners(machine.port, machine.host)
    free = first_free_port(machine.host, machine.port + 1)
    described = "\n".join(f"{each.described()}: {each.command}" for each in holders)
    return warn(
        f"Port {machine.port} is used by another program.",
        described or explain_nobody(machine.port),
        f"imjoy start --port {free}" if free else f"imjoy doctor --port {machine.port}",
    )


CHECK = Check(
    "port.free",
    "the engine's port",
    look,
    """\
Cause: `address already in use`. Another program listens on port 8080. The finding shows its name and its command
line. If imjoy cannot see that program (it is in a container or in WSL, or belongs to another user), the finding says
so.

Fix: `imjoy start --port 8081`, and enter that address in the app. In a terminal, `imjoy start` offers to use the
next port or to stop that program. `imjoy doctor --port 8080 --kill PID` stops it directly. In a script, `imjoy
start` uses one of the next ten ports, unless `--port` was given.""",
)
