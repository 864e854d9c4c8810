"""Whether the running engine can be reached from the machine where the browser is."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Machine, ok, warn
from imjoy.effects.network.addresses import LOCAL_HOSTS, ssh_tunnel
from imjoy.engines.running import find_engine


def look(machine: Machine) -> Finding:
    """Compare where the engine listens with where the person seems to sit."""
    found_engine = find_engine(machine.layout)
    state = found_engine.state
    if state is None or not found_engine.alive:
        return ok("no engine is running")
    if state.host not in LOCAL_HOSTS:
        return ok(f"the engine listens on {state.host}, port {state.port}")
    connection = machine.context.environ.get("SSH_CONNECTION", "").split()
    if not connection:
        return ok("the engine can be reached only from this machine")
    this_machine = connection[2] if len(connection) > 2 else "HOST"
    return warn(
        "Your browser is on another machine, and the engine can be reached only from this one.",
        f"You are connected by ssh. In your browser, {state.url} means the machine of the browser.",
        ssh_tunnel(state.host, state.port, this_machine),
    )


CHECK = Check(
    "remote.bind",
    "reaching the engine from another machine",
    look,
    """\
Cause: the engine listens on `127.0.0.1`, which only this machine can reach, and your browser is on another machine.
A firewall between the two machines has the same effect, and this check cannot see it.

Fix: on your own machine, run `ssh -L 8080:127.0.0.1:8080 YOU@HOST`, and open `http://127.0.0.1:8080` there. This
connection is encrypted, and passes firewalls that allow ssh. Or run `imjoy start --serve --tls --host 0.0.0.0`, and
open one of the urls that it prints. [remote.md](remote.md) describes both.""",
)
