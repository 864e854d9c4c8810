"""Where a conda may be on this machine: looked for, never called."""

import os
import sys

USUAL_FOLDERS = (
    "miniconda3",
    "miniforge3",
    "mambaforge",
    "anaconda3",
    "miniconda",
    "anaconda",
    "miniconda2",
    "anaconda2",
)
SYSTEM_FOLDERS = ("/opt/conda", "/opt/miniconda3", "/opt/miniforge3", "/opt/anaconda3")
COMMAND = os.path.join("Scripts", "conda.exe") if sys.platform == "win32" else os.path.join("bin", "conda")


def which(name):
    # type: (str) -> str
    """Return the command of that name on PATH, or an empty string."""
    suffix = ".exe" if sys.platform == "win32" else ""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, name + suffix)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return ""


def conda_commands(environ):
    # type: (dict[str, str]) -> list[str]
    """Return the condas that may work, best first: CONDA_EXE, beside this interpreter, on PATH, the usual folders."""
    prefixes = [sys.prefix, getattr(sys, "real_prefix", sys.prefix), getattr(sys, "base_prefix", sys.prefix)]
    # An environment lies in `envs` of the conda that made it.
    roots = prefixes + [os.path.dirname(os.path.dirname(prefix)) for prefix in prefixes]
    usual = [os.path.join(os.path.expanduser("~"), folder) for folder in USUAL_FOLDERS] + list(SYSTEM_FOLDERS)
    found = [environ.get("CONDA_EXE", "")]
    found += [os.path.join(root, COMMAND) for root in roots]
    found += [which("conda")]
    found += [os.path.join(root, COMMAND) for root in usual]
    commands = []  # type: list[str]
    for command in found:
        if (
            command
            and os.path.isfile(command)
            and os.path.realpath(command) not in map(os.path.realpath, commands)
        ):
            commands.append(command)
    return commands
