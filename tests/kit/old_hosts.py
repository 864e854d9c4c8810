"""Hosts whose Python is too old for imjoy, and a repository to install it from."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imjoy.provision.facts.source import copy_checkout

ROOT = Path(__file__).resolve().parents[2]
few = pytest.mark.skipif(
    "IMJOY_EVERY_PYTHON" not in os.environ, reason="a few will do here; make test-every-python tries them all"
)
"""For what differs from others that are tried in its Python, or its conda, alone."""
OLD_PYTHONS = ("2.7", "3.6", "3.7", "3.8", "3.9")
#: The last pip that speaks Python 2.7; what the manual's users of it have.
PIP_FOR_2_7 = "pip==20.3.4"


def interpreter(version: str) -> Path:
    """Return a real interpreter of that version, from pyenv or PATH; skip the test when there is none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = shutil.which(f"python{version}")
    for candidate in [
        *sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}")),
        *([Path(found)] if found else []),
    ]:
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    pytest.skip(f"Python {version} is not here")


def make_repository(folder: Path) -> Path:
    """Make a git repository with one commit that holds this checkout's sources; return it."""
    copy_checkout(ROOT, folder)
    for script in ("install.sh", "install.ps1"):
        shutil.copy2(ROOT / script, folder)
    commit_all(folder, "All")
    return folder


def commit_all(repository: Path, message: str) -> None:
    """Commit what a folder holds, which becomes a repository when it is none."""
    for command in (
        ("init", "--quiet"),
        ("add", "--all"),
        (
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@localhost",
            "commit",
            "--quiet",
            "--message",
            message,
        ),
    ):
        subprocess.run(["git", "-C", str(repository), *command], check=True)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command and return what it said, both streams as one text."""
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )


def install_tools_of_2_7(folder: Path) -> Path:
    """Put what makes environments of Python 2.7, which has no venv, into a folder; return the folder."""
    tools = ("--quiet", "--target", folder, PIP_FOR_2_7, "virtualenv<20.22")
    done = run(interpreter("2.7"), "-m", "pip", "install", *tools)
    assert done.returncode == 0, done.stdout
    return folder


def make_environment(version: str, folder: Path, tools_of_2_7: Callable[[], Path]) -> Path:
    """Return the interpreter of a fresh environment; on Python 2.7 by the tools that the function returns."""
    python = interpreter(version)
    if version != "2.7":
        done = run(python, "-m", "venv", folder)
        assert done.returncode == 0, done.stdout
        return folder / "bin" / "python"
    tools = tools_of_2_7()
    os.environ["PYTHONPATH"] = str(tools)
    try:
        done = run(
            python, "-m", "virtualenv", "--quiet", "--no-download", "--pip", "20.3.4", folder / "environment"
        )
    finally:
        del os.environ["PYTHONPATH"]
    assert done.returncode == 0, done.stdout
    return folder / "environment" / "bin" / "python"
