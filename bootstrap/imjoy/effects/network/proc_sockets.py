"""Who listens on a TCP port, by Linux's own files: one look at the kernel's table, one at each process's descriptors.

psutil reads the table anew for every process and names one holder a socket; with two hundred processes that is seconds.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TABLES = ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6"))
LISTEN = "0A"
WORD_DIGITS = 8


def listening_sockets(port: int, proc: Path = Path("/proc")) -> dict[str, str] | None:
    """Return the inode and the address of each socket that listens on ``port``; None where there are no such files.

    They are those of our network namespace, of every user.
    """
    found: dict[str, str] = {}
    read = False
    for family, name in TABLES:
        try:
            rows = (proc / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        read = True
        for row in map(str.split, rows):
            address, _, number = row[1].partition(":")
            if row[3] == LISTEN and int(number, 16) == port:
                found[row[9]] = _readable(family, address)
    return found if read else None


def holders_of(sockets: dict[str, str], proc: Path = Path("/proc")) -> Iterator[tuple[int, str]]:
    """Yield pid and address of each process, of those that we may look into, that has one of ``sockets`` open."""
    wanted = {f"socket:[{inode}]": address for inode, address in sockets.items()}
    for folder in os.listdir(proc) if wanted else ():  # noqa: PTH208 - texts, for there are thousands
        if folder.isdigit():
            with suppress(OSError), os.scandir(f"{proc}/{folder}/fd") as descriptors:
                for descriptor in descriptors:
                    with suppress(OSError):
                        address = wanted.get(os.readlink(descriptor.path))  # noqa: PTH115
                        if address is not None:
                            yield int(folder), address


def _readable(family: socket.AddressFamily, address: str) -> str:
    """Return an address of the table, which is words in the machine's order of bytes, as people write it."""
    words = (int(address[at : at + WORD_DIGITS], 16) for at in range(0, len(address), WORD_DIGITS))
    return socket.inet_ntop(family, b"".join(word.to_bytes(4, sys.byteorder) for word in words))
