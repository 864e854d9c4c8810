"""What there is before an install: facts about the machine and the prefix. Reads only."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imjoy.context import Context
from imjoy.effects.conda import Conda, find_conda
from imjoy.effects.process import CommandFailed
from imjoy.provision.installers import version_numbers
from imjoy.provision.linked import is_left_over, is_link
from imjoy.provision.receipt import own_folder, read_receipt, read_state

BYTES_PER_MIB = 1024**2
ASK_SECONDS = 10
ARCHITECTURES = {
    "x86_64": "64",
    "amd64": "64",
    "aarch64": "aarch64",
    "arm64": "arm64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "i386": "32",
    "i686": "32",
    "x86": "32",
}
SYSTEMS = {"linux": "linux", "darwin": "osx", "win32": "win"}

Standing = Literal["new", "unfinished", "interrupted", "installed", "foreign", "file", "unwritable"]


@dataclass(frozen=True)
class Machine:
    """Facts about a machine. ``platform`` is conda's name for it, empty when there is none."""

    platform: str
    libc: Literal["glibc", "musl", "other", ""]
    libc_version: tuple[int, ...]
    macos: tuple[int, ...]
    windows_build: int
    rosetta: bool
    wsl: bool
    root: bool
    memory_mib: int


@dataclass(frozen=True)
class PrefixFound:
    """Where a prefix stands. ``nearest`` is the lowest folder of its path that is there."""

    path: Path
    standing: Standing
    nearest: Path
    free_mib: int
    runs_programs: bool


def look_at_machine(context: Context) -> Machine:
    """Read the facts. Takes well under a second."""
    libc, libc_version = _libc()
    macos = version_numbers(platform.mac_ver()[0]) if sys.platform == "darwin" else ()
    rosetta = sys.platform == "darwin" and _says(context, ["sysctl", "-n", "sysctl.proc_translated"]) == "1"
    return Machine(
        platform=conda_platform(sys.platform, "arm64" if rosetta else platform.machine()),
        libc=libc,
        libc_version=libc_version,
        macos=macos,
        windows_build=_windows_build(),
        rosetta=rosetta,
        wsl=sys.platform.startswith("linux") and "microsoft" in platform.release().lower(),
        root=hasattr(os, "geteuid") and os.geteuid() == 0,
        memory_mib=_memory_mib(),
    )


def look_at_prefix(prefix: Path) -> PrefixFound:
    """Read where a prefix stands."""
    nearest = prefix
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    free = shutil.disk_usage(nearest).free // BYTES_PER_MIB if nearest.is_dir() else 0
    return PrefixFound(prefix, _standing(prefix, nearest), nearest, free, _runs_programs(nearest))


def look_for_conda(context: Context, prefix: Path) -> Conda | None:
    """Return a conda of this machine that works, the prefix's own not counted."""
    return find_conda(context.home, context.environ, except_in=prefix)


def conda_platform(system: str, architecture: str) -> str:
    """Return conda's name for a platform (``linux-64``), or an empty string."""
    name = SYSTEMS.get("linux" if system.startswith("linux") else system, "")
    part = ARCHITECTURES.get(architecture.lower(), "")
    return f"{name}-{part}" if name and part else ""


def isolated(environ: Mapping[str, str], temporary: Path | None = None) -> dict[str, str]:
    """Return an environment in which nothing of the person's own Python leaks into what is started."""
    leaks = (
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "PYTHONUSERBASE",
        "VIRTUAL_ENV",
        "__PYVENV_LAUNCHER__",
    )
    pip = ("TARGET", "PREFIX", "ROOT", "REQUIRE_VIRTUALENV", "NO_DEPS", "DRY_RUN", "QUIET")
    gone = {*leaks, *(f"PIP_{name}" for name in pip)}
    kept = {name: value for name, value in environ.items() if name not in gone}
    kept |= {"PYTHONNOUSERSITE": "1", "PIP_USER": "0", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off"}
    kept |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "GIT_TERMINAL_PROMPT": "0"}
    if temporary is not None:
        kept |= {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    return kept


def _standing(prefix: Path, nearest: Path) -> Standing:
    if not nearest.is_dir() or (is_link(prefix) and not prefix.exists() and not is_left_over(prefix)):
        return "file"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return "unwritable"
    if nearest != prefix:
        return "new"
    if (state := read_state(prefix)) is not None:
        return state
    if read_receipt(prefix) is not None:
        return "installed"
    others = [each for each in prefix.iterdir() if each != own_folder(prefix)]
    return "foreign" if others else "new"


def _runs_programs(folder: Path) -> bool:
    if not hasattr(os, "statvfs"):
        return True
    with suppress(OSError):
        return not os.statvfs(folder).f_flag & os.ST_NOEXEC if hasattr(os, "ST_NOEXEC") else True
    return True


def _libc() -> tuple[Literal["glibc", "musl", "other", ""], tuple[int, ...]]:
    if not sys.platform.startswith("linux"):
        return "", ()
    name, version = platform.libc_ver()
    if name == "glibc":
        return "glibc", version_numbers(version)
    return ("musl" if any(Path("/lib").glob("ld-musl-*")) else "other"), ()


def _windows_build() -> int:
    if sys.platform == "win32":
        return sys.getwindowsversion().build
    return 0


def _memory_mib() -> int:
    import psutil

    return int(psutil.virtual_memory().total // BYTES_PER_MIB)


def _says(context: Context, argv: list[str]) -> str:
    try:
        return context.run(argv, timeout=ASK_SECONDS).output.strip()
    except CommandFailed:
        return ""
