"""Builds imjoy, and installs it with what it needs, in the Python that runs this.

``imjoy install`` has the new prefix's Python run it out of the planner's own files, so it imports the standard library
alone; ``imjoy upgrade`` builds by it, too. uv, which is one of imjoy's own requirements, fetches side by side what pip
fetches one after the other, and writes no bytecode that nobody may need; where it cannot be had, or fails, pip does it
all. An environment comes without pip, as what ensurepip takes for that is a third of a whole install: pip runs out of
ensurepip's wheel until uv has put the same wheel there.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import imjoy
from imjoy.effects.tools.pip_settings import uv_options, uv_variables

STARTER = """
import sys
sys.path.insert(0, sys.argv[1])
from imjoy.provision.steps.packages import main
sys.exit(main(sys.argv[2:]))
"""
"""What ``python -I -B -c`` runs, with the place of the package ``imjoy`` and :func:`main`'s arguments."""
PIP_OF_WHEEL = """
import runpy, sys
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
UV = "uv>=0.5,<1"
"""As imjoy itself requires it."""
ELSEWHERE = re.compile(r"UV_(PYTHON|PROJECT|SYSTEM_PYTHON|TARGET|PREFIX|NO_DEPS|WORKING_DIR).*")
"""They would have uv install into another place, or not all."""


def command(python: Path, *words: str) -> list[str]:
    """Return the argv that has ``python`` run :func:`main` with ``words``, out of the files of the imjoy that asks."""
    return [str(python), "-I", "-B", "-c", STARTER, str(Path(imjoy.__file__).parents[1]), *words]


def main(arguments: Sequence[str]) -> int:
    """Do one step; return the exit code of uv or pip.

    ``build PLACE DIR`` makes a wheel of a folder, or of anything that pip takes, and puts it into ``DIR``; ``--as-is``
    has it install nothing for that, not even uv.
    ``install WHEEL`` installs it; ``--again`` replaces what is there, by the newest. ``--offline DIR`` takes everything
    from a folder.

    A first install asks for no upgrade: to uv that means that its cache may be stale, and it fetches each wheel anew.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("step", choices=("build", "install"))
    parser.add_argument("place")
    parser.add_argument("wheels", nargs="?")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--as-is", action="store_true")
    parser.add_argument("--offline", metavar="DIR")
    options = parser.parse_args(arguments)
    local = ["--no-index", "--find-links", options.offline] if options.offline else []
    has_uv = find_spec("uv") is not None if options.as_is else _has_uv(local)
    if options.step == "build":
        words = ["--python", sys.executable, *local, options.place]
        # What lies elsewhere is pip's: uv builds folders only.
        can_build = has_uv and Path(options.place).is_dir()
        if can_build and _uv("build", "--wheel", "--out-dir", options.wheels, *words) == 0:
            return 0
        return _pip("wheel", "--no-deps", "--wheel-dir", options.wheels, *local, options.place)
    if has_uv:
        again = ["--upgrade", "--reinstall"] if options.again else []
        if _uv_install(*again, *local, options.place) == 0:
            return 0
    again = ["--upgrade", "--force-reinstall"] if options.again else []
    return _pip("install", *again, *local, options.place)


def _has_uv(local: Sequence[str]) -> bool:
    """Whether uv is there, or pip could install it; pip is there afterwards, too."""
    if find_spec("uv") is None and _pip("install", *local, UV, wheel=_wheel_of_pip()) != 0:
        return False
    if find_spec("pip") is None:
        wheel = _wheel_of_pip()
        return wheel is not None and _uv_install("--no-index", "--no-deps", wheel) == 0
    return True


def _wheel_of_pip() -> str | None:
    """Return the wheel that ensurepip installs, of this Python or, as Debian has it, of the system."""
    import ensurepip

    folders = [sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(ensurepip.__file__).parent / "_bundled"]
    found = [str(file) for folder in folders if folder for file in sorted(Path(folder).glob("pip-*.whl"))]
    return found[-1] if found else None


def _pip(*arguments: str, wheel: str | None = None) -> int:
    """Run pip: the one that is there, else out of its ``wheel``, else the one that ensurepip puts there."""
    start = ["-m", "pip"]
    if find_spec("pip") is None:
        if wheel is not None:
            start = ["-c", PIP_OF_WHEEL, wheel]
        elif (code := _run(["-m", "ensurepip", "--upgrade", "--default-pip"], os.environ)) != 0:
            return code
    return _run([*start, *arguments], os.environ)


def _uv_install(*arguments: str) -> int:
    place = ["--break-system-packages", "--no-progress", "--python", sys.executable]
    return _uv("pip", "install", *place, *arguments)


def _uv(*arguments: str) -> int:
    environ = {name: value for name, value in os.environ.items() if not ELSEWHERE.fullmatch(name)}
    environ |= uv_variables(environ)
    return _run(["-m", "uv", *arguments, *uv_options(environ)], environ)


def _run(words: Sequence[str], environ: Mapping[str, str]) -> int:
    command = [sys.executable, "-I", *words]
    return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=False).returncode
