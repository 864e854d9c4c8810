"""The receipt of the install script, and the mark of an install that was interrupted."""

from __future__ import annotations

import json

from imjoy.doctor.installed import receipt_of, reinstall_fix
from imjoy.doctor.model import Check, Finding, Machine, fail, ok, skip, warn
from imjoy.model.install_line import install_line
from imjoy.path.shells import command_folders
from imjoy.provision.records.conda_link import environment_of
from imjoy.provision.records.record import read_state, state_folder


def look(machine: Machine) -> Finding:
    """Compare the receipt with what stands in the prefix."""
    prefix, command = machine.layout.prefix, install_line(machine.platform)
    receipt = receipt_of(machine)
    target = environment_of(prefix)
    if read_state(target) is not None:
        return fail(
            f"An install into {prefix} was interrupted.",
            f"Its record is still in {state_folder(target)}.",
            command,
            reinstall_fix(machine),
        )
    if not receipt.exists():
        if prefix.is_dir() and any(prefix.iterdir()):
            return warn(
                f"{prefix} has no receipt.",
                "imjoy did not put these files there, so it will neither repair nor remove them.",
                "",
                advice="Use another folder, and give it to every command: --prefix DIR.",
            )
        return skip(f"nothing is installed in {prefix}; imjoy runs from another place")
    try:
        document = json.loads(receipt.read_text(encoding="utf-8"))
        version, distribution = str(document["version"]), str(document["distribution"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        return fail("The receipt of the installation cannot be read.", f"{receipt}: {error}", command)
    # Up to 0.12 imjoy lived in the base of the prefix's own conda.
    mark = "conda-meta" if (prefix / "conda-meta").is_dir() or distribution == "existing" else "pyvenv.cfg"
    expected = [command_folders(prefix, machine.platform)[-1], prefix / mark]
    gone = [str(each) for each in expected if not each.exists()]
    if gone:
        return fail(
            f"Parts of the installation in {prefix} are missing.",
            f"Missing: {', '.join(gone)}",
            command,
            reinstall_fix(machine),
        )
    return ok(f"imjoy {version} in {prefix}, as the receipt says")


CHECK = Check(
    "install.receipt",
    "the receipt of the installation",
    look,
    """\
Cause: an install into the prefix was interrupted, or files of it were deleted later. The receipt,
`<prefix>/.imjoy/receipt.json`, lists what was installed; an uninstall removes exactly that.

Fix: run the install line again. It finishes or repairs the installation, and keeps packages that you added.""",
)
