"""The file system that a cluster's nodes share: whether it keeps two engines apart."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from imjoy.model.errors import ImJoyError

MOUNTS = Path("/proc/self/mounts")
# With these nfs(5) keeps locks on this machine alone, and says nothing.
LOCAL_LOCKS = frozenset({"nolock", "local_lock=all", "local_lock=flock"})


def check_locks(folder: Path) -> None:
    """Look whether a lock in ``folder`` keeps a second one away, on other machines too.

    Two engines on two login nodes may share one workspace. Raises ImJoyError ``cluster.locks``, and ``cluster.missing``
    on Windows, which shares no environments with the nodes.
    """
    if sys.platform == "win32":
        raise ImJoyError(
            "cluster.missing",
            "An engine on Windows runs no plugins on a cluster.",
            why="Nodes run Linux, and cannot start what is installed here.",
            fix="Start the engine on a login node, and open its page from here: docs/remote.md",
        )
    why = _local_lock(folder) or _trial(folder)
    if why:
        raise ImJoyError(
            "cluster.locks",
            f"The file system of {folder} keeps no locks.",
            why=f"Two engines that share it would damage each other's environments: {why}.",
            fix="Mount it with locks (NFS without nolock, Lustre with flock), or use a workspace that has them.",
        )


def _trial(folder: Path) -> str:
    if sys.platform == "win32":
        return ""
    import fcntl

    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".lock-trial-") as first:
            second = os.open(first.name, os.O_RDWR)
            try:
                fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return ""
            finally:
                os.close(second)
    except OSError as error:
        return str(error)
    return "a second lock on one file was granted while the first was held"


def _local_lock(folder: Path) -> str:
    """Return why locks stay on this machine, from the options of the mount that ``folder`` is on."""
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place = str(folder.resolve())
    found: tuple[int, str, str] = (-1, "", "")
    for words in (line.split() for line in mounts):
        point = words[1].replace("\\040", " ").rstrip("/") if len(words) > 3 else "?"
        if (place + "/").startswith(point + "/") and len(point) >= found[0]:
            found = (len(point), words[2], words[3])
    local = sorted(LOCAL_LOCKS & set(found[2].split(",")))
    return f"it is mounted with {local[0]}" if local and found[1].startswith("nfs") else ""
