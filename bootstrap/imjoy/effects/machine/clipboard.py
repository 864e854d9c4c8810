"""The clipboard, through whichever of the platform's tools is there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from imjoy.effects.processes.process import CommandFailed, run_command
from imjoy.model.errors import ImJoyError

COPY_SECONDS = 5.0
# Sources: the manual pages of pbcopy (macOS), clip (Windows), wl-copy, xclip and xsel. Each reads stdin.
COPY_COMMANDS: Sequence[Sequence[str]] = (
    ("pbcopy",),
    ("clip.exe",),
    ("wl-copy",),
    ("xclip", "-selection", "clipboard"),
    ("xsel", "--clipboard", "--input"),
)


def copy_text(text: str) -> str:
    """Put ``text`` on the clipboard and return the tool that took it.

    Raises :class:`ImJoyError` ``clipboard.none`` when no tool is there or none works (no display).
    """
    refusals: list[str] = []
    for command in COPY_COMMANDS:
        if shutil.which(command[0]) is None:
            continue
        try:
            run_command(command, timeout=COPY_SECONDS, text=text)
        except CommandFailed as error:
            refusals.append(error.what)
            continue
        return command[0]
    names = ", ".join(command[0] for command in COPY_COMMANDS)
    raise ImJoyError(
        "clipboard.none",
        "The token could not be copied.",
        why="\n".join(refusals) or f"None of {names} is installed.",
        fix="imjoy token",
    )
