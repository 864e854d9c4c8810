"""Conda environments that somebody else made: where they are, and what activating one sets."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from imjoy.effects.processes.process import ask
from imjoy.effects.tools.conda import usual_roots
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.existing.probe import outside_variables
from imjoy_engine.environments.specs.conda_settings import environment_folders

ACTIVATION_SECONDS = 30.0
BASE_NAME = "base"
OTHER_ROOTS = ("micromamba", "conda")
# The shell and Python change these by themselves.
_NOT_ACTIVATION = frozenset(
    {"_", "PWD", "OLDPWD", "SHLVL", "PATH", "PS1", "PYTHONDONTWRITEBYTECODE", "LC_CTYPE"}
)
_MARK = "imjoy-activation:"
_SOURCE = """
for script in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do . "$script"; done >/dev/null 2>&1
"$CONDA_PREFIX/bin/python" -B -E -S -c \
  'import json, os; print("\\nimjoy-activation:" + json.dumps(dict(os.environ)))'
"""


def home_folder(environ: Mapping[str, str]) -> Path:
    """Return the person's home."""
    return Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())


def conda_prefixes(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the prefixes that ``conda info`` would list, and the condas in the usual places, without starting any."""
    home = home_folder(environ)
    with contextlib.suppress(OSError):
        for line in (home / ".conda" / "environments.txt").read_text(encoding="utf-8").splitlines():
            if line.strip():
                yield Path(line.strip())
    roots = []
    if environ.get("CONDA_EXE"):
        roots.append(Path(environ["CONDA_EXE"]).parent.parent)
    if environ.get("MAMBA_ROOT_PREFIX"):
        roots.append(Path(environ["MAMBA_ROOT_PREFIX"]))
    roots += usual_roots(home, environ)
    for folder in (home, Path("/opt"), home / "opt", Path(environ.get("PROGRAMDATA") or "/usr/local")):
        roots += [folder / name for name in OTHER_ROOTS]
    folders = [home / ".conda" / "envs", *environment_folders(environ)]
    for root in roots:
        if (root / "conda-meta").is_dir():
            yield root
        folders.append(root / "envs")
    for folder in folders:
        with contextlib.suppress(OSError):
            yield from (entry for entry in sorted(folder.iterdir()) if (entry / "conda-meta").is_dir())


def python_of(prefix: Path) -> Path:
    """Return where the interpreter of a conda environment is."""
    return prefix / "python.exe" if sys.platform == "win32" else prefix / "bin" / "python"


def is_root(prefix: Path) -> bool:
    """Whether a prefix is a conda itself, whose name is ``base``."""
    return (prefix / "condabin").is_dir() or (prefix / "envs").is_dir()


def conda_prefix(name_or_prefix: str, environ: Mapping[str, str]) -> Path:
    """Return the prefix that is meant by the name of a conda environment, or by its folder.

    Raises:
        ImJoyError: ``env.no-conda-env`` when there is none, or several of that name.
    """
    if "/" in name_or_prefix or os.sep in name_or_prefix or name_or_prefix.startswith("~"):
        found = [Path(name_or_prefix).expanduser().absolute()]
        found = [prefix for prefix in found if (prefix / "conda-meta").is_dir()]
    else:
        known = list(dict.fromkeys(conda_prefixes(environ)))
        found = [prefix for prefix in known if prefix.name == name_or_prefix and python_of(prefix).exists()]
        if name_or_prefix == BASE_NAME:
            found = [prefix for prefix in known if is_root(prefix) and python_of(prefix).exists()]
    if len(found) != 1:
        raise ImJoyError(
            "env.no-conda-env",
            f"{'Several conda environments are' if found else 'No conda environment is'} called {name_or_prefix}.",
            why=f"They are {', '.join(map(str, found))}." if found else "",
            fix="imjoy env find\nimjoy env add NAME --conda PREFIX",
            exit_code=ExitCode.USAGE,
        )
    if not python_of(found[0]).exists():
        raise ImJoyError(
            "env.no-python",
            f"There is no Python in {found[0]}.",
            fix="imjoy env find",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    return found[0]


def activation_variables(prefix: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what activating ``prefix`` sets: its packages' scripts are asked, and what the user set for it is read."""
    named = {
        "CONDA_PREFIX": str(prefix),
        "CONDA_DEFAULT_ENV": BASE_NAME if is_root(prefix) else prefix.name,
    }
    for file in (
        *sorted((prefix / "etc" / "conda" / "env_vars.d").glob("*.json")),
        prefix / "conda-meta" / "state",
    ):
        with contextlib.suppress(OSError, ValueError):
            content = json.loads(file.read_text(encoding="utf-8"))
            content = content.get("env_vars", {}) if file.name == "state" else content
            named.update({str(name): str(value) for name, value in content.items() if value != "***unset***"})
    if os.name != "nt" and any((prefix / "etc" / "conda" / "activate.d").glob("*.sh")):
        before = {**outside_variables(environ), **named}
        answer = ask(
            [shutil.which("bash") or "/bin/sh", "-c", _SOURCE], timeout=ACTIVATION_SECONDS, environ=before
        )
        line = next((line for line in answer.stdout.splitlines() if line.startswith(_MARK)), "")
        with contextlib.suppress(ValueError):
            after = json.loads(line.removeprefix(_MARK))
            named.update(
                {
                    name: value
                    for name, value in after.items()
                    if before.get(name) != value and name not in _NOT_ACTIVATION
                }
            )
    return named
