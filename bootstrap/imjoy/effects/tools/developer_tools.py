"""Apple's stubs: ``/usr/bin/git`` and ``/usr/bin/python3`` of a Mac without Command Line Tools open a dialog.

Such a command is never run unasked. ``xcode-select -p`` says whether tools are there, ``xcrun --find`` whether they
work; neither opens anything. While the licence of Xcode is not accepted xcrun, as every tool, ends with exit code 69.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path

from imjoy.effects.processes.process import ask

STUB_FOLDER = "/usr/bin"
STUBS = ("git", "python3", "pip3", "cc", "clang")
SELECT = ("/usr/bin/xcode-select", "-p")
FIND = ("/usr/bin/xcrun", "--find", "git")
SELECT_SECONDS = 10.0
# xcrun looks through what it has found before anew after an update.
FIND_SECONDS = 30.0
LICENCE_CODE = 69
INSTALL = "xcode-select --install"
ACCEPT = "sudo xcodebuild -license accept"


def is_unusable_stub(command: Path, platform: str = "") -> bool:
    """Whether a command is one of Apple's stubs without anything behind it that works."""
    if (
        (platform or sys.platform) != "darwin"
        or str(command.parent) != STUB_FOLDER
        or command.name not in STUBS
    ):
        return False
    return bool(tools_fix())


@lru_cache(maxsize=1)
def tools_fix() -> str:
    """Return the command that has a Mac's developer tools work; nothing when they do."""
    if not ask(SELECT, timeout=SELECT_SECONDS).ok:
        return INSTALL
    found = ask(FIND, timeout=FIND_SECONDS)
    if found.ok:
        return ""
    return ACCEPT if found.code == LICENCE_CODE else INSTALL
