"""Whether `conda activate` works in the person's shell, read from its start-up file; no shell is started."""

from __future__ import annotations

import difflib
import re
import shutil
import time
from pathlib import Path

from imjoy.doctor.condas import Conda, find_conda
from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, ok, skip, warn
from imjoy.model.errors import ImJoyError

INIT_SECONDS = 18.0
# What `conda init` writes: the first form into bash, zsh, fish, tcsh and xonsh files, the second into PowerShell's.
BLOCK = re.compile(
    r"^(?:# >>> conda initialize >>>|#region conda initialize)\s*$(.*?)^(?:# <<< conda initialize <<<|#endregion)",
    re.MULTILINE | re.DOTALL,
)
LOADING = re.compile(
    r"(?:^|[\s;&|])(?:\.|source)\s+(\S+?)/etc/(?:profile\.d/conda\.sh|fish/conf\.d/conda\.fish)\b"
)


def look(machine: Machine) -> Finding:
    """Look for the block of ``conda init`` and for the conda that it names."""
    conda = find_conda(machine)
    if conda is None or not conda.command.exists():
        return skip("no conda was found")
    file = rc_file(machine)
    if file is None:
        return skip(f"`conda init` does not know {machine.shell or 'this shell'}")
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    command = f"{conda.command} init {machine.shell}"
    fix = Fix(
        f"run `conda init {machine.shell}`, which edits {file}, and keep a copy",
        lambda: _init(machine, conda),
    )
    if _loads(conda, machine, BLOCK.sub("", text)):
        return ok(f"`conda activate` works in {machine.shell}: {file}")
    live = "\n".join(line for block in BLOCK.findall(text) for line in _live(block))
    if not live.strip():
        return warn(
            f"`conda activate` fails in {machine.shell}: Run 'conda init' before 'conda activate'.",
            f"{file} has no block of `conda init`.",
            command,
            fix,
        )
    if not any(re.search(rf"{re.escape(str(root))}[/\\'\"]", live) for root in _roots(conda)):
        return warn(
            f"`conda activate` in {machine.shell} belongs to another conda.",
            f"The block in {file} does not name {conda.root}.",
            command,
            fix,
        )
    return ok(f"`conda activate` works in {machine.shell}: {file}")


def _live(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.lstrip().startswith("#")]


def _loads(conda: Conda, machine: Machine, text: str) -> bool:
    """Whether the file loads conda's functions itself: the way of conda 4.4, which works to this day."""
    home = machine.context.home
    for line in _live(text):
        found = LOADING.search(line)
        if found is None:
            continue
        named = found[1].strip("'\"").replace("${HOME}", str(home)).replace("$HOME", str(home))
        named = f"{home}{named[1:]}" if named.startswith("~/") else named
        if Path(named) in _roots(conda) or Path(named).resolve() in _roots(conda):
            return True
    return False


def rc_file(machine: Machine) -> Path | None:
    """Return the file that ``conda init`` edits for the shell, or None for a shell that it does not know."""
    home, environ = machine.context.home, machine.context.environ
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    return {
        "bash": home / (".bash_profile" if machine.platform == "darwin" else ".bashrc"),
        "zsh": Path(environ.get("ZDOTDIR") or home) / ".zshrc",
        "fish": config / "fish" / "config.fish",
        "tcsh": home / ".tcshrc",
        "powershell": home / "Documents" / "PowerShell" / "profile.ps1"
        if machine.platform == "win32"
        else config / "powershell" / "profile.ps1",
    }.get(machine.shell)


def _roots(conda: Conda) -> set[Path]:
    # As it is called and as it really is: a home is often reached through a link.
    return {conda.root, conda.command.parent.parent}


def _init(machine: Machine, conda: Conda) -> Repair:
    file = rc_file(machine)
    if file is None:
        return Repair()
    before = file.read_text(encoding="utf-8", errors="replace") if file.exists() else None
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(machine.context.clock()))
    backup = file.with_name(f"{file.name}.imjoy-backup-{stamp}")
    if before is not None:
        shutil.copy2(file, backup)
    machine.context.run([str(conda.command), "init", machine.shell], timeout=INIT_SECONDS)
    after = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    lines = difflib.unified_diff(
        (before or "").splitlines(), after.splitlines(), str(file), str(file), n=1, lineterm=""
    )
    if after == (before or ""):
        backup.unlink(missing_ok=True)
        raise ImJoyError("doctor.not-mended", f"`conda init {machine.shell}` changed nothing in {file}.")
    undo = f"rm '{file}'" if before is None else f"mv '{backup}' '{file}'"
    return Repair(undo, "\n".join(lines))


CHECK = Check(
    "conda.shell_init",
    "conda activate in your shell",
    look,
    """\
Cause: the error is `CondaError: Run 'conda init' before 'conda activate'` or, with an older conda,
`CommandNotFoundError: Your shell has not been properly configured to use 'conda activate'`. `conda activate` needs a
function that `conda init` puts into the start-up file of one shell: `.bashrc` (`.bash_profile` on macOS), `.zshrc`,
`config.fish`, `.tcshrc`, or the profile of PowerShell. Your file has no such block, or the block of another conda,
and it does not load `etc/profile.d/conda.sh` either. imjoy never activates an environment, so plugins run anyway.

Fix: type the line that is shown, and open a new terminal. `imjoy doctor --fix` runs that line, keeps a copy of the
file, and shows what changed and how to undo it.""",
)
