"""How imjoy came here, and whether what runs is what was installed."""

from __future__ import annotations

from pathlib import Path

from imjoy import __version__
from imjoy.doctor.installed import Installed, find_installed, reinstall_command
from imjoy.doctor.model import Check, Finding, Machine, ok, warn
from imjoy.provision.records.receipt import read_receipt
from imjoy.upgrade.facts.origin import belongs_to_system

SHORT_COMMIT = 12
PACKAGE = Path(__file__).parents[3]


def look(machine: Machine) -> Finding:
    """Classify the installation."""
    installed = find_installed(machine)
    if installed is None:
        return ok(f"runs from {PACKAGE.parent}; it is not installed")
    if installed.distribution.version != __version__:
        return warn(
            f"imjoy {__version__} runs, but pip has installed {installed.distribution.version}.",
            f"Python finds {PACKAGE} before {installed.folder}. Check PYTHONPATH.",
            "unset PYTHONPATH" if "PYTHONPATH" in machine.context.environ else reinstall_command(machine),
        )
    if not installed.source:
        return warn(
            f"imjoy {__version__} was installed from a package index.",
            "The index has an older, different program of this name, so an upgrade by name would replace this one.",
            reinstall_command(machine),
        )
    receipt = read_receipt(machine.layout.prefix)
    how = f"from {receipt.source}" if receipt else describe(installed, machine)
    if belongs_to_system():
        return warn(
            f"imjoy was installed into a Python that belongs to the system ({how}).",
            "The system's own upgrades may remove it, and pip refuses to change it.",
            reinstall_command(machine),
        )
    return ok(f"imjoy {__version__}, {how}")


def describe(installed: Installed, machine: Machine) -> str:
    """Return the words for how imjoy was installed."""
    parts = Path(machine.interpreter).parts
    tool = "pipx, " if "pipx" in parts else "uv tool, " if "uv" in parts and "tools" in parts else ""
    if installed.editable:
        return f"{tool}editable, from {installed.source.removeprefix('file://')}"
    if installed.commit:
        return f"{tool}git, commit {installed.commit[:SHORT_COMMIT]}"
    return f"{tool}from {installed.source.removeprefix('file://')}"


CHECK = Check(
    "install.method",
    "how imjoy was installed",
    look,
    """\
Cause: Python finds another copy of imjoy before the installed one, usually because of `PYTHONPATH`. Or imjoy was
installed in a way that a later upgrade can break: from a package index, where another program has the same name, or
into a Python that belongs to the system.

Fix: unset `PYTHONPATH`. Otherwise install again with the line that is shown, into a separate environment.""",
)
