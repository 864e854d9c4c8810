"""The table of checks: ours, and those that other packages add through the entry point group ``imjoy.doctor``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from imjoy.doctor.model import Check, Finding, Machine, Status
from imjoy.model.errors import ExitCode, ImJoyError

ENTRY_POINTS = "imjoy.doctor"
# In the order in which they are shown; `checks/host/python.py` has the `CHECK` of `host.python`.
OURS = (
    "host.python",
    "host.home",
    *(["host.mac"] if sys.platform == "darwin" else []),
    "path.command",
    "install.method",
    "install.integrity",
    "install.receipt",
    "upgrade.pending",
    "upgrade.available",
    "git.present",
    "conda.usable",
    "conda.env",
    "conda.shell_init",
    "net.tls",
    "net.proxy",
    "net.index",
    "net.git",
    "net.conda",
    "net.webapp",
    "engine.starts",
    "engine.files",
    "engine.state",
    "engine.token",
    "port.free",
    "port.reserved",
    "port.ambiguous",
    "remote.bind",
    "remote.firewall",
    "remote.browser",
    "webapp.cache",
)


def our_checks() -> list[Check]:
    """Return the checks that imjoy brings."""
    return [import_module(f"imjoy.doctor.checks.{name}").CHECK for name in OURS]


def all_checks() -> list[Check]:
    """Return our checks and those of other packages; one that cannot be loaded becomes a check that says so."""
    return our_checks() + [_loaded(point) for point in entry_points(group=ENTRY_POINTS)]


def select(checks: Sequence[Check], only: Iterable[str]) -> list[Check]:
    """Return the checks whose group or id is in ``only``; all when it is empty. Raises ``doctor.unknown-check``."""
    wanted = list(only)
    if not wanted:
        return list(checks)
    known = {check.id for check in checks} | {check.group for check in checks}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ImJoyError(
            "doctor.unknown-check",
            f"There is no check or group {unknown[0]}.",
            fix="imjoy doctor --list",
            exit_code=ExitCode.USAGE,
        )
    return [check for check in checks if check.id in wanted or check.group in wanted]


def _loaded(point: EntryPoint) -> Check:
    try:
        check = point.load()
    except Exception as error:
        return _unloadable(point, f"{type(error).__name__}: {error}")
    return check if isinstance(check, Check) else _unloadable(point, f"{point.value} is no Check")


def _unloadable(point: EntryPoint, reason: str) -> Check:
    package = point.dist.name if point.dist else "a package"

    def look(machine: Machine) -> Finding:
        return Finding(
            Status.CRASHED,
            f"The check that {package} adds cannot be loaded.",
            reason,
            f"upgrade or uninstall {package}",
        )

    return Check(point.name, f"a check of {package}", look, f"A check that {package} brings.")
