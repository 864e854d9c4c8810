"""The Pythons of this machine that imjoy could run on: found, asked what they are, one of them chosen."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imjoy import FLOOR
from imjoy.effects.processes.process import ask
from imjoy.effects.tools.developer_tools import is_unusable_stub

ASK_SECONDS = 5.0
PREFERRED = ((3, 13), (3, 12), (3, 11), (3, 10))
"""Those that the tests run on, best first; any other from the floor up is taken when none of these is there."""
MARK = "imjoy-python "
PROBE = f"""
import json, sys
missing = ""
try:
    import ensurepip, venv
except ImportError:
    missing = "venv"
base = getattr(sys, "_base_executable", None) or sys.executable
print({MARK!r} + json.dumps([list(sys.version_info[:3]), missing, base]))
"""
"""What such a Python is asked. It parses on Python 2.7; a line of its own, as a sitecustomize may print others."""
ISOLATED_SINCE = (3, 4)


@dataclass(frozen=True)
class Python:
    """An interpreter. ``missing`` names what it lacks for an environment (``venv``); ``base`` makes environments."""

    executable: str
    version: tuple[int, ...]
    missing: str
    base: str

    @property
    def suits(self) -> bool:
        """Whether imjoy can run on it, in an environment that it makes."""
        return self.version[:2] >= FLOOR and not self.missing

    @property
    def release(self) -> str:
        """Return the version as a person writes it."""
        return ".".join(map(str, self.version))


def this_python() -> Python:
    """Return the interpreter that runs this, without asking it."""
    missing = ""
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        missing = "venv"
    base = getattr(sys, "_base_executable", None) or sys.executable
    return Python(sys.executable, tuple(sys.version_info[:3]), missing, base)


def ask_python(executable: str) -> Python | None:
    """Ask an interpreter what it is; None when it does not answer within five seconds."""
    if is_unusable_stub(Path(executable)):
        return None
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    answer = ask([executable, "-E", "-s", "-c", PROBE], timeout=ASK_SECONDS, environ=environ)
    if not answer.ok:
        return None
    for line in answer.stdout.splitlines():
        with suppress(ValueError, TypeError):
            if line.startswith(MARK):
                version, missing, base = json.loads(line[len(MARK) :])
                return Python(executable, tuple(map(int, version)), str(missing), str(base))
    return None


def find_python(environ: Mapping[str, str]) -> tuple[Python | None, Python | None]:
    """Return the Python to make imjoy's environment with, and the best of those that do not suit.

    Looks at PATH, at where installers of Python put it, and at the interpreter that runs this.
    """
    asked: set[str] = set()
    best: Python | None = None
    fallback: Python | None = None
    for executable in _candidates(environ):
        real = os.path.realpath(executable)
        if real in asked:
            continue
        asked.add(real)
        python = this_python() if real == os.path.realpath(sys.executable) else ask_python(executable)
        if python is None:
            continue
        if python.suits and python.version[:2] in PREFERRED:
            return python, None
        if python.suits:
            fallback = fallback or python
        elif best is None or python.version > best.version:
            best = python
    return fallback, best


def _candidates(environ: Mapping[str, str]) -> Iterator[str]:
    path = environ.get("PATH", "")
    for major, minor in PREFERRED:
        if found := shutil.which(f"python{major}.{minor}", path=path):
            yield found
    for name in ("python3", "python"):
        if found := shutil.which(name, path=path):
            yield found
    yield sys.executable
    yield from _registered() if sys.platform == "win32" else _in_usual_folders(environ)


def _in_usual_folders(environ: Mapping[str, str]) -> Iterator[str]:
    folders = [Path(each) for each in ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin")]
    versions = Path(environ.get("PYENV_ROOT") or Path(environ.get("HOME", "/"), ".pyenv")) / "versions"
    for major, minor in PREFERRED:
        with suppress(OSError):
            folders += [each / "bin" for each in sorted(versions.glob(f"{major}.{minor}.*"), reverse=True)]
    for major, minor in PREFERRED:
        for folder in folders:
            if os.access(folder / f"python{major}.{minor}", os.X_OK):
                yield str(folder / f"python{major}.{minor}")


def _registered() -> Iterator[str]:
    """Yield what installers of Python wrote down: https://peps.python.org/pep-0514/."""
    if sys.platform == "win32":
        import winreg

        for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
            for major, minor in PREFERRED:
                with suppress(OSError):
                    place = rf"Software\Python\PythonCore\{major}.{minor}\InstallPath"
                    with winreg.OpenKey(root, place) as key:
                        yield str(winreg.QueryValueEx(key, "ExecutablePath")[0])
    yield from ()
