"""The conda environment that imjoy lives in: is every file of its packages there, and does its Python run?"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imjoy.doctor.condas import find_conda
from imjoy.doctor.installed import receipt_of
from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, skip
from imjoy.effects.processes.process import CommandFailed
from imjoy.effects.tools.conda import CHANNEL_ARGUMENTS, ENVIRONMENT_NAME, OWN_CONDA
from imjoy.model.install_line import install_line
from imjoy.provision.records.conda_link import environment_of
from imjoy.provision.records.receipt import read_receipt

PYTHON_SECONDS = 15.0
REINSTALL_SECONDS = 1800.0
MAX_NAMED = 3
PROBE = "import ctypes, ssl, zlib"


@dataclass(frozen=True)
class Damaged:
    """A package, as conda names one build of it, and a file of it that is gone."""

    spec: str
    missing: str


def look(machine: Machine) -> Finding:
    """Compare the files with conda's own list of them, then run the Python."""
    environment = find_environment(machine)
    if environment is None:
        return skip("imjoy does not run in a conda environment")
    line = install_line(machine.platform)
    damaged = list(damaged_packages(environment))
    if damaged:
        command = _reinstalling(machine, environment, damaged)
        names = ", ".join(each.spec.partition("=")[0] for each in damaged[:MAX_NAMED])
        more = f" and {len(damaged) - MAX_NAMED} more" if len(damaged) > MAX_NAMED else ""
        return fail(
            f"Files of conda packages are missing in {environment}: {names}{more}.",
            f"{environment / damaged[0].missing} does not exist, for example.",
            " ".join(command) if command else line,
            Fix(f"let conda install {names}{more} again", lambda: _reinstall(machine, command))
            if command
            else None,
        )
    python = _python_of(environment)
    if python.resolve() != Path(machine.interpreter).resolve():
        try:
            machine.context.run([str(python), "-I", "-B", "-c", PROBE], timeout=PYTHON_SECONDS)
        except CommandFailed as error:
            return fail(f"The Python of {environment} does not run.", error.why, line)
    return ok(f"no file of {environment} is missing")


def find_environment(machine: Machine) -> Path | None:
    """Return the conda environment of the prefix, else its Miniconda, else the one named ``imjoy`` of a conda here."""
    places = [environment_of(machine.layout.prefix), machine.layout.prefix / OWN_CONDA]
    conda = find_conda(machine)
    if conda is not None and not receipt_of(machine).exists():
        places.append(conda.root / "envs" / ENVIRONMENT_NAME)
    return next((each for each in places if (each / "conda-meta").is_dir()), None)


def damaged_packages(environment: Path) -> Iterator[Damaged]:
    """Yield the packages that have lost files. One that pip has replaced or removed since is pip's matter."""
    for record in sorted((environment / "conda-meta").glob("*.json")):
        try:
            package = json.loads(record.read_bytes())
            files = [each for each in package["files"] if not each.endswith(".pyc")]
            spec = f"{package['name']}={package['version']}={package['build']}"
        except (OSError, ValueError, KeyError, TypeError):
            yield Damaged(_spec_of(record), f"conda-meta/{record.name}")
            continue
        # Texts and no Path: a Miniconda has 20,000 files.
        missing = next((each for each in files if not os.path.lexists(f"{environment}/{each}")), None)
        if missing is not None and not _is_pips(environment, files):
            yield Damaged(spec, missing)


def _spec_of(record: Path) -> str:
    return "=".join(record.stem.rsplit("-", 2))


def _is_pips(environment: Path, files: list[str]) -> bool:
    listed = [each for each in files if each.endswith((".dist-info/METADATA", ".egg-info/PKG-INFO"))]
    return any(not (environment / each).exists() for each in listed)


def _python_of(environment: Path) -> Path:
    return environment / ("python.exe" if sys.platform == "win32" else "bin/python")


def _reinstalling(machine: Machine, environment: Path, damaged: list[Damaged]) -> list[str]:
    """Return the command that brings the same builds back; empty where there is no conda to do it."""
    conda = find_conda(machine)
    receipt = read_receipt(machine.layout.prefix)
    command = str(conda.command) if conda else receipt.conda if receipt else ""
    if not command:
        return []
    specs = [each.spec for each in damaged]
    return [
        *(command, "install", "--yes", "--quiet", "--force-reinstall"),
        *("--prefix", str(environment), *CHANNEL_ARGUMENTS, *specs),
    ]


def _reinstall(machine: Machine, command: list[str]) -> Repair:
    machine.context.run(command, timeout=REINSTALL_SECONDS)
    return Repair()


CHECK = Check(
    "conda.env",
    "the conda environment of imjoy",
    look,
    """\
Cause: files of conda packages were deleted from the environment that imjoy runs in (the environment `imjoy` of your
conda, or the Miniconda in the prefix), or its Python does not run any more. Files that pip replaced are not counted.

Fix: `--fix` lets conda install the same builds of those packages again. If the Python is broken too, the install
line makes the environment again. Your workspace is not changed.""",
)
