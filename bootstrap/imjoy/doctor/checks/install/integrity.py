"""Whether every file of imjoy is there and everything it requires fits."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from imjoy.doctor.installed import find_installed, reinstall_command, reinstall_fix
from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, skip, warn

MAX_NAMED = 3


def look(machine: Machine) -> Finding:
    """Compare with RECORD and all requirements, those of the required as well; look for half-done uninstalls."""
    installed = find_installed(machine)
    if installed is None:
        return skip("imjoy is not installed, so there is nothing to compare with")
    command = reinstall_command(machine)
    missing = _missing_files(installed.distribution)
    if missing:
        return fail("Files of imjoy are missing.", _few(missing), command, reinstall_fix(machine))
    unfit = sorted(_unfit(installed.distribution, machine))
    if unfit:
        return fail(
            "A package that imjoy needs is missing or has the wrong version.",
            _few(unfit),
            command,
            reinstall_fix(machine),
        )
    leftovers = sorted(each for each in installed.folder.glob("~*") if each.is_dir())
    if leftovers:
        return warn(
            "An interrupted pip left folders behind.",
            _few([str(each) for each in leftovers]),
            "imjoy doctor --fix --only install.integrity",
            Fix("delete " + _few([each.name for each in leftovers]), lambda: _delete(leftovers)),
        )
    return ok("no file is missing, and every requirement is met")


def _missing_files(distribution: Distribution) -> list[str]:
    # `Distribution.files` leaves out what is missing, from Python 3.12 on.
    rows = csv.reader((distribution.read_text("RECORD") or "").splitlines())
    # Byte code is made anew where it is missing.
    names = [row[0] for row in rows if row and not row[0].endswith(".pyc")]
    return [name for name in names if not Path(str(distribution.locate_file(name))).exists()]


def _unfit(imjoy: Distribution, machine: Machine) -> Iterator[str]:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    there: dict[str, Distribution] = {}
    for each in distributions(path=list(machine.search_path)):
        # The first one found is the one that is imported.
        there.setdefault(canonicalize_name(each.metadata["Name"] or ""), each)
    waiting, seen = [("imjoy", imjoy)], set()
    while waiting:
        parent, distribution = waiting.pop()
        for line in distribution.requires or ():
            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                continue
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            name = canonicalize_name(requirement.name)
            found = there.get(name)
            if found is None:
                yield f"{parent} needs {name}, which is missing"
            elif not requirement.specifier.contains(found.version, prereleases=True):
                yield f"{parent} needs {name}{requirement.specifier}, and {found.version} is installed"
            elif name not in seen:
                seen.add(name)
                waiting.append((name, found))


def _few(names: list[str]) -> str:
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + rest


def _delete(folders: list[Path]) -> Repair:
    for folder in folders:
        shutil.rmtree(folder)
    return Repair()


CHECK = Check(
    "install.integrity",
    "imjoy's files and requirements",
    look,
    """\
Cause: files of imjoy were deleted, or another installation changed or removed a package that imjoy needs (`pip
check` reports this too). Folders with a name that begins with `~` are left by an interrupted pip.

Fix: install again with the line that is shown. Your workspace, plugins and token are not changed. `--fix` deletes
the folders that pip left, and installs again unless pip made this installation.""",
)
