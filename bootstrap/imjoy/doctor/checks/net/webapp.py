"""Where the app's packages come from."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Kind, Machine, ok
from imjoy.doctor.network import reach
from imjoy.doctor.webapp import CDN_URL, look_at_files
from imjoy.effects.tools.npm import npm_registry

NPM_SECONDS = 3.0


def look(machine: Machine) -> Finding:
    """Ask the npm registry that npm is set to, else the CDN; nobody when every file is here already."""
    state = look_at_files(machine.layout.webapp)
    if state.complete:
        return ok("every file of the app is here already")
    registry = npm_registry(machine.context.environ, run=machine.context.run, seconds=NPM_SECONDS)
    return reach(
        f"{registry or CDN_URL}/imjoy-core",
        machine,
        need="`imjoy start --serve` cannot fetch the app",
    )


CHECK = Check(
    "net.webapp",
    "where the app comes from",
    look,
    """\
Cause: the npm registry (`npm_config_registry`, `~/.npmrc`) or, where none is set, the jsDelivr CDN cannot be
reached, and the app that `imjoy start --serve` serves is not here yet.

Cure: as for `net.index`. The app is fetched once; after that no network is needed. To prepare a machine that never
has one, copy `.imjoy/webapp` of a workspace that has it.""",
    Kind.NETWORK,
)
