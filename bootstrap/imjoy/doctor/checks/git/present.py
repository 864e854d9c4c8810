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
                "git does not run.", "Nobody has accepted the licence of Xcode, which it belongs to.", command
            )
        why = (
            f"{stub} is only the offer of macOS to install it."
            if stub
            else "imjoy is brought up to date from its git repository."
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
Cause: there is no git, or on macOS only the stub that offers to install it, or one of an Xcode whose licence nobody has
accepted. imjoy runs without it, but pip cannot fetch imjoy, or a plugin's requirement, from a git repository.

Cure: install git by the line that is shown.""",
)
