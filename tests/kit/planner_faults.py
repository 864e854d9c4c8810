"""Runs the planner with one fault at one of its effects; what takes long is a double, in the same process.

usage: planner_faults.py   read runs from stdin, a JSON document a line: {"kind", "at", "words", "environ"}; each is a
fork of this process, so that nothing is imported twice, or on Windows a process that reads one. Answers with {"code",
"out", "err"}, a line each.

The planner, its record, lock, log, undo and its children are real. Doubles are, for they take seconds each: ``python -m
venv``, pip and uv, py-rattler, the engine's first start, and looking for other Pythons. Each leaves the files that the
planner looks at, through a real child of the planner; the installer of Miniconda is the kit's, and all but empty.

``kind`` at effect number ``at`` (from 1): ``kill`` (once it is done), ``stop`` (SIGTERM, or Ctrl-C of Windows, once it
is done), ``full`` and ``denied`` (the effect ends with ENOSPC or EACCES), ``held`` (from then on somebody holds the
log), ``none``. Effects are named on stderr.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from imjoy.effects.disk import removal
from imjoy.effects.tools.conda import Conda
from imjoy.provision import apply, main, plan, uninstall
from imjoy.provision.apply import Effect, Installation
from imjoy.provision.facts.pythons import this_python
from imjoy.provision.records import record
from imjoy.provision.records.receipt import Receipt, write_receipt

ON_WINDOWS = sys.platform == "win32"
PYTHON = "Scripts/python.exe" if ON_WINDOWS else "bin/python"
PACKAGES = "lib/imjoy"
KILL, STOP = (9, signal.SIGINT) if ON_WINDOWS else (signal.SIGKILL, signal.SIGTERM)
KILLED = KILL if ON_WINDOWS else -KILL
"""The exit code of a run that was killed."""
TOUCH = """
import pathlib, sys
for each in map(pathlib.Path, sys.argv[1:]):
    each.parent.mkdir(parents=True, exist_ok=True)
    each.touch()
"""

_done = 0
_fault = ("none", 0)


def perform_with_fault(effect: Effect) -> None:
    """Do an effect, and what was asked for at it."""
    global _done  # noqa: PLW0603 - one run a process
    _done += 1
    kind, number = _fault
    sys.stderr.write(f"effect: {effect.name}\n")
    sys.stderr.flush()
    if _done == number and kind in ("full", "denied"):
        code = errno.ENOSPC if kind == "full" else errno.EACCES
        raise OSError(code, os.strerror(code), "a file")
    if _done == number and kind == "held":
        hold_log()
    effect.do()
    if _done == number and kind == "kill":
        os.kill(os.getpid(), KILL)
    if _done == number and kind == "stop":
        signal.raise_signal(STOP)


def hold_log() -> None:
    """A double of a scanner that has the log open, as Windows has it: it can be neither begun anew nor removed."""
    write = Path.write_text

    def write_text(self: Path, *arguments: Any, **options: Any) -> int:
        if self.name == "install.log" and "imjoy" in self.parent.name and self.exists():
            raise PermissionError(errno.EACCES, "it is held", str(self))
        return write(self, *arguments, **options)

    def remove(path: Path) -> None:
        if path.name == "install.log":
            raise removal.InUse(f"{path}: in use by a scanner")
        removal.remove(path)

    setattr(Path, "write_text", write_text)  # noqa: B010
    setattr(record, "remove", remove)  # noqa: B010


def in_child(self: Installation, title: str, *files: Path) -> None:
    """Make files, and the folders that they lie in, as a step."""
    names = list(map(str, files))
    if ON_WINDOWS:
        self._step(title, [sys.executable, "-I", "-S", "-B", "-c", TOUCH, *names])
    else:
        script = 'for each; do mkdir -p "${each%/*}"; : >>"$each"; done'
        self._step(title, ["sh", "-ec", script, "sh", *names])


def make_venv(self: Installation, base: Path) -> None:
    """A double of ``python -m venv``."""
    in_child(self, "making the environment", self._root / PYTHON, self._root / "pyvenv.cfg")


def make_conda_environment(self: Installation) -> None:
    """A double of what py-rattler makes."""
    in_child(self, "linking", self._root / PYTHON, self._root / "conda-meta" / "history")


def build_wheel(self: Installation) -> None:
    """A double of ``uv build``."""
    in_child(self, "building imjoy", self._stage / "wheels" / "imjoy.whl")


def install_packages(self: Installation) -> None:
    """A double of uv; the packages are there once their marker is."""
    in_child(self, "installing imjoy", self._root / PACKAGES, self._root / PYTHON.replace("python", "imjoy"))


def hand_over(self: Installation, handed: dict[str, Any], arguments: Sequence[str]) -> int:
    """A double of the second half: it writes the receipt."""
    names = {each.name: str(handed.get(each.name, "")) for each in Receipt.__dataclass_fields__.values()}
    if handed["action"] != "none":
        known = {"version": "0", "parts": tuple(handed["parts"]), "installed": "now"}
        write_receipt(self._root, Receipt(**{**names, **known}))  # type: ignore[arg-type]
    return 0


def find_condas(*arguments: object, **options: object) -> tuple[Conda | None, tuple[str, ...]]:
    """A double of a conda that is here, where the test has made its folder."""
    root = Path.home() / "miniconda3"
    return (
        Conda(root / "bin" / "conda", "26.7.1", envs_dirs=(root / "envs",)) if root.is_dir() else None
    ), ()


def imjoy_is_there(prefix: Path) -> bool:
    """A double of asking an environment whether imjoy runs in it."""
    return (prefix / PACKAGES).exists()


def python_is_there(prefix: Path, tool: str = "pip") -> bool:
    """A double of asking a Python whether it and its pip run."""
    return (prefix / PYTHON).exists()


def install_doubles() -> None:
    """Put everything above in its place."""
    doubles: list[tuple[ModuleType, str, Callable[..., object]]] = [
        (apply, "perform", perform_with_fault),
        (uninstall, "perform", perform_with_fault),
        (main, "works", imjoy_is_there),
        (apply, "works", imjoy_is_there),
        (main, "environment_works", python_is_there),
        (apply, "environment_works", python_is_there),
        (plan, "find_condas", find_condas),
        (plan, "find_python", lambda environ: (this_python(), None)),
        (apply, "write_wrapper", lambda folder, command: (folder / "bin" / "conda").touch()),
    ]
    for module, name, double in doubles:
        setattr(module, name, double)
    for name, method in (
        ("_make_venv", make_venv),
        ("_make_conda_environment", make_conda_environment),
        ("_build_wheel", build_wheel),
        ("_install", install_packages),
        ("_hand_over", hand_over),
        ("_has_conda", lambda self: (self._conda_root() / PYTHON).exists()),
    ):
        setattr(Installation, name, method)


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Run the planner in a process of its own, with a session of its own; return how it ended and what it said."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        if ON_WINDOWS:
            text = json.dumps(order)
            command = [sys.executable, __file__, "one"]
            status = subprocess.run(
                command, input=text, text=True, stdout=out, stderr=err, check=False
            ).returncode
        else:
            pid = os.fork()
            if pid == 0:
                os.setsid()
                for number, file in enumerate((out, err), 1):
                    os.dup2(file.fileno(), number)
                become(order)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
    return {"code": status, "out": said[0], "err": said[1]}


def become(order: dict[str, Any]) -> None:
    """Be one run of the planner, to its end."""
    global _fault  # noqa: PLW0603 - one run a process
    code = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(order["environ"])
        _fault = (order["kind"], order["at"])
        code = main.main(order["words"])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    install_doubles()
    if sys.argv[1:]:
        become(json.load(sys.stdin))
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()
