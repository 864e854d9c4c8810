"""conda, where there is one: does it answer, from where it was installed?"""

from __future__ import annotations

import os
from pathlib import Path

from imjoy.doctor.condas import find_conda
from imjoy.doctor.installed import receipt_of
from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, skip, warn
from imjoy.effects.process import CommandFailed
from imjoy.legacy.sentence import install_line

CONDA_SECONDS = 18.0


def look(machine: Machine) -> Finding:
    """Ask conda for its version by its absolute path; no shell function is involved."""
    conda = find_conda(machine)
    if conda is None:
        return skip("there is no conda, and none is needed")
    ours = conda.root == machine.layout.prefix and receipt_of(machine).exists()
    command = install_line(machine.platform) if ours else f"install conda again into {conda.root}"
    interpreter = conda.interpreter
    if interpreter is not None and not interpreter.exists():
        former = interpreter.parent.parent
        back = _link_back(former, conda.root)
        return fail(
            f"{conda.command} belongs to a conda that was moved or deleted.",
            f"Its first line names {interpreter}, which is not there.",
            f"ln -s {conda.root} {former}" if back else command,
            back,
        )
    try:
        said = machine.context.run([str(conda.command), "-V"], timeout=CONDA_SECONDS).output.strip()
    except CommandFailed as error:
        return fail("conda does not run.", error.why, command)
    if not os.access(conda.root, os.W_OK):
        return warn(
            f"{said} in {conda.root} belongs to somebody else.",
            "You cannot add packages to it. Environments of your own are not affected.",
            "conda create --prefix ~/my-environment",
        )
    return ok(f"{said}, {conda.command}")


def _link_back(former: Path, root: Path) -> Fix | None:
    """Return the cure for a conda that was moved: its old name, which is in its files and its environments', as a link.

    None where the old place is taken or cannot be written, or where the Python is not in the new one either.
    """
    if os.name != "posix" or os.path.lexists(former) or not (root / "bin" / "python").exists():
        return None
    if not os.access(former.parent, os.W_OK):
        return None

    def link() -> Repair:
        former.symlink_to(root, target_is_directory=True)
        return Repair(undo=f"rm {former}")

    return Fix(f"make {former} a link to {root}", link)


CHECK = Check(
    "conda.usable",
    "conda, where there is one",
    look,
    """\
Cause: the folder of conda was moved or partly deleted, so that its commands name a Python that is not there; or
conda itself fails. imjoy works with Anaconda, Miniconda and Miniforge alike, and without any of them.

Cure: move it back, or give it its old name as a link: `--fix` does that, and its environments work again too. Where it
was deleted or fails by itself, install that conda again at the same place; its environments, in `envs`, can stay.""",
)
