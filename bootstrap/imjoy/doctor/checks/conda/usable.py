"""conda, where there is one: does it answer, from where it was installed?"""

from __future__ import annotations

import os
import re
from pathlib import Path

from imjoy.doctor.condas import find_conda
from imjoy.doctor.installed import receipt_of
from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, skip, warn
from imjoy.effects.tools.conda import OWN_CONDA, ask_conda
from imjoy.model.install_line import install_line

CONDA_SECONDS = 18.0
SETTINGS_FILE = re.compile(r"it cannot read (.+), line (\d+)$")


def look(machine: Machine) -> Finding:
    """Ask conda what it is by its absolute path; no shell function is involved."""
    conda = find_conda(machine)
    if conda is None:
        return skip("no conda was found; imjoy does not need one")
    prefix = machine.layout.prefix.resolve()
    ours = conda.root in (prefix, prefix / OWN_CONDA) and receipt_of(machine).exists()
    command = install_line(machine.platform) if ours else ""
    advice = "" if ours else f"Install conda again into {conda.root}."
    interpreter = conda.interpreter
    if interpreter is not None and not interpreter.exists():
        former = interpreter.parent.parent
        back = _link_back(former, conda.root)
        return fail(
            f"{conda.command} belongs to a conda that was moved or deleted.",
            f"Its first line names {interpreter}, which does not exist.",
            f"ln -s {conda.root} {former}" if back else command,
            back,
            advice="" if back else advice,
        )
    found = ask_conda(conda.command, machine.context.environ, seconds=CONDA_SECONDS)
    if isinstance(found, str):
        settings = SETTINGS_FILE.search(found)
        if settings is not None:
            return fail(
                "conda cannot read its settings.",
                found,
                "",
                advice=f"Correct line {settings[2]} of {settings[1]}.",
            )
        return fail("conda does not run.", found, command, advice=advice)
    name = f"conda {found.version}"
    if not os.access(conda.root, os.W_OK):
        return warn(
            f"{name} in {conda.root} belongs to another user.",
            "You cannot add packages to it. You can still make environments of your own.",
            "conda create --prefix ~/my-environment",
        )
    return ok(f"{name}, {conda.command}")


def _link_back(former: Path, root: Path) -> Fix | None:
    """Return the fix for a conda that was moved: its old name, which is in its files and its environments', as a link.

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
    "conda, if it is installed",
    look,
    """\
Cause: the folder of conda was moved or partly deleted, so that its commands use a Python that does not exist. Or
conda itself fails, or a `.condarc` is not valid YAML. Or the conda belongs to another user, so that you cannot add
packages to it. imjoy works with Anaconda, Miniconda and Miniforge, and without any of them.

Fix: move the folder back, or make a link to it at its old path. `--fix` makes that link, and then the environments
of that conda work again, too. If conda was deleted or fails by itself, install it again in the same place. Its
environments, in `envs`, can stay. If the conda belongs to another user, make an environment of your own.""",
)
