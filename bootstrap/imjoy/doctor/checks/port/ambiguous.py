"""A listener on another address of the same port, which a browser may reach instead of the engine."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Machine, ok, warn
from imjoy.engines.listeners import find_listeners
from imjoy.engines.ports import try_bind
from imjoy.engines.running import read_state


def look(machine: Machine) -> Finding:
    """Look at every listener on the port that would not keep the engine from binding but answers for localhost."""
    listeners = find_listeners(machine.port)
    state = read_state(machine.layout)
    ours = state.pid if state else 0
    # Where the bind works, even a listener on `::` is not in the engine's way.
    taken = bool(listeners) and try_bind(machine.host, machine.port) is not None
    in_the_way = {each.pid for each in find_listeners(machine.port, machine.host)} if taken else set()
    others = [each for each in listeners if each.pid not in in_the_way and each.pid != ours]
    if not others:
        return ok(f"no other program answers on port {machine.port}")
    other = others[0]
    return warn(
        f"`localhost:{machine.port}` may lead to another program.",
        f"{other.described()} listens on {other.address}: {other.command}",
        "",
        advice=f"Open http://{machine.host}:{machine.port} instead of localhost.",
    )


CHECK = Check(
    "port.ambiguous",
    "the same port on another address",
    look,
    """\
Cause: another program listens on the same port at `::1` or at another address of this machine. The system allows
both, and a browser that opens `localhost` may reach the other program.

Fix: open `http://127.0.0.1:8080` instead of `localhost`, or start the engine on another port.""",
)
