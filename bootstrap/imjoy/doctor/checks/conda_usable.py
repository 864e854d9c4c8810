"""conda, where there is one: does it answer, from where it was installed?"""

from __future__ import annotations

import os

from imjoy.doctor.condas import find_conda
from imjoy.doctor.installed import receipt_of
from imjoy.doctor.model import Check, Finding, Machine, fail, ok, skip, warn
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
        return fail(
            f"{conda.command} belongs to a conda that was moved or deleted.",
            f"Its first line names {interpreter}, which is not there.",
            command,
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


CHECK = Check(
    "conda.usable",
    "conda, where there is one",
    look,
    """\
Cause: the folder of conda was moved or partly deleted, so that its commands name a Python that is not there; or
conda itself fails. imjoy works with Anaconda, Miniconda and Miniforge alike, and without any of them.

Cure: install that conda again at the same place; its environments, in `envs`, can stay.""",
)
