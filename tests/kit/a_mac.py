"""A Mac as far as Python can tell: its name, what its ``os`` lacks, what psutil may not see, its links, its ports.

``a_mac`` changes this process alone, and a test of something that differs there takes it, or ``here_and_on_a_mac`` to
run on both. What it starts runs on this system. The commands of a Mac are in ``tests/shell/macos``.
"""

from __future__ import annotations

import os
import platform
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

# As it is for python.org's and Homebrew's Python, and for venvs of them: Mac/Tools/pythonw.c of CPython starts this.
FRAMEWORK = "/Library/Frameworks/Python.framework/Versions/3.12/Resources/Python.app/Contents/MacOS/Python"
# "Availability" in the documentation of CPython 3.13 says of each that macOS does not have it.
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
        *("pidfd_open", "pipe2", "posix_fadvise", "posix_fallocate", "removexattr", "sched_getaffinity"),
        *("sched_setaffinity", "setxattr", "splice", "unshare"),
    ),
    select: ("epoll",),
    signal: ("pidfd_send_signal", "sigtimedwait", "sigwaitinfo"),
}
_TABLE = psutil.net_connections


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
    root = tmp_path_factory.mktemp("mac")
    (root / "private" / "tmp").mkdir(parents=True)
    (root / "tmp").symlink_to(root / "private" / "tmp")
    return root / "tmp"


@pytest.fixture(params=["here", "on a Mac"])
def here_and_on_a_mac(request: pytest.FixtureRequest) -> None:
    """Run a test as it is, and once more on a Mac."""
    if request.param == "on a Mac":
        request.getfixturevalue("a_mac")
