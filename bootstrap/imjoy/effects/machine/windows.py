"""What Windows alone is asked: who runs, who has a file open, what a name is in full. Standard library only.

On another system there is nothing to ask, and every answer is empty. Sources: the pages of each function on
https://learn.microsoft.com/windows/win32/api/
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

LINK_TAGS = (0xA000000C, 0xA0000003)
"""IO_REPARSE_TAG_SYMLINK and IO_REPARSE_TAG_MOUNT_POINT, a junction. A file of OneDrive has another, and is no link."""
DEVICES = frozenset(
    {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
    | {f"{each}{n}" for each in ("COM", "LPT") for n in "123456789¹²³"}
)
"""https://learn.microsoft.com/windows/win32/fileio/naming-a-file"""
FORBIDDEN = frozenset('<>:"|?*') | frozenset(map(chr, range(32)))
LONG = "\\\\?\\"
LONG_SHARE = "\\\\?\\UNC\\"
QUERY_LIMITED_INFORMATION = 0x1000
SNAPSHOT_OF_PROCESSES = 2
LONGEST_NAME = 32768
MAX_MODULES = 4096
MAX_USERS = 16
SHARE_ALL = 7
"""FILE_SHARE_READ, FILE_SHARE_WRITE and FILE_SHARE_DELETE."""
INVALID_HANDLE = 2**64 - 1
REMOTE_DRIVE = 4
SUPPORTS_REPARSE_POINTS = 0x80


def names_a_file(part: str) -> bool:
    """Whether one part of a path can be the name of a file or folder, and of that one alone.

    Windows drops blanks and dots at the end, and takes what follows a colon for a stream of the file.
    """
    device = part.partition(".")[0].rstrip().upper() in DEVICES
    return not device and part == part.rstrip(" .") and not FORBIDDEN & set(part)


def long_name(path: str | os.PathLike[str]) -> str:
    """Return a full name in the form that may be longer than 260 characters and is taken as it is."""
    name = os.path.abspath(path)  # noqa: PTH100 - links are not followed
    if name.startswith((LONG, "\\\\.\\")):
        return name
    return LONG_SHARE + name[2:] if name.startswith("\\\\") else LONG + name


def short_name(name: str) -> str:
    """Return a name as a person writes it."""
    if name.startswith(LONG_SHARE):
        return "\\\\" + name[len(LONG_SHARE) :]
    return name[len(LONG) :] if name.startswith(LONG) else name


def normal_name(name: str) -> str:
    """Return a name in a form in which two that are the same file's are equal."""
    return os.path.normcase(short_name(name))


def loaded_files() -> frozenset[str]:
    """Return the files that this process, and the programs that started it, were loaded from, as normal names."""
    if sys.platform != "win32":
        return frozenset()
    names = set(_modules())
    programs = _programs()
    pid, seen = os.getpid(), set[int]()
    while pid in programs and pid not in seen:
        seen.add(pid)
        names.add(_program_of(pid))
        pid = programs[pid]
    return frozenset(normal_name(name) for name in names if name)


def users_of(names: Sequence[str]) -> list[str]:
    """Return who has one of these files open or runs from it, as ``EXCEL.EXE (process 4711)``, where anybody says."""
    if sys.platform != "win32":
        return []
    wanted = {normal_name(name) for name in names}
    found = {pid: Path(program).name for pid, program in _running(wanted).items()}
    found.update(_openers(names))
    found.pop(os.getpid(), None)
    return [f"{name} (process {pid})" for pid, name in sorted(found.items())]


def takes_junctions(folder: Path) -> bool:
    """Whether the disk of a folder can hold a junction: exFAT and FAT cannot, nor can a share of another machine.

    True on another system, and where Windows does not say.
    """
    if sys.platform != "win32":
        return True
    import ctypes

    kernel, root, flags = _kernel(), ctypes.create_unicode_buffer(LONGEST_NAME), ctypes.c_ulong()
    if not kernel.GetVolumePathNameW(str(folder), root, LONGEST_NAME):
        return True
    if kernel.GetDriveTypeW(root) == REMOTE_DRIVE:
        return False
    known = kernel.GetVolumeInformationW(root, None, 0, None, None, ctypes.byref(flags), None, 0)
    return not known or bool(flags.value & SUPPORTS_REPARSE_POINTS)


def takes_long_names() -> bool:
    """Whether files may have names of more than 259 characters, which a person has to allow Windows."""
    if sys.platform != "win32":
        return True
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False


def open_shared(file: Path) -> BinaryIO:
    """Open a file for reading so that others may rename and remove it meanwhile. Raises ``OSError``."""
    if sys.platform != "win32":
        return file.open("rb")
    import _winapi
    import msvcrt

    handle = _winapi.CreateFile(str(file), _winapi.GENERIC_READ, SHARE_ALL, 0, _winapi.OPEN_EXISTING, 0, 0)
    return os.fdopen(msvcrt.open_osfhandle(handle, os.O_RDONLY | os.O_BINARY), "rb")


def console_code_page() -> str:
    """Return the encoding in which ``cmd.exe`` reads a ``.bat``; UTF-8 on another system."""
    if sys.platform != "win32":
        return "utf-8"
    import ctypes

    page = ctypes.windll.kernel32.GetConsoleOutputCP() or ctypes.windll.kernel32.GetOEMCP()
    return f"cp{page}"


def _kernel() -> Any:
    import ctypes

    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        for name in ("OpenProcess", "CreateToolhelp32Snapshot", "GetCurrentProcess"):
            getattr(kernel, name).restype = ctypes.c_void_p
        return kernel
    raise OSError("this is not Windows")


def _modules() -> list[str]:
    import ctypes

    kernel = _kernel()
    handles = (ctypes.c_void_p * MAX_MODULES)()
    needed = ctypes.c_ulong()
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    if not kernel.K32EnumProcessModules(process, handles, ctypes.sizeof(handles), ctypes.byref(needed)):
        return []
    text = ctypes.create_unicode_buffer(LONGEST_NAME)
    names = []
    for handle in handles[: needed.value // ctypes.sizeof(ctypes.c_void_p)]:
        if kernel.GetModuleFileNameW(ctypes.c_void_p(handle), text, LONGEST_NAME):
            names.append(text.value)
    return names


def _programs() -> dict[int, int]:
    """Return the parent of every process."""
    import ctypes

    class Entry(ctypes.Structure):
        _fields_ = (
            ("size", ctypes.c_ulong),
            ("usage", ctypes.c_ulong),
            ("pid", ctypes.c_ulong),
            ("heap", ctypes.c_void_p),
            ("module", ctypes.c_ulong),
            ("threads", ctypes.c_ulong),
            ("parent", ctypes.c_ulong),
            ("priority", ctypes.c_long),
            ("flags", ctypes.c_ulong),
            ("name", ctypes.c_wchar * 260),
        )

    kernel = _kernel()
    snapshot = kernel.CreateToolhelp32Snapshot(SNAPSHOT_OF_PROCESSES, 0)
    parents: dict[int, int] = {}
    if snapshot in (None, INVALID_HANDLE):
        return parents
    handle, entry = ctypes.c_void_p(snapshot), Entry(size=ctypes.sizeof(Entry))
    more = kernel.Process32FirstW(handle, ctypes.byref(entry))
    while more:
        parents[entry.pid] = entry.parent
        more = kernel.Process32NextW(handle, ctypes.byref(entry))
    kernel.CloseHandle(handle)
    return parents


def _program_of(pid: int) -> str:
    """Return the program that a process runs; empty where nobody may look."""
    import ctypes

    kernel = _kernel()
    handle = kernel.OpenProcess(QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return ""
    process, text = ctypes.c_void_p(handle), ctypes.create_unicode_buffer(LONGEST_NAME)
    length = ctypes.c_ulong(LONGEST_NAME)
    known = kernel.QueryFullProcessImageNameW(process, 0, text, ctypes.byref(length))
    kernel.CloseHandle(process)
    return text.value if known else ""


def _running(wanted: set[str]) -> Mapping[int, str]:
    programs = {pid: _program_of(pid) for pid in _programs()}
    return {pid: program for pid, program in programs.items() if program and normal_name(program) in wanted}


def _openers(names: Sequence[str]) -> dict[int, str]:
    """Ask the Restart Manager, which installers ask, too."""
    import ctypes

    class User(ctypes.Structure):
        _fields_ = (
            ("pid", ctypes.c_ulong),
            ("started", ctypes.c_ulong * 2),
            ("name", ctypes.c_wchar * 256),
            ("service", ctypes.c_wchar * 64),
            ("kind", ctypes.c_ulong),
            ("status", ctypes.c_ulong),
            ("session", ctypes.c_ulong),
            ("restartable", ctypes.c_long),
        )

    try:
        manager: Any = getattr(ctypes, "WinDLL")("rstrtmgr")  # noqa: B009 - elsewhere there is none
    except OSError:
        return {}
    session, key = ctypes.c_ulong(), ctypes.create_unicode_buffer(33)
    if manager.RmStartSession(ctypes.byref(session), 0, key):
        return {}
    try:
        files = (ctypes.c_wchar_p * len(names))(*names)
        if manager.RmRegisterResources(session, len(names), files, 0, None, 0, None):
            return {}
        needed, count, reason = ctypes.c_uint(), ctypes.c_uint(MAX_USERS), ctypes.c_ulong()
        users = (User * MAX_USERS)()
        if manager.RmGetList(session, ctypes.byref(needed), ctypes.byref(count), users, ctypes.byref(reason)):
            return {}
        return {each.pid: each.name for each in users[: count.value]}
    finally:
        manager.RmEndSession(session)
