"""Whether a newer imjoy is available."""

from __future__ import annotations

from imjoy.doctor.model import Check, Finding, Kind, Machine, ok, skip, warn
from imjoy.model.errors import ImJoyError


def look(machine: Machine) -> Finding:
    """Ask where imjoy came from; an answer of the last 24 hours will do."""
    # A fifth of what the doctor imports, and needed with a network only.
    from imjoy.upgrade.check import check, remembered
    from imjoy.upgrade.facts.origin import find_origin
    from imjoy.upgrade.facts.target import short

    origin = find_origin()
    if origin.manager in ("editable", "checkout"):
        return skip("imjoy runs from a checkout; git says what is new there")
    try:
        found = remembered(origin, machine.layout, machine.context) or check(
            origin, None, None, machine.layout, machine.context
        )
    except ImJoyError as error:
        return skip(f"the check is not possible: {error.what}")
    if not found.available:
        return ok(
            "this is the newest" if found.available is False else "only a download shows whether it is newer"
        )
    newer = f": {short(found.new_id)}" if short(found.new_id) else ""
    return warn(
        f"A newer imjoy is available{newer}.",
        f"{short(found.old_id) or found.version} is installed, from {found.source or 'the package index'}.",
        found.command,
    )


CHECK = Check(
    "upgrade.available",
    "a newer imjoy",
    look,
    """\
Cause: the branch that imjoy was installed from has new commits, or the package index has a newer version. Your
version still works.

Fix: type the line that is shown, usually `imjoy upgrade`. If an upgrade fails, it restores the old version.""",
    Kind.NETWORK,
)
