"""The conda command of this machine: found, asked for its version and its folders, told to make an environment."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imjoy.effects.process import CommandFailed, CommandResult

VERSION_SECONDS = 20.0
INFO_SECONDS = 60.0
ENVIRONMENT_NAME = "imjoy"
"""The environment that imjoy lives in, of a conda that was there before."""
USUAL_FOLDERS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3", "miniconda", "anaconda")
SYSTEM_FOLDERS = ("/opt/conda", "/opt/miniconda3", "/opt/miniforge3", "/opt/anaconda3")
CHANNEL_ARGUMENTS = ("--override-channels", "--channel", "conda-forge")
"""Never the default channels of Anaconda, whose terms only a person can accept."""


@dataclass(frozen=True)
class Conda:
    """A conda that answers. ``version`` is what ``conda -V`` says behind its name."""

    command: Path
    version: str


def find_conda(
    home: Path,
    environ: Mapping[str, str],
    run: Callable[..., CommandResult],
    *,
    except_in: Path | None = None,
) -> Conda | None:
    """Return the first conda that works: CONDA_EXE, PATH, the usual folders. Those under ``except_in`` do not count."""
    seen: set[Path] = set()
    for candidate in _candidates(home, environ):
        real = candidate.resolve()
        if real in seen or (except_in is not None and real.is_relative_to(except_in.resolve())):
            continue
        seen.add(real)
        try:
            said = run([str(candidate), "-V"], timeout=VERSION_SECONDS).output.split()
        except CommandFailed:
            continue
        if len(said) >= 2 and said[0] == "conda":
            return Conda(candidate, said[1])
    return None


def environment_of_imjoy(conda: Conda, run: Callable[..., CommandResult]) -> Path | None:
    """Return where this conda keeps the environment ``imjoy``: in the first of its folders that can be written to.

    None when it does not say.
    """
    try:
        said = run([str(conda.command), "info", "--json"], timeout=INFO_SECONDS).output
        folders = [Path(each) for each in json.loads(said[said.index("{") :])["envs_dirs"]]
    except (CommandFailed, ValueError, KeyError, TypeError):
        return None
    writable = (each for each in folders if os.access(_nearest(each), os.W_OK))
    folder = next(writable, None)
    return folder / ENVIRONMENT_NAME if folder else None


def create_arguments(prefix: Path, python: str, *, offline: bool = False) -> list[str]:
    """Return the arguments that make an environment with Python and pip, from conda-forge and nothing else."""
    words = [
        "create",
        "--yes",
        "--quiet",
        "--prefix",
        str(prefix),
        "--no-default-packages",
        *CHANNEL_ARGUMENTS,
    ]
    return [*words, *(["--offline"] if offline else []), f"python={python}", "pip"]


def _nearest(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())


def update_arguments(prefix: Path, specs: Sequence[str]) -> list[str]:
    """Return the arguments that bring packages of an environment up to date, from conda-forge and nothing else."""
    return ["update", "--yes", "--quiet", "--prefix", str(prefix), *CHANNEL_ARGUMENTS, *specs]


def download_arguments(prefix: Path, specs: Sequence[str]) -> list[str]:
    """Return the arguments that only fetch what such an update needs."""
    return [*update_arguments(prefix, specs), "--download-only"]


def _candidates(home: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("CONDA_EXE"):
        yield Path(named)
    if found := shutil.which("conda", path=environ.get("PATH", "")):
        yield Path(found)
    command = "Scripts/conda.exe" if sys.platform == "win32" else "bin/conda"
    for folder in (*(home / each for each in USUAL_FOLDERS), *map(Path, SYSTEM_FOLDERS)):
        if (folder / command).is_file():
            yield folder / command
