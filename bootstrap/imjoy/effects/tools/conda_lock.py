"""conda-lock, as a process of its own: it takes seconds to import, and only `imjoy lock` needs it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from imjoy import PROJECT_URL
from imjoy.effects.processes.process import CommandFailed, module_command, run_command
from imjoy.effects.tools.conda import find_conda
from imjoy.model.errors import ExitCode, ImJoyError

PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
"""Those that a lock is for when nothing else is said."""
SOLVE_SECONDS = 1800.0
RENDER_SECONDS = 120.0
EVIDENCE_LINES = 12
NETWORK_WORDS = ("CONNECTION FAILED", "CondaHTTPError", "error sending request", "Max retries exceeded")


def require_conda_lock(home: Path, environ: Mapping[str, str]) -> Path:
    """Return the conda that conda-lock is to solve with. Raises :class:`ImJoyError` when either is missing."""
    if find_spec("conda_lock") is None:
        raise ImJoyError(
            "lock.no-conda-lock",
            "Locks are made by conda-lock, which is not installed here.",
            fix=f'{sys.executable} -m pip install "imjoy[lock] @ git+{PROJECT_URL}"',
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    conda = find_conda(home, environ)
    if conda is None:
        raise ImJoyError(
            "lock.no-conda",
            "conda-lock solves with a conda, and there is none here that works.",
            why="Looked at CONDA_EXE, on PATH and in the usual folders.",
            fix="imjoy install --distribution miniforge",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    return conda.command


def solve(sources: Sequence[Path], lockfile: Path, conda: Path, folder: Path) -> None:
    """Write ``lockfile`` (which may be there) for the environment files ``sources``, solving everything anew.

    ``folder`` is for what is needed meanwhile. Raises :class:`ImJoyError` ``lock.unsolvable``, ``lock.network`` (4).
    """
    # conda-lock would fetch a table of the names that packages have on the index; there are none here.
    names = folder / "names.json"
    names.write_text("{}", encoding="utf-8")
    files = [word for each in sources for word in ("--file", str(each))]
    arguments = ["lock", "--conda", str(conda), *files, "--lockfile", str(lockfile)]
    try:
        run_command(
            module_command("conda_lock", [*arguments, "--pypi_to_conda_lookup_file", f"file://{names}"]),
            timeout=SOLVE_SECONDS,
        )
    except CommandFailed as error:
        lines = [line for line in error.result.output.splitlines() if not line.startswith("  File ")]
        why = "\n".join(lines[-EVIDENCE_LINES:])
        if any(word in error.result.output for word in NETWORK_WORDS):
            raise ImJoyError(
                "lock.network",
                "The channels cannot be reached.",
                why=why,
                fix="look at the network and HTTPS_PROXY, then lock again",
                exit_code=ExitCode.NETWORK_NEEDED,
            ) from error
        raise ImJoyError(
            "lock.unsolvable",
            "conda-lock found no set of packages that fits together on every platform.",
            why=why,
            fix="leave out a platform that a package is not made for: --platform linux-64 --platform win-64",
        ) from error


def render(lockfile: Path, platforms: Sequence[str], folder: Path) -> None:
    """Write ``conda-PLATFORM.lock`` for each platform into ``folder``. Raises :class:`ImJoyError`."""
    words = [word for each in platforms for word in ("--platform", each)]
    template = str(folder / "conda-{platform}.lock")
    arguments = ["render", "--filename-template", template, *words, str(lockfile)]
    run_command(module_command("conda_lock", arguments), timeout=RENDER_SECONDS)
