"""What shells are told on Windows, also by a system that is not."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from typing import cast

import pytest

from imjoy.path.shells import SHELLS, ShellEnvironment, ShellName, session_line, startup_file

HOME = cast(Path, PureWindowsPath("C:\\Users\\Jörg Müller"))
SCRIPTS = (HOME / "ImJoyApp" / "Scripts",)


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        # Git Bash: a list with colons would take the drive for a folder of its own.
        ("bash", 'export PATH="/c/Users/Jörg Müller/ImJoyApp/Scripts:$PATH"'),
        ("zsh", 'export PATH="/c/Users/Jörg Müller/ImJoyApp/Scripts:$PATH"'),
        ("fish", 'set -gx PATH "/c/Users/Jörg Müller/ImJoyApp/Scripts" $PATH'),
        ("tcsh", 'set path = ("/c/Users/Jörg Müller/ImJoyApp/Scripts" $path)'),
        ("nushell", "$env.PATH = ($env.PATH | prepend ['C:\\Users\\Jörg Müller\\ImJoyApp\\Scripts'])"),
        ("powershell", '$env:Path = "$HOME\\ImJoyApp\\Scripts;$env:Path"'),
        ("cmd", 'set "PATH=C:\\Users\\Jörg Müller\\ImJoyApp\\Scripts;%PATH%"'),
    ],
)
def test_every_shell_has_its_line(shell: ShellName, line: str) -> None:
    assert session_line(shell, SCRIPTS, HOME) == line


def test_a_share_is_no_drive() -> None:
    share = cast(Path, PureWindowsPath("\\\\server\\lab\\ImJoyApp"))
    assert session_line("bash", (share,), HOME) == 'export PATH="//server/lab/ImJoyApp:$PATH"'


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_the_registry(shell: ShellName) -> None:
    assert startup_file(shell, ShellEnvironment(HOME, {}, "win32")) is None
