"""What is written down while an install, an upgrade or an uninstall is running, beside the folder that it changes.

It lies beside and not inside, so that an installer finds the empty folder that it asks for, and so that a folder which
we made is known as ours, whatever an installer put there before it was killed. Everything is keyed on the *target*: the
folder in which Python really lies, which is the prefix, or the environment that the prefix is a link to.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Literal

from imjoy.effects.disk.files import may_make_folders
from imjoy.effects.disk.lock import InstallLock, refuse_when_locked
from imjoy.effects.disk.removal import InUse, remove

SCHEMA = 1

State = Literal["unfinished", "interrupted"]
"""A first install that is not whole yet, or a change of one that was."""


@dataclass(frozen=True)
class Record:
    """An install in progress. ``made`` is the topmost folder that it made.

    ``link`` is what the target is to become a link to: a prefix has a record of its own then, until it is that link.
    ``existed`` is whether the target was there before, and empty; ``inode`` and ``birth`` tell the folder that we made
    from one that somebody made in its place since, and so does ``mark``, which stands in it: FAT and some shares number
    their files anew each time they are mounted. ``others`` are the names in a finished install that are not ours.
    """

    target: str
    state: State
    made: str = ""
    link: str = ""
    existed: bool = False
    inode: int = 0
    birth: float = 0.0
    mark: str = ""
    others: tuple[str, ...] = ()


def state_folder(target: Path) -> Path:
    """Return the folder of ours beside ``target``; inside it where nobody may write beside it. It need not be there."""
    beside = target.with_name(f".{target.name}.imjoy")
    inside = target / ".imjoy" / "state"
    if beside.is_dir() or not target.is_dir():
        return beside
    if inside.is_dir():
        return inside
    return beside if may_make_folders(target.parent) else inside


def install_lock(target: Path) -> InstallLock:
    """Return the lock that all who change ``target`` take."""
    return InstallLock(state_folder(target) / "lock", target)


def refuse_when_busy(target: Path) -> None:
    """Raise :class:`~imjoy.model.errors.ImJoyError` ``install.locked`` while somebody else changes ``target``."""
    refuse_when_locked(state_folder(target) / "lock", target)


def begin_record(
    target: Path,
    state: State,
    *,
    made: Path | None,
    link: Path | None = None,
    existed: bool = False,
    others: Iterable[str] = (),
) -> None:
    """Write down what is about to be done; what a killed run before it has made is kept. Raises ``OSError``."""
    before = read_record(target)
    kept = before.made if before is not None and before.made else str(made or "")
    mark = secrets.token_hex(8)
    written = Record(str(target), state, kept, str(link or ""), existed, mark=mark, others=tuple(others))
    if before is not None and target.is_dir():
        written = replace(written, inode=before.inode, birth=before.birth, others=before.others)
        written = replace(written, mark=before.mark or mark)
    _write(target, written)


def note_folder(target: Path) -> None:
    """Write down which folder it is, once it is there. Raises ``OSError``."""
    record = read_record(target)
    if record is not None:
        found = target.stat()
        _write(target, replace(record, inode=found.st_ino, birth=_birth(found)))


def mark_folder(target: Path) -> None:
    """Write into the folder itself that it is the one of the record. Raises ``OSError``."""
    record = read_record(target)
    if record is not None:
        file = _mark_in(target)
        file.parent.mkdir(mode=0o700, exist_ok=True)
        file.write_text(record.mark, encoding="ascii")


def read_pointer(prefix: Path) -> Path | None:
    """Return what a prefix was about to become a link to when a run was killed, or None."""
    record = read_record(prefix)
    return Path(record.link) if record is not None and record.link else None


def read_record(target: Path) -> Record | None:
    """Return what was written down, or None when there is nothing that can be read."""
    try:
        document = json.loads((state_folder(target) / "record.json").read_text(encoding="utf-8"))
        known = {each.name for each in fields(Record)}
        values = {name: value for name, value in document.items() if name in known}
        record = Record(**{**values, "others": tuple(map(str, values.get("others", ())))})
    except (OSError, ValueError, TypeError, AttributeError):
        return None
    return record if record.state in ("unfinished", "interrupted") else None


def read_state(target: Path) -> State | None:
    """Return the state of an install that was not finished, or None.

    A folder that somebody made where ours had been is none of ours. A record that a power cut emptied still says that
    an install was in progress: everything that is there is then ours.
    """
    record = read_record(target)
    if record is not None:
        return record.state if _is_ours(target, record) else _state_inside(target)
    if (state_folder(target) / "record.json").exists():
        return "interrupted" if (target / ".imjoy" / "receipt.json").exists() else "unfinished"
    return _state_inside(target)


def forget_record(target: Path, *, whole: bool = False) -> None:
    """Remove our folder beside ``target``, the lock in it excepted, and the mark that imjoy 0.12 left inside.

    What somebody has open, such as a scanner the log, stays for the next run beside an install that is ``whole``.
    Raises ``OSError``.
    """
    folder = state_folder(target)
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        # The record goes last: without it what is left would be nobody's.
        if path.name not in ("record.json", "lock") and not path.name.startswith("lock."):
            with suppress(*((InUse,) if whole else ())):
                remove(path)
    remove(target / ".imjoy" / "incomplete")
    remove(folder / "record.json")
    # Of a finished install: it is known by its receipt from here on.
    remove(_mark_in(target))


def sweep_state_folder(target: Path) -> None:
    """Remove our empty folder beside ``target``, once the lock in it was given back."""
    with suppress(OSError):
        state_folder(target).rmdir()


def _state_inside(target: Path) -> State | None:
    """Return what the mark of imjoy 0.12 says."""
    try:
        text = (target / ".imjoy" / "incomplete").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return "interrupted" if text.splitlines()[:1] == ["interrupted"] else "unfinished"


def read_made_folder(target: Path) -> Path | None:
    """Return the topmost folder that an install which was not finished has made, or None."""
    record = read_record(target)
    if record is not None:
        return Path(record.made) if record.made else None
    try:
        lines = (target / ".imjoy" / "incomplete").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return Path(lines[1]) if len(lines) > 1 and lines[1] else None


def _is_ours(target: Path, record: Record) -> bool:
    try:
        found = target.stat()
    except OSError:
        # Killed before it was made, or removed by hand since.
        return True
    if not record.inode:
        # Killed between making it and noting which one it is; nothing of an installer was there yet.
        return record.existed or record.state == "interrupted" or not any(target.iterdir())
    if found.st_ino == record.inode and _birth(found) == record.birth:
        return True
    try:
        mark = _mark_in(target).read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return mark != "" and mark == record.mark


def _mark_in(target: Path) -> Path:
    return target / ".imjoy" / "mark"


def _birth(found: os.stat_result) -> float:
    """Return when a folder was made, in seconds; 0 where the system does not tell."""
    return float(getattr(found, "st_birthtime", 0.0))


def _write(target: Path, record: Record) -> None:
    folder = state_folder(target)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = folder / "record.json.new"
    with beside.open("w", encoding="utf-8") as file:
        json.dump({"schema": SCHEMA, **asdict(record)}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / "record.json")
