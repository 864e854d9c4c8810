"""What an upgrade is about to change, and the way back: one exchange of two folders, and single files.

Standard library only, nothing of ours. While a journal is there, a copy of this file is run by every Python of the
environment as it starts (``GUARD`` sees to it): it takes back an upgrade whose process has died, before anything is
imported that may be half new.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

GUARD = "imjoy-upgrade.pth"
"""Lies in the folder of packages while a journal is there; ``site`` runs the line in it."""
MARK = "imjoy-upgrade.new"
"""Lies in the newer folder of packages until the swap is final: by it one sees which of the two is in place."""
JOURNAL = "journal.json"
ASIDE = ".imjoy-aside"
LOADED = (".exe", ".dll", ".pyd")
PATIENCE_SECONDS = 10.0
"""How long a Python that starts waits for a live upgrade to finish its swap."""
POLL_SECONDS = 0.02
LINUX_EXCHANGE = 2
MACOS_SWAP = 2
AT_FDCWD = -100


class Journal:
    """The journal of one environment. ``home`` is the folder that belongs to its upgrades."""

    def __init__(self, home: Path) -> None:
        self.file = home / JOURNAL
        self.recovery = home / "recover.py"
        self._home = home
        self._live = home
        self._document: dict[str, object] = {}
        self._lock: int | None = None

    def begin(
        self,
        live: Path,
        waiting: Path,
        files: Sequence[tuple[Path, Path | None]],
        *,
        exchanged: bool,
        trees: Sequence[tuple[Path, Path]] = (),
        waited_for: bool = True,
    ) -> None:
        """Write down what will be swapped, and have every Python that starts look at it.

        ``live`` and ``waiting`` are the folders of packages, ``files`` the other paths and where their old content is
        saved (None: there was none), ``trees`` whole folders and where they are saved. Without ``waited_for`` Pythons
        that start do not wait. Keeps a lock until :meth:`close`. Raises ``OSError``; :meth:`abandon` is due then.
        """
        self._live = live
        self._document = {
            "live": str(live),
            "waiting": str(waiting),
            "exchanged": exchanged,
            "files": [(str(target), str(saved) if saved else None) for target, saved in files],
            "trees": [(str(tree), str(saved)) for tree, saved in trees],
            "swapping": waited_for,
        }
        self._lock = lock_journal(self._home)
        if self._lock is None:
            raise OSError(errno.EBUSY, "another upgrade is being taken back", str(self.file))
        # On the disk before the journal is: after a power cut an empty one of them would restore nothing.
        _write_through(self.recovery, Path(__file__).read_bytes())
        for folder in (live, waiting) if exchanged else (live,):
            _write_through(folder / GUARD, guard_line(self.recovery, self._home).encode("ascii"))
        if exchanged:
            (live / MARK).unlink(missing_ok=True)
            (waiting / MARK).touch()
        # Last, so that there is no journal that nobody looks at.
        self._write()

    def swapped(self) -> None:
        """Note that all is in place, so that a Python that starts no longer waits. Raises ``OSError``."""
        self._document["swapping"] = False
        self._write()

    def commit(self) -> None:
        """Make the swap final. Raises ``OSError`` when it is not."""
        self.file.unlink()
        with suppress(OSError):
            # Before what the journal goes by is removed: after a power cut it may not be there without its mark.
            _sync_folder(self._home)
        self._tidy()

    def abandon(self) -> None:
        """Take back whatever was done. Raises ``OSError``; then the journal stays, and who comes next goes on."""
        if self._lock is not None:
            if self.file.exists():
                undo(self._home)
            self._tidy()

    def close(self) -> None:
        """Let go of the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _write(self) -> None:
        _write_document(self.file, self._document)

    def _tidy(self) -> None:
        for path in (self._live / GUARD, self._live / MARK, self.recovery):
            with suppress(OSError):
                path.unlink()


def guard_line(recovery: Path, home: Path) -> str:
    """Return the line that ``site`` runs: look for the journal, and only then read what can take it back."""
    # In ASCII, as `site` before Python 3.13 reads it in the code page of Windows.
    names = f"{{'__name__': 'imjoy_recovery', 'HOME': {str(home)!a}}}"
    run = f"exec(compile(open(r, encoding='utf-8').read(), r, 'exec'), {names})"
    there = f"os.path.exists({str(home / JOURNAL)!a}) and os.path.exists(r)"
    return f"import os; r = {str(recovery)!a}; {there} and {run}\n"


def recover(home: Path) -> bool:
    """Take back an upgrade whose process has died, and tell whether there was one.

    Waits at most 10 s for a process that is just swapping, or taking back. May be repeated, and called by several at
    once. Raises ``OSError`` when it cannot be taken back; nothing gets worse by that.
    """
    journal = home / JOURNAL
    deadline = time.monotonic() + PATIENCE_SECONDS
    while journal.exists():
        lock = lock_journal(home)
        if lock is not None:
            try:
                # Whoever had the lock before may have done it.
                return journal.exists() and undo(home)
            finally:
                os.close(lock)
        if not _is_swapping(journal) or time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return False


def unreadable(home: Path) -> str:
    """Return why the journal that is there cannot be read; empty when it can, or when there is none."""
    try:
        _read(home / JOURNAL)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return ""


def is_dead(home: Path) -> bool:
    """Whether a journal is there whose process has died. Raises ``OSError`` when that cannot be found out."""
    if not (home / JOURNAL).exists():
        return False
    lock = lock_journal(home)
    if lock is None:
        return False
    os.close(lock)
    return (home / JOURNAL).exists()


def undo(home: Path) -> bool:
    """Take back what the journal says, whatever part of it was done. The caller has the lock. Raises ``OSError``."""
    journal = home / JOURNAL
    document = _read(journal)
    if not document["swapping"]:
        # A Python that starts now waits as it does during a swap; on a full disk it cannot be told.
        with suppress(OSError):
            _write_document(journal, {**document, "swapping": True})
    live, waiting = Path(document["live"]), Path(document["waiting"])
    if document["exchanged"] and (live / MARK).exists():
        exchange(live, waiting)
    for target, saved in reversed(document["files"]):
        # What a process was about to put there when it was killed.
        discard(_beside(Path(target)))
        if saved is None:
            discard(Path(target))
            # A folder that came with it; one that holds anything else stays.
            with suppress(OSError):
                os.removedirs(Path(target).parent)
        else:
            replace_file(Path(saved), Path(target))
    for tree, saved in document["trees"]:
        restore(Path(saved), Path(tree))
    journal.unlink()
    with suppress(OSError):
        (live / GUARD).unlink()
    return True


def restore(saved: Path, live: Path) -> None:
    """Make a file or folder what was saved: nothing less, nothing more. Raises ``OSError``."""
    if not saved.is_dir() or saved.is_symlink():
        if live.is_dir() and not live.is_symlink():
            shutil.rmtree(live)
        replace_file(saved, live)
        return
    if os.path.lexists(live) and (live.is_symlink() or not live.is_dir()):
        live.unlink()
    live.mkdir(exist_ok=True)
    for each in live.iterdir():
        if each.name == GUARD or os.path.lexists(saved / each.name):
            continue
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        elif not each.name.endswith(ASIDE):
            discard(each)
    for each in saved.iterdir():
        restore(each, live / each.name)


def replace_file(source: Path, target: Path) -> None:
    """Make ``target`` the same as ``source``, in one step; on one disk that needs no room. Raises ``OSError``."""
    if os.path.lexists(target) and os.path.samestat(target.lstat(), source.lstat()):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(target)
    beside.unlink(missing_ok=True)
    link_or_copy(source, beside)
    try:
        beside.replace(target)
    except PermissionError:
        if os.name != "nt":
            raise
        _set_aside(target)
        beside.replace(target)


def _beside(target: Path) -> Path:
    return target.with_name(f"{target.name}.imjoy-new")


def discard(path: Path) -> None:
    """Remove a file, if it is there; on Windows one that runs is moved out of the way. Raises ``OSError``."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if os.name != "nt":
            raise
        _set_aside(path)


def discard_below(root: Path, path: Path) -> None:
    """Remove a file, and the folders below ``root`` that become empty by that. Raises ``OSError``.

    An empty ``….dist-info`` would be taken for the distribution itself.
    """
    discard(path)
    _remove_empty(root, path)


def sweep(environment: Path) -> None:
    """Remove what was moved out of the way, and no longer runs."""
    for path in list(environment.rglob(f"*{ASIDE}")) if os.name == "nt" else ():
        with suppress(OSError):
            path.unlink()
            _remove_empty(environment, path)


def _remove_empty(root: Path, path: Path) -> None:
    for folder in path.parents:
        if folder == root:
            break
        try:
            folder.rmdir()
        except OSError:
            break


def _set_aside(path: Path) -> None:
    """Windows lets a program that runs, or a library that is loaded, be renamed: not replaced, and not removed."""
    path.replace(path.with_name(f"{path.name}.{os.getpid()}.{time.monotonic_ns()}{ASIDE}"))


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source``, else a copy of it. Symbolic links stay links. Raises ``OSError``."""
    if os.name == "nt" and source.suffix.lower() in LOADED:
        # While a program runs or a library is loaded, no name of its file can be removed.
        shutil.copy2(source, target, follow_symlinks=False)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)


def exchange(one: Path, other: Path) -> None:
    """Let two folders change places in one step. Raises ``OSError`` where the system or the disk cannot."""
    try:
        import ctypes
    except ImportError as error:
        raise OSError(errno.ENOSYS, "this Python has no ctypes") from error
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "Windows cannot exchange folders")
    library = ctypes.CDLL(None, use_errno=True)
    first, second = os.fsencode(one), os.fsencode(other)
    # renameat2(2) of Linux, renamex_np(2) of macOS.
    name = "renamex_np" if sys.platform == "darwin" else "renameat2"
    if not hasattr(library, name):
        raise OSError(errno.ENOSYS, f"this system has no {name}")
    if sys.platform == "darwin":
        code = library.renamex_np(first, second, MACOS_SWAP)
    else:
        code = library.renameat2(AT_FDCWD, first, AT_FDCWD, second, LINUX_EXCHANGE)
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))


def lock_journal(home: Path) -> int | None:
    """Return an open lock on the journal, which falls when this process ends; None when another process has it."""
    descriptor = os.open(home / "journal.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return None
        raise
    return descriptor


def _write_document(journal: Path, document: Mapping[str, object]) -> None:
    beside = journal.with_name(f"{JOURNAL}.new")
    _write_through(beside, json.dumps(document).encode())
    beside.replace(journal)
    _sync_folder(journal.parent)


def _write_through(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_swapping(journal: Path) -> bool:
    try:
        return bool(_read(journal)["swapping"])
    except FileNotFoundError:
        return False


def _read(journal: Path) -> Any:
    """Return the journal's document. Raises ``OSError``, also when it is none; never waits for a writer of a pipe."""
    descriptor = os.open(journal, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "the journal of an upgrade is no file", str(journal))
    with os.fdopen(descriptor, "rb") as file:
        content = file.read()
    try:
        document = json.loads(content.decode("utf-8"))
        _ = [(str(target), saved and str(saved)) for target, saved in document["files"]]
        _ = [(str(tree), str(saved)) for tree, saved in document["trees"]]
        whole = all(isinstance(document[name], str) for name in ("live", "waiting"))
        whole = whole and all(isinstance(document[name], bool) for name in ("exchanged", "swapping"))
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise OSError(
            errno.EINVAL, f"the journal of an upgrade cannot be read ({error})", str(journal)
        ) from error
    if not whole:
        raise OSError(errno.EINVAL, "the journal of an upgrade is not whole", str(journal))
    return document


if __name__ == "imjoy_recovery":
    with suppress(OSError):
        # HOME comes from the line in GUARD.
        recover(Path(HOME))  # type: ignore[name-defined]  # noqa: F821
