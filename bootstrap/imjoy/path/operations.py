"""What ``imjoy path`` does: tell, apply, remove."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from imjoy.model.errors import ImJoyError
from imjoy.model.results import Result
from imjoy.path import registry
from imjoy.path.block import OrphanedMark, has_block, with_block, without_block
from imjoy.path.completion import COMPLETING, completion_file, completion_script, source_line
from imjoy.path.shells import (
    ShellEnvironment,
    ShellName,
    command_folders,
    lasting_lines,
    session_line,
    shell_of_program,
    startup_file,
)

REGISTRY = "HKEY_CURRENT_USER\\Environment, value Path"
RECORD_NAME = "path-edits"
"""In ``<prefix>/.imjoy``: the start-up files with a block of ours, a path a line; also read by ``install.sh``."""
MAX_ANCESTORS = 12
WITH_EITHER_LINE_END = frozenset({"nushell", "powershell", "cmd"})
"""Shells that read lines which end as Windows has it. To those of Unix the carriage return is part of a word."""
ANY_WRITE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

Change = Literal["none", "added", "updated", "removed"]


@dataclass(frozen=True)
class PathGuidance(Result):
    """How to put a prefix on PATH. ``file`` names the start-up file, or the registry's value."""

    shell: ShellName
    folders: tuple[Path, ...]
    on_path: bool
    applied: bool
    session: str
    lasting: tuple[str, ...]
    file: str


@dataclass(frozen=True)
class PathChanged(Result):
    """What was changed (or, with ``dry_run``, would be) in which file; ``backup`` is a copy of it from before."""

    shell: ShellName
    file: str
    change: Change
    dry_run: bool
    lines: tuple[str, ...] = ()
    session: str = ""
    backup: str = ""


def running_shell(shell_environment: ShellEnvironment) -> ShellName:
    """Return the shell that started us, else the one that SHELL names, else the usual one of the system."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process().parent()
        for _ in range(MAX_ANCESTORS):
            if process is None:
                break
            if (shell := shell_of_program(process.name())) is not None:
                return shell
            process = process.parent()
    named = shell_of_program(shell_environment.environ.get("SHELL", ""))
    return named or ("powershell" if shell_environment.system == "win32" else "bash")


def path_guidance(prefix: Path, shell: ShellName, shell_environment: ShellEnvironment) -> PathGuidance:
    """Return the lines for this session and permanently. Changes nothing."""
    folders = command_folders(prefix, shell_environment.system)
    file = startup_file(shell, shell_environment)
    separator = ";" if shell_environment.system == "win32" else ":"
    known = shell_environment.environ.get("PATH", "").split(separator)
    return PathGuidance(
        shell=shell,
        folders=folders,
        on_path=all(str(each) in known for each in folders),
        applied=_is_applied(file, folders),
        session=session_line(shell, folders, shell_environment.home),
        lasting=() if file is None else tuple(lasting_lines(shell, folders, shell_environment.home)),
        file=REGISTRY if file is None else str(file),
    )


def apply(
    prefix: Path, shell: ShellName, shell_environment: ShellEnvironment, *, dry_run: bool
) -> PathChanged:
    """Write the block, or the registry's entries, unless they are there; with the block comes completion.

    Symbolic links stay links and modes stay as they are; a file that was there is copied first. Raises
    :class:`ImJoyError` ``path.unwritable``, ``path.orphan`` or ``path.unsupported``.
    """
    folders = command_folders(prefix, shell_environment.system)
    completion = _completion(prefix, shell, shell_environment)
    lines = [
        *lasting_lines(shell, folders, shell_environment.home),
        *([source_line(shell, completion)] if completion else []),
    ]
    done = PathChanged(
        shell, REGISTRY, "none", dry_run, tuple(lines), session_line(shell, folders, shell_environment.home)
    )
    file = startup_file(shell, shell_environment)
    if file is None:
        if shell_environment.system != "win32":
            raise _unsupported(shell)
        names = [str(each) for each in folders]
        changed = _edit_registry(lambda value: registry.with_entries(value, names), dry_run=dry_run)
        return replace(done, change="added" if changed else "none")
    real = file.resolve()
    old = _read(real)
    made = 0 if old is not None else sum(1 for each in file.parents if not each.exists())
    try:
        new = with_block(old, lines, made_folders=made, unix=shell not in WITH_EITHER_LINE_END)
    except OrphanedMark as error:
        raise _orphan(file, error) from error
    if completion is not None and not dry_run:
        _write_completion(completion, folders[-1] / "imjoy")
    if new == old:
        return replace(done, file=str(file))
    backup = "" if old is None or dry_run else str(_back_up(real, old))
    if not dry_run:
        _write(real, new, lines)
        _record(prefix, real)
    change: Change = "updated" if old and has_block(old) else "added"
    return replace(done, file=str(file), change=change, backup=backup)


def remove(
    prefix: Path, shell: ShellName, shell_environment: ShellEnvironment, *, dry_run: bool
) -> PathChanged:
    """Take exactly that away again, the file and the folders too that were made for it.

    A copy from before stays when anything else was changed since the block was added. Raises :class:`ImJoyError`
    ``path.unwritable``, ``path.orphan`` or ``path.unsupported``.
    """
    file = startup_file(shell, shell_environment)
    if file is None:
        if shell_environment.system != "win32":
            raise _unsupported(shell)
        changed = remove_from_registry(prefix, dry_run=dry_run)
        return PathChanged(shell, REGISTRY, "removed" if changed else "none", dry_run)
    changed = remove_from_file(file.resolve(), dry_run=dry_run)
    if changed and not dry_run:
        _record(prefix, file.resolve(), gone=True)
        completion = _completion(prefix, shell, shell_environment)
        if completion is not None:
            completion.unlink(missing_ok=True)
    backup = backup_of(file.resolve())
    kept = str(backup) if changed and not dry_run and backup.exists() else ""
    return PathChanged(shell, str(file), "removed" if changed else "none", dry_run, backup=kept)


def remove_from_file(file: Path, *, dry_run: bool) -> bool:
    """Take the block out of ``file``; tell whether there was one.

    What was there is copied to ``backup_of(file)`` first, unless the result is what was there before the block. Raises
    :class:`ImJoyError` ``path.unwritable`` or ``path.orphan``.
    """
    content = _read(file)
    if content is None:
        return False
    try:
        rest = without_block(content)
    except OrphanedMark as error:
        raise _orphan(file, error) from error
    if rest.content == content:
        return False
    if dry_run:
        return True
    if rest.made_folders is None:
        backup = backup_of(file)
        as_before = _read(backup) == rest.content
        if not as_before:
            _back_up(file, content)
        _write(file, rest.content, ())
        if as_before:
            backup.unlink()
        return True
    file.unlink()
    with suppress(OSError):
        for folder in list(file.parents)[: rest.made_folders]:
            folder.rmdir()
    return True


def backup_of(file: Path) -> Path:
    """Return where the copy of a start-up file lies, from before the last change of it that is not taken back."""
    return file.with_name(f"{file.name}.imjoy-backup")


def remove_from_registry(prefix: Path, *, dry_run: bool) -> bool:
    """Take the prefix's entries out of the user's PATH; tell whether there were any."""
    names = [str(each) for each in command_folders(prefix, "win32")]
    return _edit_registry(lambda value: registry.without_entries(value, names), dry_run=dry_run)


def recorded_files(prefix: Path) -> tuple[Path, ...]:
    """Return the start-up files that ``--apply`` has edited for this prefix."""
    try:
        text = (prefix / ".imjoy" / RECORD_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(Path(line) for line in text.splitlines() if line)


def _completion(prefix: Path, shell: ShellName, shell_environment: ShellEnvironment) -> Path | None:
    """Return where the completion of a shell lies; None where a shell has none, or the prefix is no install's."""
    folder = prefix / ".imjoy"
    return completion_file(shell, folder) if folder.is_dir() and shell_environment.system != "win32" else None


def _write_completion(file: Path, program: Path) -> None:
    shell = next(each for each in COMPLETING if completion_file(each, file.parent) == file)
    text = completion_script(shell, str(program))
    try:
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ImJoyError(
            "path.unwritable", f"{file} cannot be written.", why=str(error), fix="imjoy path"
        ) from error


def _edit_registry(edit: Callable[[str], str], *, dry_run: bool) -> bool:
    value, kind = registry.read_user_path()
    changed = edit(value)
    if changed != value and not dry_run:
        registry.write_user_path(changed, kind)
    return changed != value


def _back_up(file: Path, content: bytes) -> Path:
    backup = backup_of(file)
    beside = backup.with_name(f"{backup.name}.{os.getpid()}.imjoy-new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as copy:
            copy.write(content)
        beside.chmod(stat.S_IMODE(file.stat().st_mode))
        beside.replace(backup)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ImJoyError(
            "path.unwritable",
            f"{file} was left as it is: no copy of it can be made first.",
            why=f"{backup}: {error.strerror}",
            fix="imjoy path",
        ) from error
    return backup


def _orphan(file: Path, error: OrphanedMark) -> ImJoyError:
    return ImJoyError(
        "path.orphan",
        f"{file}, line {error.line}: only half of imjoy's block is there, so imjoy cannot tell which lines are yours.",
        why=f"{error.text} is there without its matching line.",
        fix=f"Delete line {error.line} of {file}, and what belongs to it, then run this again.",
    )


def _is_applied(file: Path | None, folders: tuple[Path, ...]) -> bool:
    try:
        if file is None:
            return registry.has_entries(registry.read_user_path()[0], [str(each) for each in folders])
        return has_block(file.read_bytes())
    except OSError:
        return False


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ImJoyError(
            "path.unreadable", f"{file} cannot be read.", why=str(error), fix="imjoy path"
        ) from error


def _write(file: Path, content: bytes, lines: tuple[str, ...] | list[str]) -> None:
    beside = file.with_name(f"{file.name}.{os.getpid()}.imjoy-new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(file.stat().st_mode) if file.exists() else None
        # Whoever took all permission to write wants nobody to, not even root, who could.
        if mode is not None and not (mode & ANY_WRITE and os.access(file, os.W_OK)):
            raise PermissionError(f"{file} is write-protected")
        beside.write_bytes(content)
        if mode is not None:
            beside.chmod(mode)
        beside.replace(file)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise ImJoyError(
            "path.unwritable",
            f"{file} cannot be written, and was left as it is.",
            why=str(error),
            fix="\n".join(["put this into a start-up file of your shell:", *lines])
            if lines
            else "imjoy path",
        ) from error


def _record(prefix: Path, file: Path, *, gone: bool = False) -> None:
    folder = prefix / ".imjoy"
    if not folder.is_dir():
        return
    files = [each for each in recorded_files(prefix) if each != file]
    kept = files if gone else [*files, file]
    record = folder / RECORD_NAME
    if kept:
        record.write_text("".join(f"{each}\n" for each in kept), encoding="utf-8")
    else:
        record.unlink(missing_ok=True)


def _unsupported(shell: ShellName) -> ImJoyError:
    return ImJoyError(
        "path.unsupported",
        f"{shell} has no start-up file on this system.",
        fix="imjoy path --shell bash --apply",
    )
