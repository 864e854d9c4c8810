"""What a person has to type for `imjoy`: after an install it is often not on PATH yet."""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

from imjoy.effects.home import home_folder
from imjoy.model.typed import typed_line

NAME = "imjoy"
COMMAND_VARIABLE = "IMJOY_COMMAND"
"""Tells the engine what to show on its page."""
# As a word of its own, before a verb or an option: in prose the name means the program.
_MENTION = re.compile(
    r"(?<![\w./\\~-])imjoy"
    r"(?= (?:--?[a-z]|(?:doctor|env|install|lock|logs|path|run|start|status|stop|token|uninstall|upgrade)\b))"
)


@cache
def own_command() -> str:
    """Return what starts this very `imjoy` as it stands: its name where PATH leads to it, else its path.

    A program that was not started by its own file (``python -m imjoy``) is called by its name.
    """
    program = Path(sys.argv[0])
    if program.stem.lower() != NAME or not program.is_file():
        return NAME
    found = shutil.which(NAME)
    if found is not None and os.path.realpath(found) == os.path.realpath(program):
        return NAME
    path = str(program.absolute())
    quoted = typed_line([path])
    if sys.platform == "win32":
        return quoted
    home = f"{home_folder()}{os.sep}"
    # A tilde is one to a shell only where it is not quoted.
    return f"~/{path[len(home) :]}" if quoted == path and path.startswith(home) else quoted


def as_typed(text: str) -> str:
    """Return ``text`` with every command of ours in it as it can be typed."""
    command = own_command()
    return text if command == NAME else _MENTION.sub(lambda _: command, text)
