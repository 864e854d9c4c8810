"""The app's workspaces by name: the plugins and the layout of each, as documents that only the page reads.

Plugins of a workspace work in the folder of its name, in which nothing of this lies. Every function may wait for
the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from imjoy.effects.disk.files import ensure_private_folder
from imjoy.effects.machine.windows import names_a_file
from imjoy.model.errors import ImJoyError
from imjoy_engine.workspace.page_state import Entry, write_whole

MAX_DOCUMENT_BYTES = 64 << 20
MAX_DOCUMENTS = 512
MAX_WORKSPACES = 256
MAX_NAME_BYTES = 200
# Narrower than what a work folder may be called: every system has to be able to make it, and keep it apart from others.
NAME = re.compile(
    r"[^\s./\\:*?\"<>|\x00-\x1f\x7f]([^/\\:*?\"<>|\x00-\x1f\x7f]{0,98}[^\s./\\:*?\"<>|\x00-\x1f\x7f])?"
)
KEY = re.compile(r"[0-9a-z]{1,40}")
_SUFFIX = ".json"
_NAME_FILE = "name"


class NamedWorkspaces:
    """The workspaces under ``root``; the folders that their plugins work in lie in ``work``.

    Names that differ in upper and lower case only are one, as they are to the file systems of macOS and Windows.
    """

    def __init__(self, root: Path, work: Path) -> None:
        self._root = root
        self._work = work

    def names(self) -> tuple[str, ...]:
        """Return the names of all workspaces, sorted as people sort."""
        found = []
        for file in self._root.glob(f"[!.]*/{_NAME_FILE}"):
            with contextlib.suppress(OSError, ValueError):
                found.append(file.read_text("utf-8"))
        return tuple(sorted(found, key=lambda name: (name.casefold(), name)))

    def create(self, name: str) -> None:
        """Make a workspace. Raises ``workspace.exists``, ``workspace.too-many``, ``request.invalid``."""
        folder = self._fresh(name)
        if _is_workspace(folder):
            raise _exists(name)
        if len(self.names()) >= MAX_WORKSPACES:
            raise ImJoyError(
                "workspace.too-many", f"There are {MAX_WORKSPACES} workspaces already.", fix="Delete one."
            )
        ensure_private_folder(folder)
        write_whole(folder / _NAME_FILE, name.encode())

    def rename(self, name: str, new: str) -> None:
        """Give a workspace, and the folder that its plugins work in, another name.

        Raises ``workspace.unknown``, ``workspace.exists``, ``workspace.busy``, ``request.invalid``.
        """
        old_folder, new_folder = self._known(name), self._fresh(new)
        files, new_files = self._work / name, self._work / new
        is_same = new_folder == old_folder
        if not is_same and (_is_workspace(new_folder) or new_files.exists()):
            raise _exists(new)
        try:
            if not is_same and new_folder.exists():
                self._discard(new_folder)
            if files.is_dir():
                files.rename(new_files)
            old_folder.rename(new_folder)
        except OSError as error:
            raise _busy(name, "renamed", error) from error
        write_whole(new_folder / _NAME_FILE, new.encode())

    def delete(self, name: str) -> None:
        """Forget a workspace; the files that its plugins worked on stay.

        Raises ``workspace.unknown`` and ``workspace.busy``.
        """
        folder = self._known(name)
        try:
            self._discard(folder)
        except OSError as error:
            raise _busy(name, "deleted", error) from error

    def entries(self, name: str) -> tuple[Entry, ...]:
        """Return what is kept of a workspace, in the order of the keys. Raises ``workspace.unknown``."""
        return tuple(self._entries(self._known(name)))

    def read(self, name: str, key: str) -> bytes:
        """Return one document. Raises ``workspace.unknown`` and ``request.not-found``."""
        try:
            return self._document(name, key).read_bytes()
        except OSError as error:
            raise ImJoyError("request.not-found", "That workspace has no such document.") from error

    def keep(self, name: str, key: str, content: bytes) -> None:
        """Keep one document, whole or not at all, in the place of one of that key.

        Raises ``workspace.unknown``, ``request.too-large``, ``request.invalid``, and OSError when the disk takes
        no more.
        """
        target = self._document(name, key)
        if len(content) > MAX_DOCUMENT_BYTES:
            raise ImJoyError("request.too-large", f"A document has at most {MAX_DOCUMENT_BYTES >> 20} MiB.")
        if not target.exists() and len(self.entries(name)) >= MAX_DOCUMENTS:
            raise ImJoyError("request.too-large", f"A workspace has at most {MAX_DOCUMENTS} documents.")
        write_whole(target, content)

    def forget(self, name: str, key: str) -> None:
        """Remove one document, if it is there. Raises ``workspace.unknown`` and ``request.invalid``."""
        self._document(name, key).unlink(missing_ok=True)

    def _entries(self, folder: Path) -> Iterator[Entry]:
        for file in sorted(folder.glob(f"*{_SUFFIX}")):
            with contextlib.suppress(OSError):
                yield Entry(file.name.removesuffix(_SUFFIX), file.stat().st_size)

    def _document(self, name: str, key: str) -> Path:
        if not KEY.fullmatch(key):
            raise ImJoyError("request.invalid", "The key of a document is 1 to 40 of 0-9 and a-z.")
        return self._known(name) / f"{key}{_SUFFIX}"

    def _discard(self, folder: Path) -> None:
        # Whole or not at all: what is interrupted half-way is nobody's, and goes with the next.
        folder.rename(self._root / f".{secrets.token_hex(8)}")
        for gone in self._root.glob(".*"):
            shutil.rmtree(gone, ignore_errors=True)

    def _known(self, name: str) -> Path:
        folder = self._folder(name)
        if not _is_workspace(folder):
            raise ImJoyError("workspace.unknown", f"There is no workspace {name!r:.120}.")
        return folder

    def _fresh(self, name: str) -> Path:
        folder = self._folder(name)
        # Windows opens devices under some names.
        if not names_a_file(name):
            raise _no_name()
        return folder

    def _folder(self, name: str) -> Path:
        # What does not show could be taken for another name, by people and by some file systems.
        if not (NAME.fullmatch(name) and name.isprintable() and len(name.encode()) <= MAX_NAME_BYTES):
            raise _no_name()
        return self._root / hashlib.sha256(name.casefold().encode()).hexdigest()[:32]


def _is_workspace(folder: Path) -> bool:
    # A folder without is one that was not made to its end.
    return (folder / _NAME_FILE).is_file()


def _exists(name: str) -> ImJoyError:
    return ImJoyError(
        "workspace.exists",
        f"There is a workspace, or a folder, {name!r:.120} already.",
        fix="Take another name.",
    )


def _busy(name: str, what: str, error: OSError) -> ImJoyError:
    return ImJoyError(
        "workspace.busy",
        f"The workspace {name!r:.120} could not be {what}.",
        why=error.strerror or str(error),
        fix="Stop its plugins, close the programs that have its files open, and try again.",
    )


def _no_name() -> ImJoyError:
    return ImJoyError(
        "request.invalid",
        "That is not a valid name for a workspace.",
        why="Its files are in a folder of that name: some 100 characters that show, with neither a dot nor a "
        'space at its ends, without / \\ : * ? " < > |, and no name that Windows has for a device, as CON.',
    )
