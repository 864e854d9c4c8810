"""Lets the imjoy of an environment take the place of this process."""

import os
import sys

from imjoy.legacy.environment import interpreter
from imjoy.legacy.linked import is_known_by_home

#: They would have a Python look for its modules elsewhere.
LEAKS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


def replace(prefix, words, environ):
    # type: (str, list[str], dict[str, str]) -> int
    """Become ``imjoy WORDS`` of the environment at ``prefix``; on Windows wait for it and return its exit code."""
    command = [interpreter(prefix), "-I", "-m", "imjoy"] + words
    variables = {name: value for name, value in environ.items() if name not in LEAKS}
    variables["PYTHONNOUSERSITE"] = "1"
    if not is_known_by_home(prefix):
        variables["IMJOY_PREFIX"] = prefix
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execve(command[0], command, variables)
    import subprocess

    # A Python of conda finds its libraries by PATH there.
    folders = [prefix] + [os.path.join(prefix, part) for part in ("Library\\bin", "Scripts")]
    variables["PATH"] = os.pathsep.join(folders + [variables.get("PATH", "")])
    return subprocess.call(command, env=variables)
