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
MIN_FILES = 1024


def look(machine: Machine) -> Finding:
    """Look at the marks on our programs, the limit of open files, and what Rosetta translates."""
    for program in _programs(machine.layout.prefix):
        if ask([*QUARANTINE, str(program)], timeout=ASK_SECONDS).ok:
            return fail(
                f"macOS keeps {program} in quarantine.",
                "A browser or a mail program downloaded it, and macOS has not checked it.",
                f"xattr -dr com.apple.quarantine '{machine.layout.prefix}'",
            )
    maximum = _max_files()
    if maximum is not None and maximum < MIN_FILES:
        return warn(
            f"A program can have at most {maximum} files and connections open.",
            "The engine needs one for each client, each plugin and each waiting message.",
            "sudo launchctl limit maxfiles 65536 200000",
        )
    if ask(TRANSLATED, timeout=ASK_SECONDS).stdout.strip() == "1":
        return warn(
            "imjoy runs in a Python for Intel Macs, which Rosetta translates.",
            "It is slower, and so are plugins without an environment of their own.",
            reinstall_command(machine),
        )
    if platform.machine() == "arm64" and not ask(RUNS_INTEL, timeout=ASK_SECONDS).ok:
        return ok(f"Apple silicon, without Rosetta; plugins from before 2020 need it: {INSTALL_ROSETTA}")
    return ok(f"macOS on {platform.machine()}, nothing in quarantine")


def _programs(prefix: Path) -> list[Path]:
    """Return what is started of ours: the Python that runs, and that of the prefix."""
    return list(
        dict.fromkeys(
            path.resolve() for path in (Path(sys.executable), prefix / "bin" / "python") if path.exists()
        )
    )


def _max_files() -> int | None:
    """Return how many files a process may open when it asks for as many as it can have; None for no limit."""
    if sys.platform == "win32":
        return None
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


CHECK = Check(
    "host.mac",
    "macOS: quarantine, Rosetta, open files",
    look,
    """\
Cause: one of these. A program that a browser downloaded is in quarantine. imjoy runs in a Python for Intel Macs on
Apple silicon, usually that of an old conda or of a terminal that runs under Rosetta. The limit of open files is low.
The check also reports that Rosetta is missing, which plugins with Python 3.6 and 3.7 need.

Fix: type the line that is shown. It removes the quarantine mark from imjoy's folder, installs again for this
processor, or raises the limit until the Mac is restarted (`ulimit -n` shows the limit). This check runs only on a
Mac.""",
)
