"""The connection token: readable by its owner only, and a token at all."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, warn
from imjoy.effects.disk.access import accounts_with_access
from imjoy.effects.disk.files import chown_command, other_owner, read_text, restrict_mode, supports_modes
from imjoy.engines.running import rotate_token

TOKEN_FORM = re.compile(r"[A-Za-z0-9._~-]{16,128}")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def look(machine: Machine) -> Finding:
    """Look at the file's mode and content; the token is never part of a finding."""
    file = machine.layout.token_file
    rotate = "imjoy token --rotate"
    renew = Fix(
        f"replace the token in {file}; you then have to give the new one to every app",
        lambda: _rotate(machine),
    )
    try:
        text = read_text(file).strip()
        mode = file.stat().st_mode
    except FileNotFoundError:
        return ok("there is no token yet; the first start makes one")
    except OSError as error:
        if foreign := other_owner(file):
            return fail("The token file cannot be read.", foreign, chown_command(machine.layout.private))
        return fail("The token file cannot be read.", f"{file}: {error.strerror}", rotate, renew)
    if not TOKEN_FORM.fullmatch(text):
        return fail(
            "The token file does not contain a valid token.",
            f"{file} is empty: perhaps the disk was full when it was written."
            if not text
            else f"{file} must contain one line of 16 to 128 characters of A-Z a-z 0-9 . _ ~ -",
            rotate,
            renew,
        )
    try:
        others = accounts_with_access(file)
    except OSError as error:
        return warn(
            "imjoy cannot find out who can read the token.",
            f"{file}: {error.strerror}",
            "imjoy start --workspace FOLDER",
            advice="FOLDER is one on a disk of this machine.",
        )
    if others:
        return fail(
            "Other users of this machine can read the token.",
            f"{', '.join(others)} can read {file}. Whoever has the token can run programs as you.",
            f'icacls "{file}" /inheritance:r /grant:r "{machine.context.environ.get("USERNAME", "")}:F"',
            Fix(f"make {file} readable by you only", lambda: _close(file, f'icacls "{file}" /reset')),
        )
    if sys.platform == "win32":
        return ok("the token is valid, and only you, the system and administrators can read it")
    if mode & OTHERS and not supports_modes(file.parent):
        return fail(
            "Other users of this machine may be able to read the token.",
            f"{file} has mode {stat.S_IMODE(mode):o}, and its disk does not support permissions (FAT, "
            "a Windows share, a Windows disk in WSL). Whoever has the token can run programs as you.",
            "imjoy start --workspace FOLDER",
            advice="FOLDER is one on a disk of this machine. Or mount this disk for you alone (umask=077).",
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
        raise PermissionError("its permissions did not change")
    return Repair(undo)


def _rotate(machine: Machine) -> Repair:
    rotate_token(machine.layout)
    return Repair()


CHECK = Check(
    "engine.token",
    "the connection token",
    look,
    """\
Cause: other users of this machine can read the token file, `<workspace>/.imjoy/token`. Or you cannot read it, or it
does not contain a valid token any more because somebody edited it.

Fix: `chmod 600` on the file; on Windows, the `icacls` line that the check prints. If the disk does not support
permissions, use another workspace (`--workspace`). `imjoy token --rotate` makes a new token, which you then have to
give to every app. If other users could read the token for some time, do both.""",
)
