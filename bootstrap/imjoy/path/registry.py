"""The user's PATH in the registry of Windows: its kind is kept, nothing in it is expanded, no ``setx`` cuts it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

SEPARATOR = ";"
HWND_BROADCAST = 0xFFFF
WM_SETTINGCHANGE = 0x001A
SMTO_ABORTIFHUNG = 0x0002
BROADCAST_MILLISECONDS = 5000


def with_entries(value: str, folders: Sequence[str]) -> str:
    """Return a PATH with ``folders`` first, everything else as it is."""
    return (
        SEPARATOR.join([*folders, value] if value else folders) if not has_entries(value, folders) else value
    )


def without_entries(value: str, folders: Sequence[str]) -> str:
    """Return a PATH without ``folders``, everything else as it is."""
    gone = {_key(each) for each in folders}
    return SEPARATOR.join(each for each in value.split(SEPARATOR) if not each or _key(each) not in gone)


def has_entries(value: str, folders: Sequence[str]) -> bool:
    """Whether every one of ``folders`` is on a PATH."""
    there = {_key(each) for each in value.split(SEPARATOR)}
    return all(_key(each) in there for each in folders)


def _key(entry: str) -> str:
    return entry.strip().strip('"').rstrip("\\").casefold()


if sys.platform == "win32":  # pragma: no cover
    import ctypes
    import winreg

    def read_user_path() -> tuple[str, int]:
        """Return the value, unexpanded, and its kind. Raises ``OSError``."""
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, "Environment") as key:
            try:
                value, kind = winreg.QueryValueEx(key, "Path")
            except FileNotFoundError:
                return "", winreg.REG_EXPAND_SZ
        return str(value), kind

    def write_user_path(value: str, kind: int) -> None:
        """Replace the value and tell the programs that run. Raises ``OSError``."""
        access = winreg.KEY_SET_VALUE
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, "Environment", 0, access) as key:
            if value:
                winreg.SetValueEx(key, "Path", 0, kind, value)
            else:
                winreg.DeleteValue(key, "Path")  # nobody had one before us
        ctypes.windll.user32.SendMessageTimeoutW(
            HWND_BROADCAST, WM_SETTINGCHANGE, 0, "Environment", SMTO_ABORTIFHUNG, BROADCAST_MILLISECONDS, None
        )

else:

    def read_user_path() -> tuple[str, int]:
        """There is no registry here."""
        raise OSError("this system has no registry")

    def write_user_path(value: str, kind: int) -> None:
        """There is no registry here."""
        raise OSError("this system has no registry")
