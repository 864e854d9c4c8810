"""The app's files in the workspace."""

from __future__ import annotations

from imjoy.doctor.engine_smoke_test import fetch_app
from imjoy.doctor.model import Check, Finding, Fix, Machine, fail, ok, skip, warn
from imjoy.doctor.webapp import look_at_files


def look(machine: Machine) -> Finding:
    """Compare every file with its pinned hash."""
    state = look_at_files(machine.layout.webapp)
    if not state.present:
        return skip("not downloaded; `imjoy start --serve` does that once")
    fix = Fix("download the app's files again", lambda: fetch_app(machine))
    if state.damaged:
        return fail(
            "Files of the app are damaged.",
            f"{state.damaged[0]} does not match its checksum.",
            "imjoy doctor --fix --only webapp.cache",
            fix,
        )
    if state.missing:
        return warn(
            "The app is incomplete, or belongs to an older imjoy.",
            f"Missing files: {len(state.missing)}, for example {state.missing[0]}. imjoy can download them.",
            "imjoy start --serve",
            fix,
        )
    return ok("the app can be served without a network")


CHECK = Check(
    "webapp.cache",
    "the app's files",
    look,
    """\
Cause: files of the app in `<workspace>/.imjoy/webapp` were changed, are missing, or belong to an older imjoy. Then
the app does not open without a network.

Fix: with a network, `imjoy start --serve` downloads the missing files, and `--fix` also the damaged ones. `--fix`
checks the hash of every file. A start is faster: it trusts a file that has the same size and time as when it was
verified.""",
)
