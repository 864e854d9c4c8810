"""What cannot be seen from this machine, and how to see it from the other one."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Machine, Status, skip
from imjoy.effects.network.addresses import HERE
from imjoy.engines.running import find_engine, outside_url


def look(machine: Machine) -> Finding:
    """Say what to type on the other machine, when an engine is meant to be reached from there."""
    sighting = find_engine(machine.layout)
    state = sighting.state
    if state is None or not sighting.alive or state.host in HERE:
        return skip("no engine is open to other machines")
    return Finding(
        Status.SKIPPED,
        "Whether a firewall lets others in cannot be seen from here.",
        'On the other machine this has to answer {"alive": true}:',
        f"curl {'--insecure ' if state.certificate else ''}{outside_url(state)}/healthz",
    )


CHECK = Check(
    "remote.firewall",
    "firewalls on the way",
    look,
    """\
Cause: a firewall on this machine, on the other one or between them drops what is sent to the engine's port. Nobody can
see that from the machine that is shielded, so this check never says more than how to find out.

Cure: type the line that is shown on the other machine. When it does not answer, let the port through, or use
`ssh -L 8080:127.0.0.1:8080 YOU@HOST`, which needs only ssh.""",
)
