"""The prefix and the workspace: can they be written, named by every tool, and filled?"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Machine, fail, ok, warn
from imjoy.effects.disk.files import in_private_folder

LONGEST_PREFIX = 90
"""Scripts begin with the path of their Python in at most 127 bytes on Linux, less the 20 or so below the prefix."""
MIN_FREE_MIB = 200
GOOD_FREE_MIB = 2000
EACH_COMMAND = "Give it to every other command, too, or set IMJOY_PREFIX."
BYTES_PER_MIB = 1024**2


def look(machine: Machine) -> Finding:
    """Name the worst problem of the two folders; nothing is written."""
    prefix, workspace = machine.layout.prefix, machine.layout.workspace
    other = {prefix: "imjoy install --prefix DIR", workspace: "imjoy start --workspace DIR"}
    for folder, command in other.items():
        which = f"DIR is a folder that you can write to. {EACH_COMMAND}" if folder == prefix else ""
        existing = nearest_existing(folder)
        if not existing.is_dir():
            return fail(
                f"{folder} cannot be created.",
                f"{existing} exists and is not a folder.",
                command,
                advice=which,
            )
        if not os.access(existing, os.W_OK | os.X_OK):
            return fail(
                f"{folder} cannot be written.",
                f"The system does not let you change {existing}.",
                command,
                advice=which,
            )
        free = shutil.disk_usage(existing).free // BYTES_PER_MIB
        if free < MIN_FREE_MIB:
            return fail(
                f"The disk of {folder} is full.",
                f"{free} MiB are free.",
                "imjoy doctor",
                advice="Free some space first.",
            )
    text = str(prefix)
    move = "imjoy install --prefix DIR"
    plain = f"DIR is a folder with a short name of plain letters. {EACH_COMMAND}"
    if " " in text or not text.isascii():
        return warn(
            f"The prefix {text} has a space or a letter beyond ASCII in it.",
            "conda and some packages cannot be installed in such a folder.",
            move,
            advice=plain,
        )
    if len(os.fsencode(text)) > LONGEST_PREFIX:
        return warn(
            f"The prefix is {len(os.fsencode(text))} bytes long.",
            f"With more than {LONGEST_PREFIX}, the first line of scripts in it can be too long for the system.",
            move,
            advice=plain,
        )
    if machine.platform == "darwin" and in_private_folder(workspace):
        return warn(
            f"The workspace {workspace} is in a folder that macOS protects.",
            'Plugins there fail with "Operation not permitted" if your terminal may not use that folder.',
            other[workspace],
        )
    free = min(shutil.disk_usage(nearest_existing(folder)).free for folder in other) // BYTES_PER_MIB
    if free < GOOD_FREE_MIB:
        return warn(
            f"Only {free} MiB of disk are free.",
            "Environments of plugins take up to a few GiB each.",
            "imjoy start --workspace DIR",
            advice="DIR is a folder on another disk. Or free space on this one.",
        )
    return ok(f"prefix and workspace can be written, {free // 1024} GiB free")


def nearest_existing(folder: Path) -> Path:
    """Return ``folder``, or the first of its parents that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists() or each == each.parent)


CHECK = Check(
    "host.home",
    "the prefix and the workspace",
    look,
    """\
Cause: imjoy cannot write to the folder of the installation (`~/ImJoyApp`) or of your files (`~/ImJoyWorkspace`), or
its disk is full. Or the path of the prefix has a space, a letter beyond ASCII or more than 90 bytes, which conda and
the first lines of scripts cannot handle. Or, on a Mac, the workspace is in Desktop, Documents, Downloads or iCloud
Drive, where macOS blocks programs until you allow them.

Fix: choose another folder: `--workspace DIR` for your files, `--prefix DIR` for the installation.""",
)
