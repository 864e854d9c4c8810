"""What each shell wants to be told, and in which file it looks: pure but for asking which files exist."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal

from imjoy.model.errors import ImJoyError

ShellName = Literal["bash", "zsh", "fish", "tcsh", "nushell", "powershell", "cmd"]
SHELLS: tuple[ShellName, ...] = ("bash", "zsh", "fish", "tcsh", "nushell", "powershell", "cmd")
UNIX_SHELLS = frozenset[ShellName]({"bash", "zsh", "fish", "tcsh"})
PROGRAMS: dict[str, ShellName] = {
    "bash": "bash",
    "sh": "bash",
    "dash": "bash",
    "zsh": "zsh",
    "fish": "fish",
    "tcsh": "tcsh",
    "csh": "tcsh",
    "nu": "nushell",
    "pwsh": "powershell",
    "powershell": "powershell",
    "cmd": "cmd",
}
"""Names of processes, without ``.exe``, and the shell that they are."""
FORBIDDEN = frozenset(':"$`\\\n')
WINDOWS_FORBIDDEN = frozenset(';"%$`\n')
SEPARATORS = {True: "\\", False: "/"}


@dataclass(frozen=True)
class ShellEnvironment:
    """What decides where a shell looks. ``system`` is ``sys.platform``."""

    home: Path
    environ: Mapping[str, str]
    system: str
    exists: Callable[[Path], bool] = Path.exists


def command_folders(prefix: Path, system: str) -> tuple[Path, ...]:
    """Return the folders of a prefix that belong on PATH, the first one first."""
    return (prefix, prefix / "Scripts") if system == "win32" else (prefix / "bin",)


def session_line(shell: ShellName, folders: Sequence[Path], home: Path) -> str:
    """Return the line that puts ``folders`` on the PATH of the session that it is typed into.

    Raises :class:`ImJoyError` ``path.name`` when a name cannot be written in a PATH, or in a line of that shell.
    """
    for each in folders:
        _refuse_name(shell, str(each))
    names = [_name_in(shell, each, home) for each in folders]
    if shell == "fish":
        return f"set -gx PATH {' '.join(_double(each) for each in names)} $PATH"
    if shell == "tcsh":
        return f"set path = ({' '.join(_double(each) for each in names)} $path)"
    if shell == "nushell":
        return f"$env.PATH = ($env.PATH | prepend [{', '.join(_nushell_text(each) for each in folders)}])"
    if shell == "powershell":
        if _is_windows(folders[0]):
            return f'$env:Path = "{";".join([*names, "$env:Path"])}"'
        return f'$env:PATH = "{":".join([*names, "${env:PATH}"])}"'
    if shell == "cmd":
        return f'set "PATH={";".join([*map(str, folders), "%PATH%"])}"'
    return f'export PATH="{":".join([*names, "$PATH"])}"'


def lasting_lines(shell: ShellName, folders: Sequence[Path], home: Path) -> list[str]:
    """Return what a start-up file needs. A shell inside a shell does not get the folders twice."""
    line = session_line(shell, folders, home)
    if shell in ("bash", "zsh"):
        first = _name_in(shell, folders[0], home)
        return [f'case ":$PATH:" in *":{first}:"*) ;; *) {line} ;; esac']
    if shell == "fish":
        first = _double(_name_in(shell, folders[0], home))
        return [f"contains -- {first} $PATH; or {line}"]
    if shell == "tcsh":
        first = _name_in(shell, folders[0], home)
        return [f'if (":${{PATH}}:" !~ *":{first}:"*) {line}']
    if shell == "nushell":
        return [f"{line[:-1]} | uniq)"]
    return [line]


def startup_file(shell: ShellName, shell_environment: ShellEnvironment) -> Path | None:
    """Return the file that the shell reads in every session to come, or None where Windows' registry does that."""
    if shell_environment.system == "win32" or shell == "cmd":
        return None
    home, environ = shell_environment.home, shell_environment.environ
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    if shell == "zsh":
        return Path(environ.get("ZDOTDIR") or home) / ".zshrc"
    if shell == "fish":
        return config / "fish" / "config.fish"
    if shell == "tcsh":
        # tcsh reads .cshrc only when there is no .tcshrc, so making one would switch the other off.
        return _first_there(shell_environment, ".tcshrc", ".cshrc")
    if shell == "nushell":
        if shell_environment.system == "darwin" and not environ.get("XDG_CONFIG_HOME"):
            return home / "Library" / "Application Support" / "nushell" / "config.nu"
        return config / "nushell" / "config.nu"
    if shell == "powershell":
        return config / "powershell" / "profile.ps1"
    if shell_environment.system == "darwin":
        # A new terminal of macOS is a login shell, which reads the first of these only.
        return _first_there(shell_environment, ".bash_profile", ".bash_login", ".profile")
    return home / ".bashrc"


def shell_of_program(name: str) -> ShellName | None:
    """Return the shell that a process of this name is, or None."""
    return PROGRAMS.get(Path(name.lstrip("-")).name.lower().removesuffix(".exe"))


def _first_there(shell_environment: ShellEnvironment, *names: str) -> Path:
    for name in names:
        if shell_environment.exists(shell_environment.home / name):
            return shell_environment.home / name
    return shell_environment.home / names[0]


def _name_in(shell: ShellName, folder: Path, home: Path) -> str:
    if shell in UNIX_SHELLS and _is_windows(folder):
        # Git Bash and MSYS2: in their PATH a colon parts the folders. Their HOME need not be the home of Windows.
        drive, rest = PureWindowsPath(folder).drive, PureWindowsPath(folder).as_posix()
        return f"/{rest[0].lower()}{rest[2:]}" if drive.endswith(":") else rest
    return _from_home(folder, home)


def _from_home(folder: Path, home: Path) -> str:
    try:
        rest = folder.relative_to(home)
    except ValueError:
        return str(folder)
    return f"$HOME{SEPARATORS[_is_windows(folder)]}{rest}"


def _refuse_name(shell: ShellName, name: str) -> None:
    forbidden = WINDOWS_FORBIDDEN if _is_windows(Path(name)) or shell == "cmd" else FORBIDDEN
    if found := sorted(forbidden & set(name)):
        raise ImJoyError(
            "path.name",
            f"{name} holds a character that a PATH or a line of a shell cannot carry: {' '.join(found)}",
            fix="imjoy path --prefix DIR",
        )


def _nushell_text(folder: Path) -> str:
    return f'"{folder}"' if "'" in str(folder) else f"'{folder}'"


def _double(text: str) -> str:
    return f'"{text}"'


def _is_windows(folder: Path) -> bool:
    return "\\" in str(folder)
