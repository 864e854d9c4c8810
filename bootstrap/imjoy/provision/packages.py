"""Builds imjoy, and installs it with what it needs, for the Python that runs this.

The planner has the new prefix's Python run it: out of its own sources to build, out of the very wheel to install. So it
imports the standard library alone. uv, which is one of imjoy's own requirements, builds in a fraction of pip's time and
fetches side by side what pip fetches one after the other; where it cannot be had, or fails, pip does it all.
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
sys.path.append(sys.argv[1])
from imjoy.provision.packages import main
sys.exit(main(sys.argv[2:]))
"""
"""What ``python -I -S -c`` runs, with the place that holds this module before :func:`main`'s arguments."""
ELSEWHERE = re.compile(r"UV_(PYTHON|PROJECT|SYSTEM_PYTHON|TARGET|PREFIX|NO_DEPS|WORKING_DIR).*")
"""They would have uv install into another place, or not all."""


def main(arguments: Sequence[str]) -> int:
    """Install ``PLACE``, a wheel, or build one of it: a wheel's sources or a git url. Return uv's or pip's exit code.

    ``--again`` replaces what is there; ``--offline DIR`` takes everything from a folder; ``--build DIR`` puts a wheel
    there instead, and installs no more than uv.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("place")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--build", metavar="DIR")
    parser.add_argument("--offline", metavar="DIR")
    options = parser.parse_args(arguments)
    local = ["--no-index", "--find-links", options.offline] if options.offline else []
    if options.build:
        uv, pip = (
            ["build", "--wheel", "--out-dir", options.build],
            ["wheel", "--no-deps", "-w", options.build],
        )
    else:
        uv, pip = ["pip", "install", "--break-system-packages", "--upgrade"], ["install", "--upgrade"]
        uv += ["--reinstall"] if options.again else []
        pip += ["--force-reinstall"] if options.again else []
    if _has_uv(_wanted_uv(options.place), local, upgrade=options.again or bool(options.build)):
        environ = {name: value for name, value in os.environ.items() if not ELSEWHERE.fullmatch(name)}
        environ |= uv_variables(environ)
        uv += ["--no-progress", "--python", sys.executable, *uv_options(environ)]
        if _run(["uv", *uv, *local, options.place], environ) == 0:
            return 0
    return _run(["pip", *pip, *local, options.place])


def _wanted_uv(place: str) -> str:
    """Return which uv a wheel, or a wheel's sources, require; empty for what is elsewhere, and so for pip."""
    path = Path(place)
    if path.is_dir():
        text, line = (path / "pyproject.toml").read_text(encoding="utf-8"), r'^ *"(uv\b[^";]*)"'
    elif path.is_file():
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            text = archive.read(names[0]).decode("utf-8") if names else ""
        line = r"^Requires-Dist: (uv\b[^;\n]*)"
    else:
        return ""
    found = re.search(line, text, re.MULTILINE)
    return found[1] if found else ""


def _has_uv(wanted: str, local: Sequence[str], *, upgrade: bool) -> bool:
    """Whether uv is there, or pip could install it; with ``upgrade`` pip has to have looked."""
    if not wanted or (not upgrade and _run(["uv", "--version"]) == 0):
        return bool(wanted)
    return _run(["pip", "install", "--upgrade", *local, wanted]) == 0


def _run(module: Sequence[str], environ: dict[str, str] | None = None) -> int:
    command = [sys.executable, "-I", "-m", *module]
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=False).returncode
