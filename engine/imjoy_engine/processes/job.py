"""A Windows job object: what is in it, with all that it starts, ends with the job, however whoever holds it ends."""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes
from typing import Any

# winnt.h, processthreadsapi.h and jobapi2.h of the Windows SDK.
_KILL_ON_JOB_CLOSE = 0x2000
_EXTENDED_LIMIT_INFORMATION = 9
_SET_QUOTA_AND_TERMINATE = 0x0100 | 0x0001
_SUSPEND_RESUME = 0x0800
_EXIT_CODE = 1


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", wintypes.DWORD),
        ("MinimumWorkingSetSize", ctypes.c_size_t),
        ("MaximumWorkingSetSize", ctypes.c_size_t),
        ("ActiveProcessLimit", wintypes.DWORD),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", wintypes.DWORD),
        ("SchedulingClass", wintypes.DWORD),
    )


class _Limits(ctypes.Structure):
    _fields_ = (
        ("BasicLimitInformation", _BasicLimits),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("JobMemoryLimit", ctypes.c_size_t),
        ("PeakProcessMemoryUsed", ctypes.c_size_t),
        ("PeakJobMemoryUsed", ctypes.c_size_t),
    )


def _kernel32() -> Any:
    if sys.platform != "win32":
        raise OSError("job objects are Windows'")
    return ctypes.WinDLL("kernel32", use_last_error=True)


def _done(result: int | None) -> int:
    """Return what a function of Windows returned. Raises OSError when it says that it failed."""
    if sys.platform == "win32" and not result:
        raise ctypes.WinError(ctypes.get_last_error())
    return result or 0


class Job:
    """An empty job. Raises OSError where the system makes none."""

    def __init__(self) -> None:
        self._kernel = _kernel32()
        self._kernel.CreateJobObjectW.restype = wintypes.HANDLE
        self._kernel.GetCurrentProcess.restype = wintypes.HANDLE
        self._kernel.OpenProcess.restype = wintypes.HANDLE
        self._kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
        self._kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
        self._kernel.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
        self._kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        self._kernel.SetInformationJobObject.argtypes = (
            *(wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD),
        )
        self._job: int | None = _done(self._kernel.CreateJobObjectW(None, None))
        limits = _Limits()
        limits.BasicLimitInformation.LimitFlags = _KILL_ON_JOB_CLOSE
        _done(
            self._kernel.SetInformationJobObject(
                self._job, _EXTENDED_LIMIT_INFORMATION, ctypes.byref(limits), ctypes.sizeof(limits)
            )
        )

    def take_us(self) -> None:
        """Take in this process: what it starts from now on ends with it."""
        _done(self._kernel.AssignProcessToJobObject(self._job, self._kernel.GetCurrentProcess()))

    def take_and_resume(self, pid: int) -> None:
        """Take in a process that was made suspended, so that it has started nothing yet, and let it go on."""
        rights = _SET_QUOTA_AND_TERMINATE | _SUSPEND_RESUME
        process = _done(self._kernel.OpenProcess(rights, False, pid))
        try:
            _done(self._kernel.AssignProcessToJobObject(self._job, process))
        finally:
            # Of a process only its first thread's handle resumes it, and that one the library has closed.
            resume = ctypes.CDLL("ntdll").NtResumeProcess
            resume.argtypes = (wintypes.HANDLE,)
            resume(process)
            self._kernel.CloseHandle(process)

    def close(self) -> None:
        """Kill all that is in the job."""
        if self._job is not None:
            self._kernel.TerminateJobObject(self._job, _EXIT_CODE)
            self._kernel.CloseHandle(self._job)
            self._job = None
