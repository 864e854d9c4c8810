"""What an upgrade that was killed has left."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, warn
from imjoy.effects.disk.files import set_aside
from imjoy.model.errors import ImJoyError
from imjoy.provision.records.conda_link import environment_of
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
                "The journal of an upgrade cannot be read.",
                f"{home / JOURNAL}: {why}. So imjoy does not know whether it has to restore the old version.",
                again,
                Fix(
                    f"rename {home / JOURNAL}; then type `imjoy doctor --only install`", lambda: _forget(home)
                ),
            )
        if is_dead(home):
            why = "It was killed while it replaced imjoy, and the old imjoy could not be restored since."
            return fail(
                "An upgrade was interrupted.",
                why,
                again,
                Fix("put the old imjoy back", lambda: _recover(home)),
            )
        stage = home / "stage"
        if not stage.is_dir():
            return ok("no upgrade was interrupted")
        refuse_when_busy(environment_of(environment))
    except ImJoyError:
        return ok("an upgrade is running")
    return warn(
        "An upgrade was killed before it changed anything.",
        f"Its downloads are still in {stage}.",
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
    "an interrupted upgrade",
    look,
    """\
Cause: `imjoy upgrade` was killed. An upgrade writes a journal before it replaces anything. As long as the journal is
there, every Python of the environment that starts restores the old imjoy. So this check finds something only if that
was not possible, for example because the disk was read-only or the journal was damaged, or if downloaded files were
left.

Fix: `--fix` restores the old imjoy, renames a journal that cannot be read, or deletes the downloaded files. Then run
`imjoy upgrade` again.""",
)
