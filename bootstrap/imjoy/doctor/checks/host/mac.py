"""What a Mac does to imjoy: Rosetta under it, or missing; quarantine on its programs; few open files."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from imjoy.doctor.installed import reinstall_command
from imjoy.doctor.model import Check, Finding, Machine, fail, ok, warn
from imjoy.effects.processes.process import ask

ASK_SECONDS = 10.0
TRANSLATED = ("/usr/sbin/sysctl", "-n", "sysctl.proc_translated")
RUNS_INTEL = ("/usr/bin/arch", "-x86_64", "/usr/bin/true")
QUARANTINE = ("/usr/bin/xattr", "-p", "com.apple.quarantine")
INSTALL_ROSETTA = "softwareupdate --install-rosetta"
# The engine asks for as many as it may have; with fewer, some hundred connections are the end.
FEWEST_FILES = 1024


def look(machine: Machine) -> Finding:
    """Look at the marks on our programs, the limit of open files, and what Rosetta translates."""
    for program in _programs(machine.layout.prefix):
        if ask([*QUARANTINE, str(program)], timeout=ASK_SECONDS).ok:
            return fail(
                f"macOS keeps {program} in quarantine.",
                "It came through a browser or a mail program, and macOS asks about what it has not checked.",
                f"xattr -dr com.apple.quarantine '{machine.layout.prefix}'",
            )
    most = _most_files()
    if most is not None and most < FEWEST_FILES:
        return warn(
            f"Programs may have no more than {most} files and connections open.",
            "The engine has one for each client, plugin and message that waits.",
            "sudo launchctl limit maxfiles 65536 200000",
        )
    if ask(TRANSLATED, timeout=ASK_SECONDS).stdout.strip() == "1":
        return warn(
            "imjoy runs in a Python for Intel Macs, which Rosetta translates.",
            "It is slower, and so is what plugins compute that have no environment of their own.",
            reinstall_command(machine),
        )
    if platform.machine() == "arm64" and not ask(RUNS_INTEL, timeout=ASK_SECONDS).ok:
        return ok(f"Apple silicon, without Rosetta; plugins of before 2020 need it: {INSTALL_ROSETTA}")
    return ok(f"macOS on {platform.machine()}, nothing in quarantine")


def _programs(prefix: Path) -> list[Path]:
    """Return what is started of ours: the Python that runs, and that of the prefix."""
    return list(
        dict.fromkeys(
            path.resolve() for path in (Path(sys.executable), prefix / "bin" / "python") if path.exists()
        )
    )


def _most_files() -> int | None:
    """Return how many files a process may open when it asks for as many as it can have; None for no limit."""
    if sys.platform == "win32":
        return None
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


CHECK = Check(
    "host.mac",
    "what a Mac does to it",
    look,
    """\
Cause: a program that came through a browser is in quarantine; or imjoy's Python is one for Intel Macs on Apple
silicon, mostly that of an old conda or of a terminal that runs under Rosetta; or the limit of open files is low. It
also says where Rosetta is missing, which plugins of Python 3.6 and 3.7 need.

Cure: the line that is shown. It takes the mark off what imjoy's folder holds, installs again for this processor, or
raises the limit until the next start of the Mac (`ulimit -n` shows it). On other systems nobody looks at this.""",
)
