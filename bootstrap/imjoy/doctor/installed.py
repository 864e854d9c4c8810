"""The installed distribution of imjoy, read from its metadata, and the command that puts it in order."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from imjoy import PROJECT_URL
from imjoy.doctor.model import Fix, Machine, Repair
from imjoy.effects.processes.process import module_command
from imjoy.model.install_line import install_line
from imjoy.provision.records.receipt import read_receipt
from imjoy.upgrade.facts.origin import direct_url

NAME = "imjoy"
INSTALL_SECONDS = 1800.0
"""Building and fetching on a slow line."""


@dataclass(frozen=True)
class Installed:
    """imjoy as pip sees it. ``source`` is where it came from, empty for a package index; ``commit`` for git only."""

    distribution: Distribution
    folder: Path
    source: str
    commit: str
    editable: bool


def find_installed(machine: Machine) -> Installed | None:
    """Return the distribution that Python finds first, or None when imjoy is not installed at all."""
    for each in distributions(name=NAME, path=list(machine.search_path)):
        document = direct_url(each)
        vcs, folder = document.get("vcs_info"), document.get("dir_info")
        return Installed(
            distribution=each,
            folder=Path(str(each.locate_file(""))),
            source=str(document.get("url", "")),
            commit=str(vcs.get("commit_id", "")) if isinstance(vcs, dict) else "",
            editable=isinstance(folder, dict) and bool(folder.get("editable")),
        )
    return None


def receipt_of(machine: Machine) -> Path:
    """Return where the install script writes what it installed."""
    return machine.layout.prefix / ".imjoy" / "receipt.json"


def reinstall_command(machine: Machine) -> str:
    """Return the one line that repairs this installation."""
    if receipt_of(machine).exists():
        return install_line(machine.platform)
    source = f"git+{PROJECT_URL}#egg=imjoy"
    return f"{machine.interpreter} -m pip install --force-reinstall {source}"


def reinstall_fix(machine: Machine) -> Fix | None:
    """Return the fix that installs again what the receipt names; None where there is no receipt: pip installed it."""
    prefix = machine.layout.prefix
    receipt = read_receipt(prefix)
    if receipt is None:
        return None
    source = ["--from", receipt.source] if receipt.source else []
    arguments = ["install", "--prefix", str(prefix), "--yes", "--quiet", *source]

    def install() -> Repair:
        argv = module_command("imjoy", arguments, interpreter=machine.interpreter)
        machine.context.run(argv, timeout=INSTALL_SECONDS)
        return Repair()

    return Fix(f"install imjoy again into {prefix}, from {receipt.source or 'the repository'}", install)
