"""The project's repository."""

from __future__ import annotations

from imjoy import PROJECT_URL
from imjoy.doctor.model import Check, Finding, Kind, Machine
from imjoy.doctor.network import reach


def look(machine: Machine) -> Finding:
    """Ask the repository as git does at the start of a fetch."""
    url = f"{PROJECT_URL}/info/refs?service=git-upload-pack"
    return reach(url, machine, need="imjoy cannot be upgraded")


CHECK = Check(
    "net.git",
    "imjoy's own repository",
    look,
    """\
Cause: the git repository of imjoy cannot be reached.

Fix: as for `net.index`. imjoy works without it; only installing and upgrading need it.""",
    Kind.NETWORK,
)
