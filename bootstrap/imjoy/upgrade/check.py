"""Whether something newer is available: asked now, or remembered for a day."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Any, cast

from imjoy.context import Context
from imjoy.effects.disk.files import read_json, write_private
from imjoy.model.layout import Layout
from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.facts.target import find_target
from imjoy.upgrade.plan import (
    CHECKOUTS,
    Available,
    command_for,
    is_newer,
    own_command,
    refuse_foreign,
)

KEPT_SECONDS = 24 * 3600.0


def check(origin: Origin, wanted: str | None, to: str | None, layout: Layout, context: Context) -> Available:
    """Ask whether something newer is available than what is installed, and remember the answer. Changes nothing else.

    Takes the network's time, at most 15 s (a minute for a package index). Raises :class:`ImJoyError` as asking does.
    """
    if origin.manager in CHECKOUTS:
        refuse_foreign(origin, requirement(origin, wanted, to, context), platform=sys.platform)
    target = find_target(origin, wanted, to, context)
    named = target.requirement if wanted or to else ""
    found = Available(
        available=is_newer(origin, target),
        version=origin.version,
        source=target.source,
        old_id=origin.id or f"version:{origin.version}",
        new_id=target.id,
        pinned=not target.moves,
        command=own_command(wanted, to)
        if origin.manager == "pip"
        else command_for(origin, named, platform=sys.platform),
        checked=context.clock(),
    )
    if wanted is None and to is None:
        # A workspace that cannot be written is the doctor's matter.
        with suppress(OSError):
            write_private(layout.upgrade_check_file, json.dumps(asdict(found)))
    return found


def requirement(origin: Origin, wanted: str | None, to: str | None, context: Context) -> str:
    """Return what another tool is to be asked for; empty when nothing was named. Raises as asking for it does."""
    if origin.manager in CHECKOUTS:
        return to or ""
    return find_target(origin, wanted, to, context).requirement if wanted or to else ""


def remembered(origin: Origin, layout: Layout, context: Context) -> Available | None:
    """Return an answer of the last 24 hours about what is installed now, or None."""
    try:
        document = cast("dict[str, Any]", read_json(layout.upgrade_check_file))
        found = Available(**{each.name: document[each.name] for each in fields(Available)})
        fresh = 0 <= context.clock() - found.checked < KEPT_SECONDS
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if fresh and found.old_id == (origin.id or f"version:{origin.version}") else None
