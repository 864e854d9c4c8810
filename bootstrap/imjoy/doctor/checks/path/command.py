"""Whether typing `imjoy` starts this imjoy."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from imjoy.doctor.installed import receipt_of
from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, ok, skip, warn
from imjoy.path.operations import apply, path_guidance
from imjoy.path.shells import ShellEnvironment, ShellName, command_folders, session_line, shell_of_program


def look(machine: Machine) -> Finding:
    """Compare what PATH finds with the command that belongs to the prefix, else to this Python. Starts no shell."""
    environ = machine.context.environ
    home = machine.layout.prefix if receipt_of(machine).exists() else _home_of(machine.interpreter)
    folders = command_folders(home, machine.platform)
    names = ("imjoy", "imjoy.exe")
    ours = next((folder / name for folder in folders for name in names if (folder / name).exists()), None)
    if ours is None:
        return skip(f"there is no imjoy command in {folders[0]}; `python -m imjoy` runs it")
    shell = _shell(machine)
    line = session_line(shell, folders, machine.context.home)
    found = shutil.which("imjoy", path=environ.get("PATH", ""))
    if found is None:
        guidance = path_guidance(home, shell, _shell_environment(machine))
        if guidance.applied:
            return warn(
                "This terminal does not find `imjoy` yet.",
                f"{guidance.file} has the line, but only new terminals read it.",
                line,
            )
        return warn(
            "The shell does not find `imjoy`.",
            f"{ours.parent} is not on PATH.",
            line,
            _fix(machine, home, shell),
        )
    if _same(Path(found), ours):
        return ok(found)
    return warn(
        "Typing `imjoy` starts another copy.",
        f"PATH has {found} before {ours}.",
        line,
        None if _on_path(ours.parent, environ.get("PATH", "")) else _fix(machine, home, shell),
    )


def _fix(machine: Machine, prefix: Path, shell: ShellName) -> Fix:
    shell_environment = _shell_environment(machine)
    plan = apply(prefix, shell, shell_environment, dry_run=True)

    def write() -> Repair:
        done = apply(prefix, shell, shell_environment, dry_run=False)
        diff = "".join(f"+{text}\n" for text in done.lines)
        return Repair(f"imjoy path --shell {shell} --prefix {prefix} --remove", f"{done.file}\n{diff}")

    return Fix(f"write a marked block into {plan.file}; new terminals find imjoy then", write)


def _shell_environment(machine: Machine) -> ShellEnvironment:
    return ShellEnvironment(machine.context.home, machine.context.environ, machine.platform)


def _shell(machine: Machine) -> ShellName:
    return shell_of_program(machine.shell) or "bash"


def _home_of(interpreter: str) -> Path:
    folder = Path(interpreter).parent
    return folder.parent if folder.name == "bin" else folder


def _on_path(folder: Path, path: str) -> bool:
    return any(_same(Path(entry), folder) for entry in path.split(os.pathsep) if entry)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


CHECK = Check(
    "path.command",
    "the imjoy command",
    look,
    """\
Cause: the folder of the `imjoy` command is not on the PATH of this shell, or PATH has another `imjoy` before it. A
link to the same folder, or another spelling of it, is not reported.

Fix: the line that is shown helps in this terminal. `imjoy doctor --fix` writes a marked block into the start-up file
of your shell, for all new terminals; `imjoy path --remove` removes it. If an older copy of imjoy is found first,
uninstall that copy.""",
)
