"""Whether an environment can be changed, and has room for it; what is said when not."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

from imjoy.effects.disk.files import owner_unlike_root
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.provision.facts.machine import BYTES_PER_MIB
from imjoy.upgrade.facts.origin import Origin

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
DISK_FULL_WORDS = "No space left on device"
NO_MIB = 1
NEEDED_MIB = 100
"""The sources, a build, a trial that is mostly links, and a new dependency or two; the larger of ours are 40 MiB."""
UNTOUCHED = "nothing was changed"


def refuse_unwritable(origin: Origin) -> None:
    """Raise :class:`ImJoyError` ``upgrade.unwritable`` unless packages and commands can be changed, by trying.

    root may change all, and its files would be in the owner's way: that is refused too.
    """
    if owner := owner_unlike_root(origin.environment):
        raise ImJoyError(
            "upgrade.unwritable",
            f"The installation belongs to {owner}, and you are root; {UNTOUCHED}.",
            why=f"What root writes there, {owner} could no longer change.",
            fix=f"run it without sudo, as {owner}: imjoy upgrade",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    for folder in (origin.environment, origin.site, origin.scripts):
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            if error.errno in DISK_FULL:
                raise disk_full(folder, str(error)) from error
            raise unwritable(error) from error


def refuse_little_space(environment: Path) -> None:
    """Raise :class:`ImJoyError` ``upgrade.disk`` when there is less room than an upgrade takes."""
    free = _free_mib(environment)
    if free < NEEDED_MIB:
        raise disk_full(environment, f"{free} MiB are free, and {NEEDED_MIB} are needed")


def is_full(folder: Path) -> bool:
    """Whether hardly anything more can be written there."""
    return _free_mib(folder) < NO_MIB


def _free_mib(folder: Path) -> int:
    return shutil.disk_usage(folder).free // BYTES_PER_MIB


def disk_full(folder: Path, why: str) -> ImJoyError:
    """Return the error that says that a disk is full."""
    return ImJoyError(
        "upgrade.disk",
        f"There is no space on the disk of {folder}; {UNTOUCHED}.",
        why=why.strip().rpartition("\n")[2],
        fix="free some space, then: imjoy upgrade",
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )


def unwritable(error: OSError) -> ImJoyError:
    """Return the error that says that something cannot be changed."""
    return ImJoyError(
        "upgrade.unwritable",
        f"The installation cannot be changed; {UNTOUCHED}.",
        why=str(error),
        fix="run it as the user who installed imjoy, or correct the permissions",
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )
