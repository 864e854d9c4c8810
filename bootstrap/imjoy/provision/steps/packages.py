"""Builds imjoy, and installs it with what it needs, in the Python that runs this.

``imjoy install`` has the new prefix's Python run it out of the planner's own files, so it imports the standard library
alone; ``imjoy upgrade`` builds by it, too. uv, which is one of imjoy's own requirements, fetches side by side what pip
fetches one after the other, and writes no bytecode that nobody may need; where it cannot be had, or fails, pip does it
all. A uv that the machine has already installs imjoy's own along with imjoy, and is not needed afterwards: a pip that
fetches uv is half the work of a whole install. An environment comes without pip, as what ensurepip takes for that is a
third of one: the pip of the Python that made it runs, or that of ensurepip's wheel, until uv has put that wheel there.
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
from imjoy.effects.tools.pip_settings import system_proxies, uv_options, uv_variables
from imjoy.provision.facts.uv import UV

STARTER = """
import sys
sys.path.insert(0, sys.argv[1])
from imjoy.provision.steps.packages import main
sys.exit(main(sys.argv[2:]))
"""
"""What ``python -I -B -c`` runs, with the place of the package ``imjoy`` and :func:`main`'s arguments."""
PIP_OF_PLACE = """
import runpy, sys
from importlib.machinery import PathFinder
place = sys.argv.pop(1)
class OnlyPip:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [place]) if name == "pip" else None
sys.meta_path.insert(0, OnlyPip)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""
"""Runs the pip of a wheel or folder; what else is in a folder is not seen, and so not taken for installed here."""
ELSEWHERE = re.compile(r"UV_(PYTHON|PROJECT|SYSTEM_PYTHON|TARGET|PREFIX|NO_DEPS|WORKING_DIR).*")
"""They would have uv install into another place, or not all."""
PYTHON = (sys.executable, "-I")
OWN_UV = (*PYTHON, "-m", "uv")
NOT_DONE = -1


def command(python: Path, *words: str) -> list[str]:
    """Return the argv that has ``python`` run :func:`main` with ``words``, out of the files of the imjoy that asks."""
    return [str(python), "-I", "-B", "-c", STARTER, str(Path(imjoy.__file__).parents[1]), *words]


def main(arguments: Sequence[str]) -> int:
    """Do one step; return the exit code of uv or pip.

    ``build PLACE DIR`` makes a wheel of a folder, or of anything that pip takes, and puts it into ``DIR``; ``--as-is``
    has it install nothing for that, not even uv.
    ``install WHEEL`` installs it; ``--again`` replaces what is there, by the newest. ``--offline DIR`` takes everything
    from a folder. ``--uv FILE`` is a uv of the machine, for an environment that has none yet.

    A first install asks for no upgrade: to uv that means that its cache may be stale, and it fetches each wheel anew.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("step", choices=("build", "install"))
    parser.add_argument("place")
    parser.add_argument("wheels", nargs="?")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--as-is", action="store_true")
    parser.add_argument("--offline", metavar="DIR")
    parser.add_argument("--uv", metavar="FILE")
    options = parser.parse_args(arguments)
    local = ["--no-index", "--find-links", options.offline] if options.offline else []
    step = _build if options.step == "build" else _install
    foreign = [options.uv] if options.uv and find_spec("uv") is None else []
    if foreign and step(foreign, options, local) == 0:
        return 0
    has_uv = find_spec("uv") is not None if options.as_is else _has_uv(local)
    if has_uv and step(OWN_UV, options, local) == 0:
        return 0
    if options.step == "build":
        return _pip("wheel", "--no-deps", "--wheel-dir", options.wheels, *local, options.place)
    again = ["--upgrade", "--force-reinstall"] if options.again else []
    return _pip("install", *again, *local, options.place)


def _build(uv: Sequence[str], options: argparse.Namespace, local: Sequence[str]) -> int:
    """Build a folder with this uv; what lies elsewhere is pip's."""
    if not Path(options.place).is_dir():
        return NOT_DONE
    words = ["--python", sys.executable, *local, options.place]
    return _uv(uv, "build", "--wheel", "--out-dir", options.wheels, *words)


def _install(uv: Sequence[str], options: argparse.Namespace, local: Sequence[str]) -> int:
    """Install with this uv, and by a foreign one also what an environment gets before imjoy: uv and pip."""
    again = ["--upgrade", "--reinstall"] if options.again else []
    tools: list[str] = []
    if uv is not OWN_UV:
        wheel = _wheel_of_pip() if find_spec("pip") is None else ""
        if wheel is None:
            return NOT_DONE
        tools = [UV, *filter(None, [wheel])]
    return _uv_install(uv, *again, *local, *tools, options.place)


def _has_uv(local: Sequence[str]) -> bool:
    """Whether uv is there, or pip could install it; pip is there afterwards, too."""
    if find_spec("uv") is None and _pip("install", *local, UV, place=_pip_of_base() or _wheel_of_pip()) != 0:
        return False
    if find_spec("pip") is None:
        wheel = _wheel_of_pip()
        return wheel is not None and _uv_install(OWN_UV, "--no-index", "--no-deps", wheel) == 0
    return True


def _pip_of_base() -> str | None:
    """Return where the Python that made this environment has its pip, which is compiled already."""
    folder = sysconfig.get_path("purelib", vars={"base": sys.base_prefix, "platbase": sys.base_prefix})
    return folder if Path(folder, "pip", "__main__.py").is_file() else None


def _wheel_of_pip() -> str | None:
    """Return the wheel that ensurepip installs, of this Python or, as Debian has it, of the system."""
    import ensurepip

    folders = [sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(ensurepip.__file__).parent / "_bundled"]
    found = [str(file) for folder in folders if folder for file in sorted(Path(folder).glob("pip-*.whl"))]
    return found[-1] if found else None


def _pip(*arguments: str, place: str | None = None) -> int:
    """Run pip: the one that is there, else that of a ``place``, else the one that ensurepip puts there."""
    start = ["-m", "pip"]
    if find_spec("pip") is None:
        if place is not None:
            # Nothing is written into the Python that made this environment.
            start = ["-B", "-c", PIP_OF_PLACE, place]
        elif (code := _run([*PYTHON, "-m", "ensurepip", "--upgrade", "--default-pip"], os.environ)) != 0:
            return code
    return _run([*PYTHON, *start, *arguments], os.environ)


def _uv_install(uv: Sequence[str], *arguments: str) -> int:
    place = ["--break-system-packages", "--no-progress", "--python", sys.executable]
    return _uv(uv, "pip", "install", *place, *arguments)


def _uv(uv: Sequence[str], *arguments: str) -> int:
    environ = {name: value for name, value in os.environ.items() if not ELSEWHERE.fullmatch(name)}
    environ |= uv_variables(environ)
    environ |= system_proxies(environ)
    return _run([*uv, *arguments, *uv_options(environ)], environ)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        return subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return NOT_DONE
