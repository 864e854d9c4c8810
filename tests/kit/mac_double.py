"""A Mac as far as Python can tell: its name, what its ``os`` lacks, what psutil may see, its links, ports and groups.

``a_mac`` changes this process alone, and a test of something that differs there takes it, or ``here_and_on_a_mac`` to
run on both. What it starts runs on this system. The commands of a Mac are in ``tests/shell/macos``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from imjoy_engine.environments import disk_use

# As it is for python.org's and Homebrew's Python, and for venvs of them: Mac/Tools/pythonw.c of CPython starts this.
FRAMEWORK = "/Library/Frameworks/Python.framework/Versions/3.12/Resources/Python.app/Contents/MacOS/Python"
# "Availability" in the documentation of CPython 3.13 says of each that macOS does not have it. `pidfd_open` stays: an
# earlier test may have had psutil or asyncio remember that it is there.
ABSENT = {
    os: (
        *(
            "copy_file_range",
            "eventfd",
            "fdatasync",
            "getresgid",
            "getresuid",
            "getxattr",
            "listxattr",
            "memfd_create",
        ),
        *("pipe2", "posix_fadvise", "posix_fallocate", "removexattr", "sched_getaffinity"),
        *("sched_setaffinity", "setxattr", "splice", "unshare"),
    ),
    select: ("epoll",),
    signal: ("pidfd_send_signal", "sigtimedwait", "sigwaitinfo"),
}
_TABLE = psutil.net_connections
_KILLPG = getattr(os, "killpg", None)


class DoubleOfXnu(socket.socket):
    """Binds as macOS does: with SO_REUSEADDR only somebody at exactly that address is in the way.

    After ``in_pcbbind`` in ``bsd/netinet/in_pcb.c`` of xnu-10063: a lookup with INPLOOKUP_WILDCARD is made only
    while neither SO_REUSEADDR nor SO_REUSEPORT is set. What macOS would let have the port gets another one.
    """

    def bind(self, address: Any, /) -> None:
        try:
            super().bind(address)
        except OSError:
            exact = any(each.laddr[:2] == address[:2] for each in _TABLE("tcp") if each.laddr)
            if not self.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) or exact:
                raise
            super().bind((address[0], 0, *address[2:]))


def killpg_of_xnu(group: int, number: int) -> None:
    """Signal a group as macOS does: zombies are passed over, and one in which nobody is left to signal is EPERM.

    After ``killpg1`` in ``bsd/kern/kern_sig.c`` of xnu-10063.
    """
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getpgid(process.pid) == (group or os.getpgrp()):
                members.append(process.status())
    if members and set(members) == {psutil.STATUS_ZOMBIE}:
        raise PermissionError(errno.EPERM, "Operation not permitted")
    assert _KILLPG is not None
    _KILLPG(group, number)


@pytest.fixture
def a_mac(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be on a Mac with Apple silicon; return a temporary folder as /tmp and /var are there: reached by a link."""
    if os.name != "posix":
        pytest.skip("a Mac has what POSIX has")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(platform, "mac_ver", lambda *_: ("14.5", ("", "", ""), "arm64"))
    for module, names in ABSENT.items():
        for name in names:
            monkeypatch.delattr(module, name, raising=False)

    # From 3.13 on it asks for the affinity that its module has.
    monkeypatch.setattr(os, "process_cpu_count", os.cpu_count, raising=False)

    def refuse(kind: str = "inet") -> None:
        raise psutil.AccessDenied

    # macOS shows the table to nobody but an administrator.
    monkeypatch.setattr(psutil, "net_connections", refuse)
    monkeypatch.setattr(socket, "socket", DoubleOfXnu)
    monkeypatch.setattr(os, "killpg", killpg_of_xnu)
    # -1, as of a disk that is no APFS.
    monkeypatch.setattr(disk_use, "getattrlist", lambda: lambda *asked: -1)
    root = tmp_path_factory.mktemp("mac")
    (root / "private" / "tmp").mkdir(parents=True)
    (root / "tmp").symlink_to(root / "private" / "tmp")
    return root / "tmp"


@pytest.fixture(params=["here", "on a Mac"])
def here_and_on_a_mac(request: pytest.FixtureRequest) -> None:
    """Run a test as it is, and once more on a Mac."""
    if request.param == "on a Mac":
        request.getfixturevalue("a_mac")


@pytest.fixture
def case_insensitive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder in which names are as good in another case, as on the disk of nearly every Mac.

    A file is one and the same by each of its spellings, and so are its locks. Unlike APFS, which keeps the case that a
    name was given, this lists all names in lower case.
    """
    missing = [name for name in ("mkntfs", "lowntfs-3g", "umount") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        pytest.skip(f"a file system without case needs {', '.join(missing) or 'root'}")
    folder = tmp_path_factory.mktemp("case")
    image, mounted = folder / "image", folder / "mounted"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)  # of which it takes two
    subprocess.run(["mkntfs", "--quick", "--force", "--quiet", image], check=True, capture_output=True)
    command: list[str | Path] = ["lowntfs-3g", "-o", "ignore_case,permissions", image, mounted]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a file system without case cannot be mounted here: {done.stderr.strip()}")
    try:
        yield mounted
    finally:
        # Lazily: what was killed may still be on its way out.
        subprocess.run(["umount", "--lazy", mounted], check=True, capture_output=True)
        # It would last as long as any other mount namespace that was made meanwhile.
        serving = [
            each for each in psutil.process_iter(["cmdline"]) if str(image) in (each.info["cmdline"] or ())
        ]
        for process in serving:
            process.kill()
        psutil.wait_procs(serving)
        image.unlink()
