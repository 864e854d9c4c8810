"""What an upgrade that was killed has left."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, warn
from imjoy.effects.disk.files import set_aside
from imjoy.model.errors import ImJoyError
from imjoy.provision.records.receipt import own_folder
from imjoy.provision.records.record import refuse_when_busy
from imjoy.upgrade.steps.journal import GUARD, JOURNAL, is_dead, recover, unreadable


def look(machine: Machine) -> Finding:
    """Look for a journal without a process, and for what such an upgrade had staged."""
    environment = Path(sys.prefix)
    home = own_folder(environment) / "upgrade"
    again = "imjoy doctor --fix --only upgrade.pending"
    try:
        if why := unreadable(home):
            return fail(
                "What an upgrade wrote down cannot be read.",
                f"{home / JOURNAL}: {why}. Whether something is to be taken back is not known.",
                again,
                Fix(
                    f"rename {home / JOURNAL}; see `imjoy doctor --only install` then", lambda: _forget(home)
                ),
            )
        if is_dead(home):
            why = "It was killed while it swapped, and no Python that started since could take it back."
            return fail(
                "An upgrade is half done.", why, again, Fix("put the old imjoy back", lambda: _recover(home))
            )
        stage = home / "stage"
        if not stage.is_dir():
            return ok("no upgrade was left half done")
        refuse_when_busy(environment)
    except ImJoyError:
        return ok("an upgrade is running")
    return warn(
        "An upgrade was killed before it changed anything.",
        f"What it had fetched is still in {stage}.",
        again,
        Fix(f"delete {stage}", lambda: _delete(stage)),
    )


def _recover(home: Path) -> Repair:
    recover(home)
    return Repair()


def _forget(home: Path) -> Repair:
    aside = set_aside(home / JOURNAL)
    (Path(sysconfig.get_path("purelib")) / GUARD).unlink(missing_ok=True)
    return Repair(f"mv '{aside}' '{home / JOURNAL}'")


def _delete(stage: Path) -> Repair:
    shutil.rmtree(stage)
    return Repair()


CHECK = Check(
    "upgrade.pending",
    "what an interrupted upgrade left",
    look,
    """\
Cause: `imjoy upgrade` was killed. Before it swaps anything it writes a journal, and every Python of the environment
that starts while the journal is there puts the old imjoy back; this is found only where that was not possible, for
example on a disk that had become read-only, or where the journal was spoilt.

Cure: `--fix` puts the old imjoy back, renames a journal that cannot be read, or deletes what was fetched. Then
`imjoy upgrade` may be tried again.""",
)
