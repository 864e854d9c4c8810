"""The conda of this machine, found without starting it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from imjoy.doctor.model import Machine
from imjoy.effects.tools.conda import conda_of_prefix, root_of, unwrapped

SHEBANG_BYTES = 512


@dataclass(frozen=True)
class Conda:
    """A conda command and the root of the installation that it belongs to."""

    command: Path
    root: Path

    @property
    def interpreter(self) -> Path | None:
        """The interpreter that the command's first line names; None when it is no script."""
        try:
            with self.command.open("rb") as file:
                line = file.read(SHEBANG_BYTES).split(b"\n", 1)[0]
        except OSError:
            return None
        return Path(line[2:].decode(errors="replace").strip().split(" ")[0]) if line[:2] == b"#!" else None


def find_conda(machine: Machine) -> Conda | None:
    """Return the conda of the prefix, else the one that CONDA_EXE or PATH names."""
    environ = machine.context.environ
    for candidate in (
        conda_of_prefix(machine.layout.prefix),
        environ.get("CONDA_EXE"),
        shutil.which("conda", path=environ.get("PATH", "")),
    ):
        # A link to a deleted conda is a finding too.
        if candidate and os.path.lexists(candidate):
            command = unwrapped(Path(candidate))
            return Conda(command, root_of(command))
    return None
