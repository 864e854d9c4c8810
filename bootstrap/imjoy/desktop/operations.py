"""What ``imjoy desktop`` does: entries are written, taken away, and known to the uninstall.

Standard library only, from 3.9 on: an uninstall comes here, too.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imjoy.context import Context
from imjoy.desktop.entries import (
    NAME,
    Desktop,
    Entry,
    login_entries,
    menu_entries,
    run_value,
    shortcut_file,
    shortcut_script,
    started_program,
    starts_from,
)
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.results import Result

RECORD_NAME = "desktop-entries"
"""In ``<prefix>/.imjoy``: the files and folders that were made, one a line, the folders behind what lies in them."""
RUN_KEY = "Software\\Microsoft\\Windows\\CurrentVersion\\Run"
TOOL_SECONDS = 30.0
ENTRY_FILES = ("imjoy.desktop", "imjoy", "starts.txt")
"""The files of a menu entry that say what it starts."""
COMPANION_FILES = ("imjoy.png", "imjoy.icns", "Info.plist", "imjoy.ico", "ImJoy.lnk")
"""Those that go and stay with them."""


@dataclass(frozen=True)
class DesktopState(Result):
    """Whether a menu entry is there, and whether the engine starts at login; ``files`` are what makes them."""

    menu: bool
    autostart: bool
    files: tuple[Path, ...]


@dataclass(frozen=True)
class DesktopChanged(Result):
    """The files that were written or taken away, or with ``dry_run`` would be."""

    what: str
    files: tuple[Path, ...]
    dry_run: bool


def find_desktop(layout: Layout, context: Context) -> Desktop:
    """Return this account's desktop, and what it has to start: the prefix's imjoy, else the one that runs."""
    return Desktop(
        home=context.home,
        environ=context.environ,
        system=sys.platform,
        program=_program(layout.prefix),
        options=_options(layout, context),
        icon=Path(__file__).with_name("imjoy.png").read_bytes(),
    )


def look(desktop: Desktop) -> DesktopState:
    """Return what is there. Changes nothing."""
    menu, login = _menu_paths(desktop), [each.path for each in login_entries(desktop)]
    at_login = bool(_read_run()) if desktop.system == "win32" else all(map(_is_there, login))
    return DesktopState(
        all(map(_is_there, menu)), at_login, tuple(each for each in [*menu, *login] if _is_there(each))
    )


def add_entry(desktop: Desktop, prefix: Path, *, dry_run: bool) -> DesktopChanged:
    """Put ImJoy into the menu, or write what is there anew. Raises :class:`ImJoyError` ``desktop.unwritable``."""
    if not dry_run:
        if desktop.system == "win32":
            _write_shortcut(desktop, prefix)
        else:
            _write(menu_entries(desktop), prefix)
    return DesktopChanged("menu added", tuple(_menu_paths(desktop)), dry_run)


def remove_entry(desktop: Desktop, prefix: Path, *, dry_run: bool) -> DesktopChanged:
    """Take ImJoy out of the menu. Raises :class:`ImJoyError` ``desktop.unwritable``."""
    there = [each for each in _menu_paths(desktop) if _is_there(each)]
    if not dry_run:
        _remove(there, prefix)
    return DesktopChanged("menu removed", tuple(there), dry_run)


def set_autostart(desktop: Desktop, prefix: Path, *, on: bool, dry_run: bool) -> DesktopChanged:
    """Have the engine start at login, or not. Raises :class:`ImJoyError` ``desktop.unwritable``."""
    entries = login_entries(desktop)
    files = [each.path for each in entries if on or _is_there(each.path)]
    if not dry_run:
        if desktop.system == "win32":
            _set_run(run_value(desktop) if on else None)
        elif on:
            _write(entries, prefix)
        else:
            _remove(files, prefix)
    return DesktopChanged("autostart on" if on else "autostart off", tuple(files), dry_run)


def recorded_files_of_desktop(prefix: Path) -> tuple[Path, ...]:
    """Return the files of the desktop that were made for a prefix, are there, and no other prefix's by now."""
    return tuple(each for each in _own(prefix) if each.is_symlink() or (each.exists() and not each.is_dir()))


def remove_recorded(prefix: Path) -> None:
    """Remove all that was made for a prefix, folders where they are empty. May be repeated. Raises ``OSError``.

    What another prefix's imjoy has written over since stays: the account has one entry for all.
    """
    for path in _own(prefix):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):
                path.rmdir()
        else:
            path.unlink(missing_ok=True)
    if sys.platform == "win32" and starts_from(_read_run(), prefix):
        _set_run(None)


def _recorded(prefix: Path) -> tuple[Path, ...]:
    """Return what was made for a prefix: the files, and the folders that were made for those behind them."""
    try:
        text = (prefix / ".imjoy" / RECORD_NAME).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ()
    return tuple(Path(line) for line in text.splitlines() if line)


def _own(prefix: Path) -> tuple[Path, ...]:
    """Return what was made for a prefix, without the entries that start another one now, and those entries' icons."""
    recorded = _recorded(prefix)
    # An imjoy that wrote no file beside the icon recorded none, and another one's may lie there by now.
    beside = [each.with_name("starts.txt") for each in recorded if each.name == "imjoy.ico"]
    others = {each for each in [*recorded, *beside] if _starts_another(each, prefix)}
    if any(each.name in ENTRY_FILES for each in others):
        others.update(each for each in recorded if each.name in COMPANION_FILES)
    return tuple(each for each in recorded if each not in others)


def _starts_another(path: Path, prefix: Path) -> bool:
    # Without a command of its own a prefix is started by a Python, which may be anywhere.
    try:
        program = Path(started_program(path.read_bytes()))
        started = program.parent if program.name == "pythonw.exe" else program.parent.parent
        if started.name == "Scripts":
            started = started.parent
        named = program.name == "pythonw.exe" or program.parts[-2:] == ("bin", "imjoy")
        return named and program.is_file() and started.resolve() != prefix.resolve()
    except OSError:
        return False


def _menu_paths(desktop: Desktop) -> list[Path]:
    shortcut = [shortcut_file(desktop)] if desktop.system == "win32" else []
    return [*(each.path for each in menu_entries(desktop)), *shortcut]


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _program(prefix: Path) -> tuple[str, ...]:
    if sys.platform == "win32":
        # The one without a console, whose window would come with it.
        for python in (prefix / "pythonw.exe", prefix / "Scripts" / "pythonw.exe", Path(sys.executable)):
            if python.is_file():
                return (str(python), "-m", "imjoy")
    command = prefix / "bin" / "imjoy"
    return (str(command),) if command.is_file() else (sys.executable, "-m", "imjoy")


def _options(layout: Layout, context: Context) -> tuple[str, ...]:
    usual = Context(context.home, {}).layout()
    options: list[str] = []
    for name in ("workspace", "prefix"):
        if getattr(layout, name) != getattr(usual, name):
            options += [f"--{name}", str(getattr(layout, name))]
    return tuple(options)


def _write(entries: Sequence[Entry], prefix: Path) -> None:
    made: list[Path] = []
    for each in entries:
        try:
            made += _make_folder(each.path.parent)
            if each.link_to is not None:
                if each.path.is_symlink():
                    each.path.unlink()
                each.path.symlink_to(each.link_to)
            else:
                each.path.write_bytes(each.content)
                if each.program:
                    each.path.chmod(0o755)
        except OSError as error:
            raise _unwritable(each.path, error) from error
    _record(prefix, [*(each.path for each in entries), *made])


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder and return what had to be made, the innermost first."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _remove(paths: Sequence[Path], prefix: Path) -> None:
    known = _recorded(prefix)
    folders = {each for path in paths for each in path.parents}
    try:
        for path in paths:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    for each in sorted((each for each in known if each in folders), key=lambda each: -len(each.parts)):
        with suppress(OSError):
            each.rmdir()
    _record(prefix, (), gone=[each for each in known if not _is_there(each)])


def _record(prefix: Path, paths: Sequence[Path], gone: Sequence[Path] = ()) -> None:
    folder = prefix / ".imjoy"
    if not folder.is_dir():
        return
    known = {*_recorded(prefix), *paths} - set(gone)
    record = folder / RECORD_NAME
    if known:
        ordered = sorted(known, key=lambda each: (-len(each.parts), str(each)))
        record.write_text("".join(f"{each}\n" for each in ordered), encoding="utf-8")
    else:
        record.unlink(missing_ok=True)


def _write_shortcut(desktop: Desktop, prefix: Path) -> None:
    from imjoy.effects.processes.process import ask

    icon, *_ = entries = menu_entries(desktop)
    _write(entries, prefix)
    file = shortcut_file(desktop)
    try:
        made = _make_folder(file.parent)
    except OSError as error:
        raise _unwritable(file, error) from error
    powershell = shutil.which("powershell") or "powershell"
    script = shortcut_script(desktop, icon.path)
    done = ask([powershell, "-NoProfile", "-NonInteractive", "-Command", script], timeout=TOOL_SECONDS)
    if not file.exists():
        raise _unwritable(file, OSError(done.stderr.strip() or "Windows wrote no shortcut"))
    _record(prefix, [file, *made])


def _unwritable(path: Path, error: OSError) -> ImJoyError:
    return ImJoyError(
        "desktop.unwritable",
        f"{path} cannot be written.",
        why=error.strerror or str(error),
        fix="imjoy desktop add --dry-run",
    )


if sys.platform == "win32":  # pragma: no cover
    import winreg

    def _read_run() -> str:
        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
            try:
                return str(winreg.QueryValueEx(key, NAME)[0])
            except FileNotFoundError:
                return ""

    def _set_run(value: str | None) -> None:
        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, RUN_KEY) as key:
            if value is not None:
                winreg.SetValueEx(key, NAME, 0, winreg.REG_SZ, value)
                return
            with suppress(FileNotFoundError):
                winreg.DeleteValue(key, NAME)

else:

    def _read_run() -> str:
        raise NotImplementedError("Windows alone has a registry")

    def _set_run(value: str | None) -> None:
        raise NotImplementedError("Windows alone has a registry")
