"""What a file takes of the disk, shared out among those that have it: a cache and environments share what is alike."""

from __future__ import annotations

import functools
import os
import struct
import sys
from pathlib import Path
from typing import Any

# bsd/sys/attr.h of xnu, at 1031c584a5e3: struct attrlist, the number of its groups, and of the group "fork" what says
# how many files have all their blocks in common, a file that has no clone being one. An older macOS does not know it.
ATTRLIST = struct.Struct("HHIIIII")
ATTR_BIT_MAP_COUNT = 5
ATTR_CMNEXT_CLONE_REFCNT = 0x1000
FSOPT_NOFOLLOW, FSOPT_ATTR_CMN_EXTENDED = 0x1, 0x20
# How long the answer is, and the number.
REPLY = struct.Struct("II")


def bytes_of(file: os.DirEntry[str]) -> int:
    """Return the bytes of a file by the number of its hard links and, on APFS, of its clones. Raises ``OSError``."""
    # What a listing of Windows says of a file leaves its links out.
    windows = sys.platform == "win32"
    status = Path(file.path).lstat() if windows else file.stat(follow_symlinks=False)
    return status.st_size // (max(status.st_nlink, 1) * clones(file.path))


def clones(path: str) -> int:
    """Return how many files of an APFS disk have this one's blocks, itself included; 1 where that cannot be known."""
    if sys.platform != "darwin":
        return 1
    import ctypes

    wanted = ATTRLIST.pack(ATTR_BIT_MAP_COUNT, 0, 0, 0, 0, 0, ATTR_CMNEXT_CLONE_REFCNT)
    reply = ctypes.create_string_buffer(REPLY.size)
    options = FSOPT_NOFOLLOW | FSOPT_ATTR_CMN_EXTENDED
    if getattrlist()(os.fsencode(path), wanted, reply, REPLY.size, options) != 0:
        return 1
    length, count = REPLY.unpack(reply.raw)
    return max(count, 1) if length == REPLY.size else 1


def prototype() -> Any:
    """Return what makes a function of C of what has the arguments of getattrlist(2)."""
    import ctypes

    pointers = (ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
    return ctypes.CFUNCTYPE(ctypes.c_int, *pointers, ctypes.c_size_t, ctypes.c_uint32)


@functools.cache
def getattrlist() -> Any:
    """Return the function of macOS."""
    import ctypes

    return prototype()(("getattrlist", ctypes.CDLL(None)))
