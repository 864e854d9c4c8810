"""The files that plugins and apps share: list, read, write and remove them, and sign urls for them.

Everything stays in the work folder of one app workspace, ``<workspace>/<name>``, symbolic links followed. A path is
relative to that folder, or an absolute one that lies in it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import json
import math
import os
import re
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal
from urllib.parse import quote, unquote

from imjoy.effects.disk.files import is_left_by_tools, make_folders, read_text, write_private
from imjoy.effects.machine.windows import names_a_file, short_name
from imjoy.model.errors import ImJoyError

MAX_URL_SECONDS = 24 * 3600
DEFAULT_URL_SECONDS = 3600
PRIVATE_NAME = ".imjoy"
PARTIAL_SUFFIX = ".imjoy-upload"
MAX_DECODINGS = 8
MAX_DEPTH = 100
UPLOADS_FOLDER = "uploads"

_WORKSPACE_NAME = re.compile(r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]{0,99}")
_FORBIDDEN = re.compile(r"[\\\x00-\x1f\x7f]")

ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

Method = Literal["GET", "PUT"]


@dataclass(frozen=True)
class Entry:
    """One line of a listing; ``size`` in bytes, ``modified`` in seconds since the epoch."""

    name: str
    path: str
    type: Literal["file", "folder"]
    size: int
    modified: float

    def as_json(self) -> dict[str, object]:
        """Return the entry as the wire has it."""
        return {
            "name": self.name,
            "path": self.path,
            "type": self.type,
            "size": self.size,
            "modified": self.modified,
        }


@dataclass(frozen=True)
class Grant:
    """What a signed url allows: one method on one path, until ``expires_at`` (seconds since the epoch)."""

    method: Method
    workspace: str
    path: str
    overwrite: bool
    expires_at: int


class WorkspaceFiles:
    """The files under ``workspace``. Urls are signed with a key that is made at each start, and with each token."""

    def __init__(self, workspace: Path, *, max_upload: int, clock: Callable[[], float] = time.time) -> None:
        self._workspace = workspace
        self._notes = workspace / PRIVATE_NAME / UPLOADS_FOLDER
        self._max_upload = max_upload
        self._clock = clock
        self._key = secrets.token_bytes(32)

    def forget_urls(self) -> None:
        """Make every url that was signed until now worthless."""
        self._key = secrets.token_bytes(32)

    def sweep(self) -> None:
        """Remove what uploads have left that were killed with their engine. To be called before there are new ones."""
        with contextlib.suppress(OSError):
            for note in self._notes.iterdir():
                with contextlib.suppress(OSError, ValueError):
                    partial = Path(read_text(note))
                    # Only what has our own name: who can write the note cannot have anything else removed.
                    if partial.name == f".{note.name}{PARTIAL_SUFFIX}":
                        partial.unlink(missing_ok=True)
                    note.unlink()

    def list(self, path: str, workspace: str) -> tuple[str, tuple[Entry, ...]]:
        """Return the folder's path as the wire spells it, and what is in it: folders first, by name.

        What leads out of the work folder, and what is neither file nor folder, is left out. A work folder that no
        plugin has made yet is empty.

        Raises:
            ImJoyError: ``files.outside``, ``files.not-found``, ``files.not-a-folder``.
        """
        root, folder = self._inside(path, workspace)
        shown = _relative(root, folder)
        if folder == root and _status(root) is None:
            return shown, ()
        try:
            children = sorted(folder.iterdir())
        except NotADirectoryError as error:
            raise ImJoyError("files.not-a-folder", f"{shown} is a file, not a folder.") from error
        except OSError as error:
            raise _not_found(shown, error.strerror or "") from error
        entries = [entry for child in children if (entry := _entry(root, child))]
        return shown, tuple(sorted(entries, key=lambda entry: (entry.type == "file", entry.name.casefold())))

    def file(self, path: str, workspace: str) -> Path:
        """Return where an existing regular file is. Raises ImJoyError ``files.outside``, ``files.not-found``."""
        root, target = self._inside(path, workspace)
        status = _status(target)
        if status is None:
            raise _not_found(_relative(root, target))
        if not stat.S_ISREG(status.st_mode):
            raise _not_found(_relative(root, target), "It is not a file.")
        return target

    def remove(self, path: str, workspace: str) -> None:
        """Remove one file, or the link to one. Raises ImJoyError as ``file`` does, and ``files.denied``."""
        root, _ = self._inside(path, workspace)
        self.file(path, workspace)
        try:
            (root / path).unlink()
        except OSError as error:
            raise _denied(path, error) from error

    def upload(self, path: str, workspace: str, *, overwrite: bool, size: int | None) -> Upload:
        """Begin to write a file of ``size`` bytes (None when that is not known); folders on the way are made.

        Raises:
            ImJoyError: ``files.outside``, ``files.exists``, ``files.not-a-file``, ``files.too-large``,
                ``files.denied``.
        """
        root, target = self._inside(path, workspace)
        shown = _relative(root, target)
        status = _status(target)
        if target == root or (status and stat.S_ISDIR(status.st_mode)):
            raise ImJoyError("files.not-a-file", f"{shown or 'The work folder'} is a folder, not a file.")
        if status and not overwrite:
            raise _exists(shown)
        if status and not stat.S_ISREG(status.st_mode):
            raise ImJoyError(
                "files.not-a-file", f"{shown!r:.200} is a pipe, a socket or a device, not a file."
            )
        if status and not (status.st_mode & ANY_WRITE and os.access(target, os.W_OK)):
            raise ImJoyError(
                "files.denied", f"{shown!r:.200} could not be changed.", why="It is write-protected."
            )
        if size is not None and size > self._max_upload:
            raise _too_large(shown, self._max_upload)
        mode = stat.S_IMODE(status.st_mode) if status else None
        return Upload(target, shown, self._notes, overwrite=overwrite, limit=self._max_upload, mode=mode)

    def sign(
        self, path: str, workspace: str, method: str, *, expires: float, overwrite: bool
    ) -> tuple[str, Grant]:
        """Return the last part of a url that allows ``method`` on ``path`` for ``expires`` seconds, and what it grants.

        It ends with the file's name, for those who look at a url's suffix. It is good for at most 24 hours, and not
        after the engine's end.

        Raises:
            ImJoyError: ``files.outside``, ``files.not-found`` (to read only), ``files.request``.
        """
        if method not in ("GET", "PUT"):
            raise ImJoyError("files.request", "A url can be signed for GET or for PUT.")
        # In this order: a whole number may be too long for a comparison with what is finite.
        if not (0 < expires <= MAX_URL_SECONDS):
            raise ImJoyError(
                "files.request", f"A url lasts more than 0 and at most {MAX_URL_SECONDS} seconds."
            )
        root, target = self._inside(path, workspace)
        if method == "GET":
            self.file(path, workspace)
        grant = Grant(
            "GET" if method == "GET" else "PUT",
            workspace,
            _relative(root, target),
            overwrite,
            math.ceil(self._clock() + expires),
        )
        fields = [grant.method, grant.workspace, grant.path, grant.overwrite, grant.expires_at]
        payload = _encode(json.dumps(fields).encode())
        return f"{payload}.{self._mac(payload)}.{quote(target.name, safe='')}", grant

    def verify(self, signed: str, method: str) -> Grant:
        """Return what a signed url grants. Raises ImJoyError ``files.signature``, ``files.expired``."""
        payload, _, rest = signed.partition(".")
        mac = rest.partition(".")[0]
        if not hmac.compare_digest(self._mac(payload).encode(), mac.encode("utf-8", "replace")):
            raise _bad_signature()
        try:
            fields = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (binascii.Error, ValueError) as error:
            raise _bad_signature() from error
        grant = Grant(*fields)
        if grant.method != method and not (grant.method == "GET" and method == "HEAD"):
            raise _bad_signature()
        if self._clock() > grant.expires_at:
            raise ImJoyError(
                "files.expired",
                "This file url has expired.",
                why=f"Such urls last a limited time, {MAX_URL_SECONDS // 3600} hours at most.",
                fix="Ask the engine for a new one.",
            )
        return grant

    def _mac(self, payload: str) -> str:
        return _encode(hmac.digest(self._key, payload.encode("utf-8", "replace"), hashlib.sha256))

    def _inside(self, path: str, workspace: str) -> tuple[Path, Path]:
        """Return the work folder and the path in it, both resolved; refuse what is, or might be read as, outside."""
        if not (_WORKSPACE_NAME.fullmatch(workspace) and _is_text(workspace)):
            raise _outside(workspace)
        if not _is_text(path):
            raise _outside(path)
        if path.count("/") > MAX_DEPTH:
            raise ImJoyError("files.request", f"A path leads through at most {MAX_DEPTH} folders.")
        if drive := self._workspace.drive:
            path = windows_path(path, drive)
        for spelling in _spellings(path):
            parts = [part.strip().lower() for part in spelling.split("/")]
            if _FORBIDDEN.search(spelling) or ".." in parts or PRIVATE_NAME in parts:
                raise _outside(path)
        try:
            # The folder's own name is not resolved: as a link, even to a neighbour, it would be another folder.
            root = self._workspace.resolve() / workspace
            target = (root / path).resolve()
            inside = target.is_relative_to(root) and not root.is_symlink()
            # A short name that Windows has given it, such as IMJOY~1, is not seen before.
            inside = inside and PRIVATE_NAME not in map(str.lower, target.relative_to(root).parts)
        except (OSError, RuntimeError, ValueError) as error:
            raise _outside(path) from error
        # HFS+ has signs that do not show count for nothing in a name (FastUnicodeCompare of Apple's hfs).
        if not inside or _is_same(root, self._workspace / PRIVATE_NAME):
            raise _outside(path)
        return root, target


class Upload:
    """A file on its way: written beside its place, and put there whole by ``finish``.

    To be used as a context manager; whatever ends the block before ``finish`` leaves nothing behind. Every method may
    wait for the disk.
    """

    def __init__(
        self, target: Path, shown: str, notes: Path, *, overwrite: bool, limit: int, mode: int | None
    ) -> None:
        self._target = target
        self.shown = shown
        self._overwrite = overwrite
        self._limit = limit
        self._mode = mode
        number = secrets.token_hex(8)
        self._partial = target.with_name(f".{number}{PARTIAL_SUFFIX}")
        self._note = notes / number
        self.size = 0
        try:
            make_folders(target.parent)
            # First the note: whenever we are killed, the next engine knows what to remove.
            write_private(self._note, str(self._partial))
            # What replaces a private file is private from its first byte on.
            self._file = open(  # noqa: SIM115 - closed by `finish` or `__exit__`
                self._partial,
                "xb",
                opener=lambda name, flags: os.open(name, flags, 0o666 if mode is None else 0o600),
            )
        except OSError as error:
            self._forget()
            raise _denied(shown, error) from error

    def _forget(self) -> None:
        for each in (self._partial, self._note):
            with contextlib.suppress(OSError):
                each.unlink()

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._forget()

    def write(self, data: bytes | bytearray) -> None:
        """Append ``data``. Raises ImJoyError ``files.too-large``, ``files.denied``."""
        self.size += len(data)
        if self.size > self._limit:
            raise _too_large(self.shown, self._limit)
        try:
            self._file.write(data)
        except OSError as error:
            raise _denied(self.shown, error) from error

    def finish(self) -> bool:
        """Put the file in its place; return whether it is a new one.

        Raises:
            ImJoyError: ``files.exists``, ``files.denied``.
        """
        try:
            self._file.close()
            if self._overwrite:
                if self._mode is not None:
                    with contextlib.suppress(OSError):  # a disk without modes
                        self._partial.chmod(self._mode)
                new = _status(self._target) is None
                self._partial.replace(self._target)
                return new
            try:
                # Unlike a rename, a link never replaces a file that came in the meantime.
                os.link(self._partial, self._target)
            except FileExistsError as error:
                raise _exists(self.shown) from error
            except OSError:
                if _status(self._target):
                    raise _exists(self.shown) from None
                self._partial.rename(self._target)
        except OSError as error:
            raise _denied(self.shown, error) from error
        return True


def _entry(root: Path, child: Path) -> Entry | None:
    name = child.name
    if (
        is_left_by_tools(child)
        or name.lower() == PRIVATE_NAME
        or name.endswith(PARTIAL_SUFFIX)
        or _FORBIDDEN.search(name)
    ):
        return None
    try:
        name.encode()
        status = child.stat()
        if child.is_symlink() and not child.resolve().is_relative_to(root):
            return None
    except (OSError, RuntimeError, UnicodeEncodeError):
        return None
    path = _relative(root, child)
    if stat.S_ISDIR(status.st_mode):
        return Entry(name, path, "folder", 0, status.st_mtime)
    if stat.S_ISREG(status.st_mode):
        return Entry(name, path, "file", status.st_size, status.st_mtime)
    return None


def windows_path(path: str, drive: str) -> str:
    """Return a path of Windows as all paths are written here, with slashes.

    Raises ImJoyError ``files.outside`` for what names no file of the disk ``drive``, or might name another than it
    seems to: another disk or a server, which is not even asked; a device; a stream of a file; a name that ends with a
    blank or a dot.
    """
    plain = short_name(path)
    found = PureWindowsPath(plain)
    whole = found.root and found.drive.lower() == drive.lower()
    elsewhere = (found.drive or plain != path) and not whole
    names = found.parts[1:] if found.anchor else found.parts
    if elsewhere or not all(each == ".." or names_a_file(each) for each in names):
        raise _outside(path)
    return found.as_posix() if names or found.anchor else ""


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def _is_same(one: Path, other: Path) -> bool:
    found = _status(one), _status(other)
    return found[0] is not None and found[1] is not None and os.path.samestat(found[0], found[1])


def _spellings(path: str) -> list[str]:
    """Return ``path`` as it is and as whoever decodes it once more would read it, until nothing is left to decode."""
    found = [path]
    while len(found) < MAX_DECODINGS and (decoded := unquote(found[-1])) != found[-1]:
        found.append(decoded)
    return found


def _relative(root: Path, target: Path) -> str:
    relative = PurePosixPath(target.relative_to(root).as_posix())
    return "" if relative == PurePosixPath() else str(relative)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _outside(path: str) -> ImJoyError:
    return ImJoyError(
        "files.outside",
        f"{path!r:.200} is not in the workspace's folder.",
        why="Files are reached by their path in the folder that this workspace's plugins work in, and nowhere else.",
        fix="Move or copy the file into that folder.",
    )


def _not_found(shown: str, why: str = "") -> ImJoyError:
    return ImJoyError("files.not-found", f"There is no file {shown or '.'!r:.200}.", why=why)


def _denied(shown: str, error: OSError) -> ImJoyError:
    return ImJoyError(
        "files.denied", f"{shown!r:.200} could not be changed.", why=error.strerror or str(error)
    )


def _exists(shown: str) -> ImJoyError:
    return ImJoyError(
        "files.exists",
        f"{shown!r:.200} is there already.",
        fix="Choose another name, or say that it may be overwritten.",
    )


def _too_large(shown: str, limit: int) -> ImJoyError:
    return ImJoyError(
        "files.too-large", f"{shown!r:.200} is larger than the {limit:,} bytes that are allowed."
    )


def _bad_signature() -> ImJoyError:
    return ImJoyError(
        "files.signature",
        "This file url is not good here.",
        why="It was changed, is for something else, or was signed before the engine was started.",
        fix="Ask the engine for a new one.",
    )
