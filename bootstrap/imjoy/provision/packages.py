"""Installs a wheel of imjoy, with what it needs, into the Python that runs this.

Both scripts and ``imjoy install`` have the new prefix's Python run it out of the very wheel, so it imports the standard
library alone. uv, which is one of imjoy's own requirements, fetches side by side what pip fetches one after the other;
where it cannot be had, or fails, pip does it all.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from imjoy.effects.pip_settings import uv_options, uv_variables

STARTER = """
import sys
sys.path.insert(0, sys.argv[1])
from imjoy.provision.packages import main
sys.exit(main(sys.argv[1:]))
"""
"""What ``python -I -c`` runs, with :func:`main`'s arguments; the same in the scripts."""
ELSEWHERE = re.compile(r"UV_(PYTHON|PROJECT|SYSTEM_PYTHON|TARGET|PREFIX|NO_DEPS|WORKING_DIR).*")
"""They would have uv install into another place, or not all."""


def main(arguments: Sequence[str]) -> int:
    """Install ``WHEEL``; return the exit code of uv or pip.

    ``--again`` replaces what is there; ``--offline DIR`` takes everything from a folder.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--offline", metavar="DIR")
    options = parser.parse_args(arguments)
    local = ["--no-index", "--find-links", options.offline] if options.offline else []
    if _has_uv(options.wheel, local):
        again = ["--reinstall"] if options.again else []
        environ = {name: value for name, value in os.environ.items() if not ELSEWHERE.fullmatch(name)}
        environ |= uv_variables(environ)
        uv = [sys.executable, "-I", "-m", "uv", "pip", "install", "--break-system-packages", "--upgrade"]
        uv += ["--no-progress", "--python", sys.executable, *uv_options(environ), *local, *again]
        if _run([*uv, str(options.wheel)], environ) == 0:
            return 0
    again = ["--force-reinstall"] if options.again else []
    return _run([*_pip(local), *again, str(options.wheel)], dict(os.environ))


def _has_uv(wheel: Path, local: Sequence[str]) -> bool:
    """Whether uv is there, or pip could install it."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(names[0]).decode("utf-8") if names else ""
    wanted = re.search(r"^Requires-Dist: (uv\b[^;\n]*)", text, re.MULTILINE)
    return wanted is not None and _run([*_pip(local), wanted[1]], dict(os.environ)) == 0


def _pip(local: Sequence[str]) -> list[str]:
    return [sys.executable, "-I", "-m", "pip", "install", "--upgrade", *local]


def _run(command: Sequence[str], environ: dict[str, str]) -> int:
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=False).returncode
