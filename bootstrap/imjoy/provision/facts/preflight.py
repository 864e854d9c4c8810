"""What stands in the way of an install, all of it at once: pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from imjoy.effects.machine import windows
from imjoy.provision.facts.installers import Distribution, PythonBuild
from imjoy.provision.facts.machine import Machine, PrefixFound, foreign_names

LONGEST_CONDA_PREFIX = 100
"""Linux reads 127 bytes of a script's first line, which holds the prefix and the interpreter's name."""
IMJOY_MIB = 300
"""imjoy with what it needs, and the room that pip wants meanwhile."""
VENV_MIB = 400
PYTHON_MIB = 200
"""A downloaded Python, unpacked, beside its archive."""
MAX_NAMES = 3
LITTLE_MEMORY_MIB = 2000
FORBIDDEN_ON_WINDOWS = windows.FORBIDDEN | set("%;$`")
FORBIDDEN_TO_CONSTRUCTOR = frozenset("^%!=,()")
"""What the installers of conda for Windows refuse (constructor's main.nsi.tmpl at f57a3e7b, 2026-08-07)."""
FORBIDDEN = frozenset(':"$`\\\n')


@dataclass(frozen=True)
class Finding:
    """Something in the way: ``what`` it is and what to do about it."""

    id: str
    what: str
    fix: str


def why_unsupported(distribution: Distribution, machine: Machine) -> str:
    """Return why a distribution cannot run on a machine, or an empty string."""
    if machine.platform not in distribution.installers:
        return f"{distribution.title} has no build for {machine.platform or 'this machine'}"
    if machine.platform.startswith("linux"):
        if machine.libc != "glibc":
            return f"{distribution.title} needs glibc, and this system has {machine.libc}"
        if machine.libc_version < distribution.glibc:
            return (
                f"{distribution.title} needs glibc {_dotted(distribution.glibc)}, and this is "
                f"{_dotted(machine.libc_version)}"
            )
    if machine.platform.startswith("osx") and machine.macos < distribution.macos:
        return f"{distribution.title} needs macOS {_dotted(distribution.macos)}, and this is {_dotted(machine.macos)}"
    if machine.platform.startswith("win") and machine.windows_build < distribution.windows_build:
        return f"{distribution.title} needs Windows build {distribution.windows_build}, and this is older"
    return ""


def why_build_unsupported(build: PythonBuild, machine: Machine) -> str:
    """Return why a Python that can be downloaded cannot run on a machine, or an empty string."""
    if machine.libc == "glibc" and machine.libc_version < build.glibc:
        needed, there = _dotted(build.glibc), _dotted(machine.libc_version)
        return f"the Python that could be downloaded needs glibc {needed}, and this is {there}"
    if machine.platform.startswith("osx") and machine.macos < build.macos:
        needed, there = _dotted(build.macos), _dotted(machine.macos)
        return f"the Python that could be downloaded needs macOS {needed}, and this is {there}"
    return ""


def find_in_prefix(found: PrefixFound, *, needed_mib: int, conda: bool, better: Path) -> Iterator[Finding]:
    """Yield what is wrong with a prefix; ``better`` is the one to offer, ``conda`` whether conda is to live there."""
    prefix = found.path
    offer = f"--prefix {better}" if better != prefix else "choose another folder: --prefix DIR"
    # A colon and backslashes are how Windows spells any folder.
    forbidden = FORBIDDEN - set(":\\") if prefix.drive else FORBIDDEN
    if forbidden & set(str(prefix)):
        yield Finding(
            "prefix.name", f"{prefix} holds a character that a PATH or a shell line cannot carry", offer
        )
    if prefix.drive and (reason := misnamed_for_windows(str(prefix))):
        yield Finding("prefix.name", reason, offer)
    elif found.state == "file":
        lack = "is not a folder" if found.nearest != found.nearest.parent else "is not there"
        what = f"{prefix} cannot be made: {found.nearest} {lack}"
        if found.leads_to:
            what = f"{prefix} is a link to {found.leads_to}, which is not there"
        yield Finding("prefix.not_a_folder", what, offer)
    if found.state == "unwritable":
        yield Finding(
            "prefix.unwritable", f"{prefix} cannot be made or changed: {found.nearest} is read-only", offer
        )
    if found.owner:
        what = f"{prefix} belongs to {found.owner}, who could no longer change what root writes there"
        yield Finding("prefix.unwritable", what, f"without sudo, as {found.owner}; or {offer}")
    if found.state == "foreign":
        names = foreign_names(prefix)
        listed = ", ".join(names[:MAX_NAMES]) + (", …" if len(names) > MAX_NAMES else "")
        what = f"{prefix} holds files that no install of imjoy put there ({listed})"
        yield Finding("prefix.foreign", what, offer)
    if not found.runs_programs:
        yield Finding("prefix.noexec", f"the disk of {found.nearest} forbids programs (noexec)", offer)
    if conda and (reason := why_conda_unsupported(prefix)):
        yield Finding("prefix.conda", reason, f"{offer}, or --distribution venv")
    if found.state == "new" and found.free_mib < needed_mib and found.nearest.is_dir():
        what = f"{found.nearest} has {found.free_mib} MiB free, and {needed_mib} MiB are needed"
        yield Finding("host.disk", what, "free some space, or choose another disk: --prefix DIR")


def misnamed_for_windows(path: str) -> str:
    """Return why Windows has no folder of this full name, or a command line cannot name it, or an empty string."""
    drive, rest = PureWindowsPath(path).drive, PureWindowsPath(path).parts[1:]
    if drive.startswith(("\\\\.\\", "\\\\?\\")):
        return f"{path} is the name of a device to Windows"
    for part in rest:
        if bad := sorted(FORBIDDEN_ON_WINDOWS & set(part)):
            return f"{path} has a character in its name that Windows, or a command line of it, cannot carry: {bad[0]}"
        if part != part.rstrip(" ."):
            return f"{path} has a name in it that ends with a blank or a dot, which Windows drops"
        if part.partition(".")[0].rstrip().upper() in windows.DEVICES:
            return f"{path} has the name of a device in it: {part}"
    return ""


def why_conda_unsupported(prefix: Path) -> str:
    """Return why conda cannot live in a folder of this name, or an empty string."""
    text = str(prefix)
    if " " in text:
        return f"conda cannot live in a folder with spaces in its name: {text}"
    if not text.isascii():
        return f"conda cannot live in a folder with letters beyond ASCII in its name: {text}"
    if prefix.drive and (bad := sorted(FORBIDDEN_TO_CONSTRUCTOR & set(text))):
        return f"conda's installer refuses a folder with {bad[0]} in its name: {text}"
    if len(text) > LONGEST_CONDA_PREFIX:
        return f"conda cannot live in a folder whose name is {len(text)} characters long"
    return ""


def notices(machine: Machine) -> Iterator[str]:
    """Yield what a person should know and need not act on."""
    if machine.rosetta:
        yield "this terminal runs under Rosetta; the build for Apple silicon is installed all the same"
    if machine.wsl:
        yield "this is WSL: programs on the Windows side do not see what is installed here"
    if machine.root:
        yield "you are root: what is installed belongs to root"
    if 0 < machine.memory_mib < LITTLE_MEMORY_MIB:
        yield f"this machine has {machine.memory_mib} MiB of memory; plugins may want more"


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers)) or "unknown"
