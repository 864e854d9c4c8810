"""Whether browsers let a page reach an engine that is not on their own machine."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Machine, ok, warn
from imjoy.effects.network.addresses import LOCAL_HOSTS
from imjoy.engines.running import find_engine, outside_url
from imjoy.model.project import APP_HOME


def look(machine: Machine) -> Finding:
    """Warn of an engine on the network whose app is not served by itself."""
    found_engine = find_engine(machine.layout)
    state = found_engine.state
    if state is None or not found_engine.alive or state.host in LOCAL_HOSTS:
        return ok(f"pages of {APP_HOME} can reach an engine on the browser's own machine if you allow it")
    if state.serve:
        return ok(f"open {outside_url(state)} on the other machine: the app comes from the engine itself")
    if state.certificate:
        return ok(f"open {outside_url(state)} on the other machine, and accept its certificate")
    return warn(
        f"A page of {APP_HOME} cannot reach this engine from another machine.",
        "Browsers block requests from https pages to plain http addresses on the network.",
        f"imjoy stop\nimjoy start --serve --tls --host {state.host}",
    )


CHECK = Check(
    "remote.browser",
    "what the browser allows",
    look,
    """\
Cause: browsers block requests from an `https` page, such as the app on `https://imjoy.io`, to a plain `http` address
on the network. Requests to `127.0.0.1` are allowed, but Chrome asks you first (local network access), and most
versions of Safari block them too: there, open the engine's own url.

Fix: let the engine serve the app itself: run `imjoy start --serve --tls --host 0.0.0.0`, and open
`https://ADDRESS:8080`. Or bring the engine to the machine of your browser with `ssh -L 8080:127.0.0.1:8080
YOU@HOST`.""",
)
