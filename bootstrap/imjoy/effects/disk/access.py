"""Who may read or change a file on Windows, which keeps a list for each in place of a mode. Standard library only.

The person, the system and the administrators are no others: whom Windows lets in everywhere. On another system there is
nothing to ask. Sources: the pages of each function on https://learn.microsoft.com/windows/win32/api/ and
https://learn.microsoft.com/windows/win32/secauthz/access-mask-format
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

SYSTEM, ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
CREATOR_OWNER, OWNER_RIGHTS = "S-1-3-0", "S-1-3-4"
EVERYONE = "S-1-1-0"
NO_OTHERS = frozenset({SYSTEM, ADMINISTRATORS, CREATOR_OWNER, OWNER_RIGHTS})
HARMLESS = 0x20120000 | 0x80 | 0x20 | 0x8
"""Rights to look at attributes, to pass through and to wait; all others let somebody read or change what is there."""
FILE_OBJECT = 1
DACL = 0x4
TOKEN_QUERY = 0x8
TOKEN_USER = 1
ALLOWING = (0, 5, 9, 11)
"""Kinds of entries that give rights; the others take them."""
WITH_OBJECT = (5, 11)
LONGEST_ACCOUNT = 256


def accounts_with_access(path: Path) -> list[str]:
    """Return the accounts besides the person's own that may read or change a file or folder, or what is made in it.

    Raises ``OSError`` where nobody says. Empty on a system without such lists.
    """
    if sys.platform != "win32":
        return []
    known = NO_OTHERS | {_person()}
    return sorted({_account(sid) for sid in _entitled(path) if sid not in known})


def restrict_to_owner(path: Path) -> None:
    """Leave a file, or a folder with what will be made in it, to the person, the system and the administrators.

    What the folder above allows no longer counts. What is in a folder by now stays as it is. Raises ``OSError``, as
    on a disk that keeps no such lists.
    """
    if sys.platform != "win32":
        return
    _close(path)


def _close(path: Path) -> None:
    import ctypes

    inherited = "OICI" if path.is_dir() else ""
    entries = "".join(f"(A;{inherited};FA;;;{sid})" for sid in (_person(), SYSTEM, ADMINISTRATORS))
    library, descriptor = _library(), ctypes.c_void_p()
    if not library.ConvertStringSecurityDescriptorToSecurityDescriptorW(
        f"D:P{entries}", 1, ctypes.byref(descriptor), None
    ):
        raise _error()
    try:
        if not library.SetFileSecurityW(str(path), DACL, descriptor):
            raise _error()
    finally:
        _free(descriptor)


def _entitled(path: Path) -> Iterator[str]:
    """Yield the number of everybody whom an entry lets read or change."""
    import ctypes

    library, descriptor, dacl = _library(), ctypes.c_void_p(), ctypes.c_void_p()
    code = library.GetNamedSecurityInfoW(
        str(path), FILE_OBJECT, DACL, None, None, ctypes.byref(dacl), None, ctypes.byref(descriptor)
    )
    if code:
        raise _error(code)
    try:
        if not dacl:
            yield EVERYONE  # no list at all: a disk that keeps none
            return
        count = ctypes.c_uint16.from_address((dacl.value or 0) + 4).value
        for number in range(count):
            entry = ctypes.c_void_p()
            if not library.GetAce(dacl, number, ctypes.byref(entry)):
                continue
            start = entry.value or 0
            kind = ctypes.c_uint8.from_address(start).value
            rights = ctypes.c_uint32.from_address(start + 4).value
            if kind in WITH_OBJECT:
                yield EVERYONE  # of a directory of accounts, not of a disk
            elif kind in ALLOWING and rights & ~HARMLESS:
                yield _number(start + 8)
    finally:
        _free(descriptor)


def _library() -> Any:
    return _load("advapi32")


def _load(name: str) -> Any:
    import ctypes

    if sys.platform == "win32":
        return ctypes.WinDLL(name, use_last_error=True)
    raise OSError("this is not Windows")


def _free(memory: Any) -> None:
    _load("kernel32").LocalFree(memory)


def _error(code: int = 0) -> OSError:
    import ctypes

    if sys.platform == "win32":
        return ctypes.WinError(code or ctypes.get_last_error())
    return OSError("this is not Windows")


@cache
def _person() -> str:
    """Return the number of the account that runs us."""
    import ctypes

    library, kernel, token = _library(), _load("kernel32"), ctypes.c_void_p()
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    if not library.OpenProcessToken(process, TOKEN_QUERY, ctypes.byref(token)):
        raise _error()
    try:
        needed = ctypes.c_uint32()
        library.GetTokenInformation(token, TOKEN_USER, None, 0, ctypes.byref(needed))
        answer = ctypes.create_string_buffer(needed.value)
        if not library.GetTokenInformation(token, TOKEN_USER, answer, needed, ctypes.byref(needed)):
            raise _error()
        # Of TOKEN_USER the first field is the address of the number.
        return _number(ctypes.c_void_p.from_buffer(answer).value or 0)
    finally:
        kernel.CloseHandle(token)


def _number(address: int) -> str:
    """Return how a number of an account (SID) is written."""
    import ctypes

    text = ctypes.c_wchar_p()
    if not _library().ConvertSidToStringSidW(ctypes.c_void_p(address), ctypes.byref(text)):
        raise _error()
    number = text.value or ""
    _free(ctypes.cast(text, ctypes.c_void_p))
    return number


def _account(number: str) -> str:
    """Return the name of an account, or its number where it has none."""
    import ctypes

    library, sid = _library(), ctypes.c_void_p()
    if not library.ConvertStringSidToSidW(number, ctypes.byref(sid)):
        return number
    try:
        name = ctypes.create_unicode_buffer(LONGEST_ACCOUNT)
        domain = ctypes.create_unicode_buffer(LONGEST_ACCOUNT)
        sizes = [ctypes.c_uint32(LONGEST_ACCOUNT) for _ in range(2)]
        kind = ctypes.c_int()
        found = library.LookupAccountSidW(
            None, sid, name, ctypes.byref(sizes[0]), domain, ctypes.byref(sizes[1]), ctypes.byref(kind)
        )
        return name.value if found else number
    finally:
        _free(sid)
