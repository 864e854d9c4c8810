"""A lock on a file, which goes with the process that holds it, however that ends.

The system's own, as filelock takes it too, whose import is a tenth of what it takes an engine to start.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path

ERROR_LOCK_VIOLATION = 33


class FileLock:
    """A lock that was taken. The file stays when it is released."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let somebody else have it. May be repeated."""
        if self._descriptor is not None:
            # A child that was forked a moment ago may still hold the file open, and with that the lock.
            _unlock(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None


def take_lock(file: Path) -> FileLock | None:
    """Lock ``file``, which is made when it is not there; None when it is locked, in this process or another one.

    Raises OSError where it cannot be written, is something else than a file, or where the disk keeps no locks.
    """
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "It is no file", str(file))
            if not _locked(descriptor):
                os.close(descriptor)
                return None
            if sys.platform == "win32" or os.fstat(descriptor).st_nlink:
                return FileLock(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # It was deleted in between: who comes after us would lock another one.


def _locked(descriptor: int) -> bool:
    """Lock an open file; tell whether that could be done."""
    if sys.platform == "win32":
        import ctypes
        import msvcrt

        # What msvcrt.locking asks too, which tells why by an errno that Wine's leaves as it was.
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
        if not kernel.LockFile(handle, 0, 0, 1, 0):
            if ctypes.get_last_error() != ERROR_LOCK_VIOLATION:
                raise ctypes.WinError(ctypes.get_last_error())
            return False
    else:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _unlock(descriptor: int) -> None:
    with suppress(OSError):
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_UN)
