"""What a person has to type for `imjoy`: after an install it is often not on PATH yet."""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

from imjoy.effects.machine.home import home_folder
from imjoy.model.shell_words import shell_line, shell_word

NAME = "imjoy"
COMMAND_VARIABLE = "IMJOY_COMMAND"
"""Tells the engine what to show on its page."""
OF_A_WORKSPACE = (
    *("doctor", "logs", "open", "plugins", "restart", "run", "start", "status", "stop", "token", "upgrade"),
    # Groups: the command that takes the options is what follows.
    *("env [a-z]+", "desktop (?:add|autostart|remove)"),
)
VERBS = (
    *(
        "completion",
        "desktop",
        "doctor",
        "env",
        "help",
        "install",
        "lock",
        "logs",
        "new",
        "open",
        "path",
        "plugins",
    ),
    *("restart", "run", "start", "status", "stop", "token", "uninstall", "upgrade", "version"),
)
# As a word of its own, before a verb or an option: in prose the name means the program.
_MENTION = re.compile(
    rf"(?<![\w./\\~-])imjoy(?= (?:--?[a-z]|(?:{'|'.join(VERBS)})\b))"
    rf"(?P<verb> (?:{'|'.join(OF_A_WORKSPACE)})\b)?(?=(?P<rest>[^`\n]*))"
)
_OPTION = "--workspace"
_named: dict[str, str] = {}


@cache
def own_command() -> str:
    """Return what starts this very `imjoy` as it stands: its name where PATH leads to it, else its path.

    A program that was not started by its own file (``python -m imjoy``) is called by its name.
    """
    program = Path(sys.argv[0])
    if program.stem.lower() != NAME or not program.is_file():
        return NAME
    return command_of(program)


def command_of(program: Path) -> str:
    """Return what starts an `imjoy` as it stands: its name where PATH leads to it, else its path."""
    found = shutil.which(NAME)
    if found is not None and os.path.realpath(found) == os.path.realpath(program):
        return NAME
    path = str(program.absolute())
    quoted = shell_line([path])
    if sys.platform == "win32":
        return quoted
    home = f"{home_folder()}{os.sep}"
    # A tilde is one to a shell only where it is not quoted.
    return f"~/{path[len(home) :]}" if quoted == path and path.startswith(home) else quoted


def name_workspace(folder: str | None) -> None:
    """Have every command that is printed from now on name this workspace, as the person who typed it has to."""
    _named.clear()
    if folder is not None:
        _named[_OPTION] = shell_word(folder)


def as_typed(text: str, command: str | None = None) -> str:
    """Return ``text`` with every command of ours in it as it can be typed: by ``command``, else by this very one.

    Where a workspace was named on the command line, commands that take one name it, too.
    """
    program = command or own_command()

    def typed(mention: re.Match[str]) -> str:
        verb, rest = mention["verb"] or "", mention["rest"]
        takes = verb or rest.startswith(" -")
        option = "" if not takes or _OPTION in rest or not _named else f" {_OPTION} {_named[_OPTION]}"
        return f"{program}{verb}{option}"

    return text if program == NAME and not _named else _MENTION.sub(typed, text)
