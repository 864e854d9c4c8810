"""Whether browsers let a page reach an engine that is not on their own machine."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Machine, ok, warn
from imjoy.effects.network.addresses import HERE
from imjoy.engines.running import find_engine, outside_url
from imjoy.model.project import APP_HOME


def look(machine: Machine) -> Finding:
    """Warn of an engine on the network whose app is not served by itself."""
    sighting = find_engine(machine.layout)
    state = sighting.state
    if state is None or not sighting.alive or state.host in HERE:
        return ok(f"pages of {APP_HOME} may reach an engine on the browser's own machine, once allowed")
    if state.serve:
        return ok(f"open {outside_url(state)} on the other machine: the app comes from the engine itself")
    if state.certificate:
        return ok(
            f"open {outside_url(state)} on the other machine, and let the browser accept its certificate"
        )
    return warn(
        f"A page of {APP_HOME} cannot reach this engine from another machine.",
        "Browsers keep https pages from plain http addresses on the network.",
        f"imjoy stop\nimjoy start --serve --tls --host {state.host}",
    )


CHECK = Check(
    "remote.browser",
    "what the browser allows",
    look,
    """\
Cause: browsers block requests from an `https` page, such as the app on `https://imjoy.io`, to a plain `http` address
on the network. To `127.0.0.1` they are allowed, but Chrome asks first (local network access), and most versions of
Safari block that too: open the engine's own url there.

Cure: let the engine serve the app itself, `imjoy start --serve --tls --host 0.0.0.0`, and open
`https://ADDRESS:8080`; or bring the engine to the browser's own machine with `ssh -L 8080:127.0.0.1:8080 YOU@HOST`.""",
)
