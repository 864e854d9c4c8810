"""Whether a newer imjoy is there."""

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
        return skip(f"cannot be asked: {error.what}")
    if not found.available:
        return ok("this is the newest" if found.available is False else "shows when it is fetched")
    newer = short(found.new_id) or "another one"
    return warn(
        f"A newer imjoy is there: {newer}.",
        f"Installed is {short(found.old_id) or found.version}, from {found.source or 'the package index'}.",
        found.command,
    )


CHECK = Check(
    "upgrade.available",
    "a newer imjoy",
    look,
    """\
Cause: the branch that imjoy was installed from has moved on, or the package index has a newer version. Nothing is
wrong with the one that you have.

Cure: the line that is shown; mostly `imjoy upgrade`, which cannot leave a broken imjoy behind.""",
    Kind.NETWORK,
)
