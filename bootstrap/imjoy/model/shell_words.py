"""Commands as a person types them: in a shell of POSIX, or in PowerShell, most of which cmd takes, too."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence

_PLAIN = re.compile(r"[\w@%+=:,./\\~-]+")


def shell_line(words: Sequence[str], system: str = sys.platform) -> str:
    """Return the line that has a shell run exactly these words. ``system`` is ``sys.platform``."""
    if system != "win32":
        return shlex.join(words)
    line = " ".join(shell_word(word, system) for word in words)
    # To PowerShell a line that begins with a quote is a text.
    return f"& {line}" if line.startswith('"') else line


def shell_word(word: str, system: str = sys.platform) -> str:
    """Return a word as it stands in such a line, not at its beginning."""
    if system != "win32":
        return shlex.quote(word)
    return word if _PLAIN.fullmatch(word) else f'"{word}"'
