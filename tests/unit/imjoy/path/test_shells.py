"""Which file each shell reads, and what is written for it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy.path.shells import (
    SHELLS,
    ShellEnvironment,
    ShellName,
    command_folders,
    session_line,
    shell_of_program,
    startup_file,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these are the paths of other systems")

HOME = Path("/home/ada")
BIN = (HOME / "ImJoyApp" / "bin",)


def place(system: str = "linux", files: tuple[str, ...] = (), **environ: str) -> ShellEnvironment:
    """Return a place where only these files of the home are there."""
    return ShellEnvironment(HOME, environ, system, lambda path: str(path.relative_to(HOME)) in files)


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", 'export PATH="$HOME/ImJoyApp/bin:$PATH"'),
        ("zsh", 'export PATH="$HOME/ImJoyApp/bin:$PATH"'),
        ("fish", 'set -gx PATH "$HOME/ImJoyApp/bin" $PATH'),
        ("tcsh", 'set path = ("$HOME/ImJoyApp/bin" $path)'),
        ("nushell", "$env.PATH = ($env.PATH | prepend ['/home/ada/ImJoyApp/bin'])"),
        ("powershell", '$env:PATH = "$HOME/ImJoyApp/bin:${env:PATH}"'),
        ("cmd", 'set "PATH=/home/ada/ImJoyApp/bin;%PATH%"'),
    ],
)
def test_every_shell_has_its_line(shell: ShellName, line: str) -> None:
    assert session_line(shell, BIN, HOME) == line


def test_windows_has_two_folders() -> None:
    assert command_folders(Path("p"), "win32") == (Path("p"), Path("p/Scripts"))


@pytest.mark.parametrize("shell", SHELLS)
def test_a_name_that_no_line_can_carry_is_refused(shell: ShellName) -> None:
    with pytest.raises(ImJoyError) as caught:
        session_line(shell, (Path('/home/a"b/bin'),), HOME)
    assert caught.value.id == "path.name"


@pytest.mark.parametrize(
    ("shell", "where", "file"),
    [
        ("bash", place(), ".bashrc"),
        ("bash", place("darwin"), ".bash_profile"),
        ("bash", place("darwin", (".profile",)), ".profile"),
        ("bash", place("darwin", (".profile", ".bash_login")), ".bash_login"),
        ("zsh", place(), ".zshrc"),
        ("zsh", place(ZDOTDIR="/home/ada/dots"), "dots/.zshrc"),
        ("fish", place(), ".config/fish/config.fish"),
        ("fish", place(XDG_CONFIG_HOME="/home/ada/cfg"), "cfg/fish/config.fish"),
        ("tcsh", place(), ".tcshrc"),
        ("tcsh", place(files=(".cshrc",)), ".cshrc"),
        ("nushell", place(), ".config/nushell/config.nu"),
        ("nushell", place("darwin"), "Library/Application Support/nushell/config.nu"),
        ("powershell", place(), ".config/powershell/profile.ps1"),
    ],
)
def test_every_shell_has_its_file(shell: ShellName, where: ShellEnvironment, file: str) -> None:
    assert startup_file(shell, where) == HOME / file


@pytest.mark.parametrize(
    ("program", "shell"),
    [
        ("-zsh", "zsh"),
        ("/usr/bin/fish", "fish"),
        ("pwsh.exe", "powershell"),
        ("nu", "nushell"),
        ("vim", None),
    ],
)
def test_a_shell_is_known_by_its_process(program: str, shell: str | None) -> None:
    assert shell_of_program(program) == shell
