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

from imjoy.effects.disk.files import is_left_by_tools, may_make_folders, owner_unlike_root
from imjoy.effects.machine.windows import takes_junctions
from imjoy.effects.processes.process import ask
from imjoy.effects.tools.pip_settings import with_pip_settings
from imjoy.provision.facts.installers import version_numbers
from imjoy.provision.records.conda_link import environment_of, is_left_over, is_link
from imjoy.provision.records.receipt import own_folder, read_receipt
from imjoy.provision.records.record import read_state

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

PrefixState = Literal["new", "unfinished", "interrupted", "installed", "foreign", "file", "unwritable"]


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
    """Where a prefix stands. ``nearest`` is the lowest folder of its path that is there.

    ``leads_to`` is what a link names that is not there; ``takes_links``, whether a link to an environment can be made.
    ``owner`` is the account whose install it is, where we are root and it is not root's.
    """

    path: Path
    state: PrefixState
    nearest: Path
    free_mib: int
    runs_programs: bool
    leads_to: str = ""
    takes_links: bool = True
    owner: str = ""


def look_at_machine() -> Machine:
    """Read the facts. Takes well under a second."""
    libc, libc_version = _libc()
    # An old Python says 10.16 of everything newer, so the system is asked.
    macos = (
        version_numbers(_says(["/usr/bin/sw_vers", "-productVersion"])) if sys.platform == "darwin" else ()
    )
    translated = ["/usr/sbin/sysctl", "-n", "sysctl.proc_translated"]
    rosetta = sys.platform == "darwin" and _says(translated) == "1"
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
    while not exists(nearest) and nearest != nearest.parent:
        nearest = nearest.parent
    free = 0
    with suppress(OSError):
        free = shutil.disk_usage(nearest).free // BYTES_PER_MIB
    try:
        state = state_of_prefix(prefix, nearest)
    except OSError:
        # The name of a device on Windows, C:\\aux, is there and yet no folder.
        state = "file"
    leads_to = str(prefix.readlink()) if is_link(prefix) and not exists(prefix) else ""
    return PrefixFound(
        prefix,
        state,
        nearest,
        free,
        _runs_programs(nearest),
        leads_to,
        takes_junctions(nearest),
        owner_unlike_root(prefix) if state in ("installed", "interrupted", "unfinished") else "",
    )


def exists(path: Path) -> bool:
    """Whether something is at a path; false, too, where nobody may look."""
    try:
        return path.exists()
    except OSError:
        return False


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
        "PYTHONINSPECT",
        "PYTHONEXECUTABLE",
        "VIRTUAL_ENV",
        "__PYVENV_LAUNCHER__",
    )
    kept = {name: value for name, value in environ.items() if name not in leaks}
    kept = with_pip_settings(kept)
    kept |= {"PYTHONNOUSERSITE": "1", "PIP_NO_INPUT": "1", "PIP_PROGRESS_BAR": "off"}
    kept |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "GIT_TERMINAL_PROMPT": "0"}
    if temporary is not None:
        kept |= {name: str(temporary) for name in ("TMPDIR", "TEMP", "TMP")}
    return kept


def state_of_prefix(prefix: Path, nearest: Path) -> PrefixState:
    """Return whose a prefix is; ``nearest`` is the lowest folder of its path that is there."""
    if not nearest.is_dir() or (is_link(prefix) and not prefix.exists() and not is_left_over(prefix)):
        return "file"
    if not may_make_folders(nearest):
        return "unwritable"
    if nearest != prefix:
        return "new"
    if (state := read_state(environment_of(prefix))) is not None:
        return state
    if read_receipt(prefix) is not None:
        return "installed"
    return "foreign" if foreign_names(prefix) else "new"


def foreign_names(prefix: Path) -> list[str]:
    """Return what stands in a folder besides our own, and besides what a Mac's Finder leaves anywhere."""
    own = own_folder(prefix)
    return sorted(each.name for each in prefix.iterdir() if each != own and not is_left_by_tools(each))


def _runs_programs(folder: Path) -> bool:
    if sys.platform == "win32":
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
    """Return how much there is, or 0 where nobody says."""
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemTotal:")) // 1024
    if sys.platform == "win32":
        import ctypes

        class Status(ctypes.Structure):
            _fields_ = (
                ("length", ctypes.c_ulong),
                ("load", ctypes.c_ulong),
                ("rest", ctypes.c_ulonglong * 7),
            )

        status = Status(length=ctypes.sizeof(Status))
        ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))
        return int(status.rest[0] // BYTES_PER_MIB)
    with suppress(OSError, ValueError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // BYTES_PER_MIB
    return 0


def _says(argv: list[str]) -> str:
    return ask(argv, timeout=ASK_SECONDS).stdout.strip()
