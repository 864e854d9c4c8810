"""A Job object of Windows: everything that is started in it ends when its last handle closes, as ours does when we die.

https://learn.microsoft.com/windows/win32/procthread/job-objects
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

KILL_ON_JOB_CLOSE = 0x2000
CREATE_SUSPENDED = 0x4
"""It runs nothing, and so starts nothing, before it is in its job."""
EXTENDED_LIMIT_INFORMATION = 9
LIMIT_FLAGS_OFFSET = 16
"""JOBOBJECT_BASIC_LIMIT_INFORMATION: two times of eight bytes come before ``LimitFlags``."""
LIMIT_INFORMATION_BYTES = 144
"""sizeof(JOBOBJECT_EXTENDED_LIMIT_INFORMATION) on a 64-bit Windows."""


class Job:
    """A job with one command in it; on another system it starts the command and nothing more."""

    def __init__(self) -> None:
        self._handle: Any = None
        if sys.platform == "win32":
            import ctypes

            kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            kernel.CreateJobObjectW.restype = ctypes.c_void_p
            handle = kernel.CreateJobObjectW(None, None)
            if handle:
                limits = (ctypes.c_ubyte * LIMIT_INFORMATION_BYTES)()
                limits[LIMIT_FLAGS_OFFSET + 1] = KILL_ON_JOB_CLOSE >> 8
                kernel.SetInformationJobObject(
                    ctypes.c_void_p(handle),
                    EXTENDED_LIMIT_INFORMATION,
                    ctypes.byref(limits),
                    LIMIT_INFORMATION_BYTES,
                )
                self._handle = handle

    def start(self, command: Sequence[str] | str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command in the job; one that speaks to the person shares our console. Raises ``OSError``."""
        flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
        if options.get("stdout") is not None:
            flags |= getattr(subprocess, "CREATE_NO_WINDOW", 0)
        if self._handle is not None:
            flags |= CREATE_SUSPENDED
        process: subprocess.Popen[bytes] = subprocess.Popen(command, creationflags=flags, **options)
        if sys.platform == "win32" and self._handle is not None:
            import ctypes

            kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            started = ctypes.c_void_p(int(process._handle))  # type: ignore[attr-defined,unused-ignore]
            kernel.AssignProcessToJobObject(ctypes.c_void_p(self._handle), started)
            ctypes.WinDLL("ntdll").NtResumeProcess(started)
        return process

    def close(self) -> None:
        """End whatever still runs in it."""
        if sys.platform == "win32" and self._handle is not None:
            import ctypes

            kernel = ctypes.WinDLL("kernel32", use_last_error=True)
            kernel.TerminateJobObject(ctypes.c_void_p(self._handle), 1)
            kernel.CloseHandle(ctypes.c_void_p(self._handle))
        self._handle = None
