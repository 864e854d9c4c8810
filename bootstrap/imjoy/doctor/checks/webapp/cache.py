"""The app's files in the workspace."""

from __future__ import annotations

from imjoy.doctor.engine_smoke_test import fetch_app
from imjoy.doctor.model import Check, Finding, Fix, Machine, fail, ok, skip, warn
from imjoy.doctor.webapp import look_at_files


def look(machine: Machine) -> Finding:
    """Compare every file with its pinned hash."""
    state = look_at_files(machine.layout.webapp)
    if not state.present:
        return skip("not fetched; `imjoy start --serve` does that once")
    fix = Fix("fetch the app's files again", lambda: fetch_app(machine))
    if state.damaged:
        return fail(
            "Files of the app are damaged.",
            f"{state.damaged[0]} does not match its checksum.",
            "imjoy doctor --fix --only webapp.cache",
            fix,
        )
    if state.missing:
        return warn(
            "The app is not here as a whole, or in an older version.",
            f"Of its files {len(state.missing)} cannot be found, {state.missing[0]} for one. A network brings them.",
            "imjoy start --serve",
            fix,
        )
    return ok("the app can be served without a network")


CHECK = Check(
    "webapp.cache",
    "the app's files",
    look,
    """\
Cause: the files of the app in `<workspace>/.imjoy/webapp` were changed, are incomplete, or belong to an older imjoy.
The app then does not open without a network.

Cure: with a network, `imjoy start --serve` fetches what is missing, and `--fix` also what is damaged: it alone hashes
every file, where a start trusts one that has the size and time that it had when it was verified.""",
)
