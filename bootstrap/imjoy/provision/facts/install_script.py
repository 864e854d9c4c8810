"""What an install script tells the planner: ``install.sh``, ``install.ps1``, ``imjoy`` on an old Python, or none.

The script finds or fetches a Python and imjoy's source, then starts the planner, with variables that say what it did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imjoy.effects.machine.terminal import NON_INTERACTIVE_VARIABLE

# A script may start the planner of another version, so these names stay. They call an install script a door.
ARGUMENTS_VARIABLE = "IMJOY_DOOR_ARGUMENTS"
VARIABLES = (
    "IMJOY_DOOR",
    "IMJOY_DOOR_FOLDER",
    "IMJOY_DOOR_PYTHON",
    "IMJOY_DOOR_SOURCE",
    "IMJOY_DOOR_ARCHIVE",
    "IMJOY_DOOR_UNREACHABLE",
    "IMJOY_DOOR_SHELL",
    "IMJOY_DOOR_NOTICE_LINES",
    NON_INTERACTIVE_VARIABLE,
    ARGUMENTS_VARIABLE,
)
INSTALL_PS1 = "powershell -ExecutionPolicy Bypass -File install.ps1"
"""A Windows that nobody has set up otherwise runs no script."""


@dataclass(frozen=True)
class InstallScript:
    """The install script that started the planner. ``name`` is empty for ``imjoy install``, which needs none.

    ``folder`` is a temporary one that the script removes; ``python`` a whole Python that it downloaded; ``source`` the
    source that it fetched, from ``archive`` where that was one; ``unreachable`` says why it got none; ``shell`` is the
    shell that the line was typed in, or the number of its process; ``notices`` has a line for each.
    """

    name: str = ""
    folder: Path | None = None
    python: Path | None = None
    source: Path | None = None
    archive: Path | None = None
    unreachable: str = ""
    shell: str = ""
    notices: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """Return what a person types to run this script again."""
        return {"install.sh": "bash install.sh", "install.ps1": INSTALL_PS1}.get(self.name, "imjoy install")

    @property
    def uninstall_command(self) -> str:
        """Return what a person types to uninstall with this script."""
        flags = {"install.sh": "bash install.sh --uninstall", "install.ps1": f"{INSTALL_PS1} -Uninstall"}
        return flags.get(self.name, "imjoy uninstall")


def read_install_script(environ: Mapping[str, str]) -> InstallScript:
    """Return what the install script says by its variables."""

    def path(name: str) -> Path | None:
        return Path(environ[name]) if environ.get(name) else None

    return InstallScript(
        name=environ.get("IMJOY_DOOR", ""),
        folder=path("IMJOY_DOOR_FOLDER"),
        python=path("IMJOY_DOOR_PYTHON"),
        source=path("IMJOY_DOOR_SOURCE"),
        archive=path("IMJOY_DOOR_ARCHIVE"),
        unreachable=environ.get("IMJOY_DOOR_UNREACHABLE", ""),
        shell=environ.get("IMJOY_DOOR_SHELL", ""),
        notices=tuple(filter(None, environ.get("IMJOY_DOOR_NOTICE_LINES", "").splitlines())),
    )


def without_script_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those of an install script, which are for the planner alone."""
    return {name: value for name, value in environ.items() if name not in VARIABLES}
