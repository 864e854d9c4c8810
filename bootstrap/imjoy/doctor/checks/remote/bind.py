"""Whether the running engine can be reached from the machine where the browser is."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Machine, ok, warn
from imjoy.effects.network.addresses import HERE, ssh_tunnel
from imjoy.engines.running import find_engine


def look(machine: Machine) -> Finding:
    """Compare where the engine listens with where the person seems to sit."""
    sighting = find_engine(machine.layout)
    state = sighting.state
    if state is None or not sighting.alive:
        return ok("no engine runs, so there is nothing to reach")
    if state.host not in HERE:
        return ok(f"the engine listens on {state.host}, port {state.port}")
    connection = machine.context.environ.get("SSH_CONNECTION", "").split()
    if not connection:
        return ok("the engine is for this machine only")
    this_machine = connection[2] if len(connection) > 2 else "HOST"
    return warn(
        "Your browser is on another machine, and the engine listens on this one only.",
        f"You came here by ssh; {state.url} means your own machine there.",
        ssh_tunnel(state.host, state.port, this_machine),
    )


CHECK = Check(
    "remote.bind",
    "reaching the engine from elsewhere",
    look,
    """\
Cause: the engine listens on `127.0.0.1`, which nobody but this machine can reach, and you sit at another one. A
firewall between the two has the same effect, and cannot be seen from here.

Cure: on your own machine `ssh -L 8080:127.0.0.1:8080 YOU@HOST`, then open `http://127.0.0.1:8080` there; it is
encrypted and passes firewalls that let ssh through. Or `imjoy start --serve --tls --host 0.0.0.0`, and open one of the
urls that it prints. [remote.md](remote.md) has both.""",
)
