"""What cannot be seen from this machine, and how to see it from the other one."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Machine, Status, skip
from imjoy.effects.network.addresses import LOCAL_HOSTS
from imjoy.engines.running import find_engine, outside_url


def look(machine: Machine) -> Finding:
    """Say what to type on the other machine, when an engine is meant to be reached from there."""
    found_engine = find_engine(machine.layout)
    state = found_engine.state
    if state is None or not found_engine.alive or state.host in LOCAL_HOSTS:
        return skip("no engine accepts connections from other machines")
    return Finding(
        Status.SKIPPED,
        "This machine cannot see whether a firewall blocks other machines.",
        'On the other machine, this command has to print {"alive": true}:',
        f"curl {'--insecure ' if state.certificate else ''}{outside_url(state)}/healthz",
    )


CHECK = Check(
    "remote.firewall",
    "firewalls",
    look,
    """\
Cause: a firewall on this machine, on the other machine or between them may block the engine's port. This machine
cannot see that, so this check only says how to find out.

Fix: type the line that is shown on the other machine. If there is no answer, open the port in the firewall, or use
`ssh -L 8080:127.0.0.1:8080 YOU@HOST`, which needs only ssh.""",
)
