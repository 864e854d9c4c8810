"""What pages showed, kept for their next reload: on disk, for the owner's eyes, unread, and bounded.

A page is what a browser calls a tab: it names itself by an id that it keeps over a reload. Every function may wait for
the disk.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imjoy.effects.disk.files import ensure_private_folder
from imjoy.model.errors import ImJoyError

MAX_ENTRY_BYTES = 64 << 20
MAX_PAGE_BYTES = 256 << 20
MAX_ENTRIES = 256
MAX_PAGES = 16
NAME = re.compile(r"[0-9a-z]{1,40}")
# Windows has names of its own, such as con and nul, which are no files.
_ENTRY_SUFFIX = ".entry"
_PAGE_PREFIX = "page-"


@dataclass(frozen=True)
class Entry:
    """One thing that a page showed; ``key`` is the page's name for it, ``size`` in bytes."""

    key: str
    size: int


class PageStates:
    """The pages under ``root``. Too much goes: of one its first keys, of all the one written to longest ago."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def entries(self, page: str) -> tuple[Entry, ...]:
        """Return what is kept of a page, in the order of its keys. Raises ``request.invalid``."""
        found = []
        for file in self._files(page):
            with contextlib.suppress(OSError):
                found.append(Entry(file.name.removesuffix(_ENTRY_SUFFIX), file.stat().st_size))
        return tuple(found)

    def read(self, page: str, key: str) -> bytes:
        """Return one entry. Raises ``request.not-found`` and ``request.invalid``."""
        try:
            return self._file(page, key).read_bytes()
        except OSError as error:
            raise ImJoyError("request.not-found", "Nothing of that name is kept of that page.") from error

    def keep(self, page: str, key: str, content: bytes) -> None:
        """Keep one entry, whole or not at all, in the place of one of that name.

        Raises ImJoyError ``request.too-large`` and ``request.invalid``, and OSError when the disk takes no more.
        """
        target = self._file(page, key)
        if len(content) > MAX_ENTRY_BYTES:
            raise ImJoyError(
                "request.too-large", f"Of one thing that a page shows {MAX_ENTRY_BYTES >> 20} MiB are kept."
            )
        ensure_private_folder(self._root)
        ensure_private_folder(target.parent)
        write_whole(target, content)
        self._drop_what_is_too_much(page)

    def forget(self, page: str) -> None:
        """Keep nothing of a page any more. Raises ``request.invalid``."""
        shutil.rmtree(self._folder(page), ignore_errors=True)

    def _drop_what_is_too_much(self, page: str) -> None:
        entries = self.entries(page)
        total = sum(entry.size for entry in entries)
        for number, entry in enumerate(entries):
            if len(entries) - number <= MAX_ENTRIES and total <= MAX_PAGE_BYTES:
                break
            self._file(page, entry.key).unlink(missing_ok=True)
            total -= entry.size
        folders = sorted(self._root.glob(f"{_PAGE_PREFIX}*"), key=_changed, reverse=True)
        for folder in folders[MAX_PAGES:]:
            shutil.rmtree(folder, ignore_errors=True)

    def _files(self, page: str) -> Iterator[Path]:
        yield from sorted(self._folder(page).glob(f"*{_ENTRY_SUFFIX}"))

    def _folder(self, page: str) -> Path:
        return self._root / f"{_PAGE_PREFIX}{_checked(page)}"

    def _file(self, page: str, key: str) -> Path:
        return self._folder(page) / f"{_checked(key)}{_ENTRY_SUFFIX}"


def write_whole(target: Path, content: bytes) -> None:
    """Replace a file, whole or not at all, whoever else replaces it meanwhile. Raises OSError."""
    partial = target.with_name(f".{secrets.token_hex(8)}")
    try:
        partial.write_bytes(content)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _checked(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ImJoyError("request.invalid", "The name of a page or of an entry is 1 to 40 of 0-9 and a-z.")
    return name


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
