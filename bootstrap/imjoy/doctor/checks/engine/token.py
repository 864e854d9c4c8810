"""The connection token: readable by its owner only, and a token at all."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, warn
from imjoy.effects.disk.access import others_of
from imjoy.effects.disk.files import chown_command, keeps_modes, other_owner, read_text, restrict_mode
from imjoy.engines.running import rotate_token

TOKEN_FORM = re.compile(r"[A-Za-z0-9._~-]{16,128}")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look(machine: Machine) -> Finding:
    """Look at the file's mode and content; the token is never part of a finding."""
    file = machine.layout.token_file
    rotate = "imjoy token --rotate"
    renew = Fix(
        f"replace the token in {file}; every app has to be given the new one", lambda: _rotate(machine)
    )
    try:
        text = read_text(file).strip()
        mode = file.stat().st_mode
    except FileNotFoundError:
        return ok("there is none yet; the first start makes it")
    except OSError as error:
        if foreign := other_owner(file):
            return fail("The token file cannot be read.", foreign, chown_command(machine.layout.private))
        return fail("The token file cannot be read.", f"{file}: {error.strerror}", rotate, renew)
    if not TOKEN_FORM.fullmatch(text):
        return fail(
            "The token file does not contain a valid token.",
            f"{file} is empty: perhaps the disk was full when it was written."
            if not text
            else f"{file} has to hold one line of 16 to 128 characters of A-Z a-z 0-9 . _ ~ -",
            rotate,
            renew,
        )
    try:
        others = others_of(file)
    except OSError as error:
        return warn(
            "Who may read the token cannot be determined.",
            f"{file}: {error.strerror}",
            "imjoy start --workspace FOLDER",
            advice="FOLDER is one on a disk of this machine.",
        )
    if others:
        return fail(
            "Other users of this machine can read the token.",
            f"{file} is open to {', '.join(others)}. Whoever has the token can run programs as you.",
            f'icacls "{file}" /inheritance:r /grant:r "{machine.context.environ.get("USERNAME", "")}:F"',
            Fix(f"make {file} readable by you only", lambda: _close(file, f'icacls "{file}" /reset')),
        )
    if sys.platform == "win32":
        return ok("the token is valid, and only you, the system and administrators can read it")
    if mode & OTHERS and not keeps_modes(file.parent):
        return fail(
            "Other users of this machine may be able to read the token.",
            f"{file} has mode {stat.S_IMODE(mode):o}, and its disk keeps no modes (FAT, a Windows share, a "
            "disk of Windows in WSL). Whoever has the token can run programs as you.",
            "imjoy start --workspace FOLDER",
            advice="FOLDER is one on a disk of this machine. Or mount this one for you alone (umask=077).",
        )
    if mode & OTHERS:
        return fail(
            "Other users of this machine can read the token.",
            f"{file} has mode {stat.S_IMODE(mode):o}. Whoever has the token can run programs as you.",
            f"chmod 600 '{file}'",
            Fix(
                f"make {file} readable by you only",
                lambda: _close(file, f"chmod {stat.S_IMODE(mode):o} '{file}'"),
            ),
        )
    return ok("the token is valid, and only you can read it")


def _close(file: Path, undo: str) -> Repair:
    if not restrict_mode(file, 0o600):
        raise PermissionError("it is as open as before")
    return Repair(undo)


def _rotate(machine: Machine) -> Repair:
    rotate_token(machine.layout)
    return Repair()


CHECK = Check(
    "engine.token",
    "the connection token",
    look,
    """\
Cause: the token file, `<workspace>/.imjoy/token`, can be read by other users of this machine, cannot be read by you,
or was edited, and no longer contains a valid token.

Cure: `chmod 600` on it, on Windows the line with `icacls` that the check prints (where the disk keeps neither modes nor
lists, another workspace: `--workspace`); or `imjoy token --rotate`, which makes a new one that every app has to be
given. When others could read it for a while, do both.""",
)
