"""git, which installing from the project's repository needs."""

from __future__ import annotations

import shutil

from imjoy.doctor.model import Check, Finding, Machine, ok, warn
from imjoy.effects.processes.process import CommandFailed
from imjoy.effects.tools.developer_tools import ACCEPT, INSTALL, tools_fix
from imjoy.effects.tools.git import find_git


def look(machine: Machine) -> Finding:
    """Ask git for its version; the stub of macOS, which only opens a dialog, is not started."""
    git = find_git(machine.context, machine.platform)
    command = _install(machine.platform)
    if git is None:
        stub = shutil.which("git", path=machine.context.environ.get("PATH", ""))
        if stub and command == ACCEPT:
            return warn(
                "git does not run.",
                "It belongs to Xcode, and nobody has accepted the licence of Xcode.",
                command,
            )
        why = (
            f"{stub} is only a stub of macOS, which offers to install git."
            if stub
            else "imjoy needs git to upgrade from its repository."
        )
        return warn("git is not installed.", why, command)
    try:
        return ok(machine.context.run([git, "--version"], timeout=VERSION_SECONDS).output.strip())
    except CommandFailed as error:
        return warn("git does not run.", error.why, command)


def _install(platform: str) -> str:
    if platform == "darwin":
        return tools_fix() or INSTALL
    if platform == "win32":
        return "winget install Git.Git"
    manager = next((each for each in ("apt", "dnf", "zypper", "pacman") if shutil.which(each)), "apt")
    return f"sudo {manager} {'-S' if manager == 'pacman' else 'install'} git"


VERSION_SECONDS = 10.0

CHECK = Check(
    "git.present",
    "git",
    look,
    """\
Cause: git is not installed. On macOS there may be only the stub that offers to install it, or the git of an Xcode
whose licence nobody has accepted. imjoy runs without git, but pip needs git to install imjoy, or a requirement of a
plugin, from a git repository.

Fix: install git with the line that is shown.""",
)
