"""Apple's stubs: ``/usr/bin/git`` and ``/usr/bin/python3`` of a Mac without Command Line Tools open a dialog.

Such a command is never run unasked. ``xcode-select -p`` says whether tools are there and opens nothing; with tools
whose licence was not accepted the commands themselves fail, with exit code 69 and no dialog (``man xcode-select``).
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from imjoy.effects.process import ask

STUB_FOLDER = "/usr/bin"
STUBS = ("git", "python3", "pip3", "cc", "clang")
SELECT_SECONDS = 10.0


def is_unusable_stub(command: Path, platform: str = sys.platform) -> bool:
    """Whether a command is one of Apple's stubs without anything behind it."""
    if platform != "darwin" or str(command.parent) != STUB_FOLDER or command.name not in STUBS:
        return False
    return not _tools_are_there()


@lru_cache(maxsize=1)
def _tools_are_there() -> bool:
    return ask(["/usr/bin/xcode-select", "-p"], timeout=SELECT_SECONDS).ok
