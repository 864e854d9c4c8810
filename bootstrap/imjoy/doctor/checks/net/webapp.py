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
        return ok("the app is already downloaded")
    registry = npm_registry(machine.context.environ, run=machine.context.run, seconds=NPM_SECONDS)
    return reach(
        f"{registry or CDN_URL}/imjoy-core",
        machine,
        need="`imjoy start --serve` cannot download the app",
    )


CHECK = Check(
    "net.webapp",
    "the source of the app's packages",
    look,
    """\
Cause: the npm registry (`npm_config_registry`, `~/.npmrc`) or, if none is set, the jsDelivr CDN cannot be reached,
and the app that `imjoy start --serve` serves is not downloaded yet.

Fix: as for `net.index`. imjoy downloads the app once, and needs no network after that. For a machine that never has
a network, copy `.imjoy/webapp` from a workspace that has it.""",
    Kind.NETWORK,
)
