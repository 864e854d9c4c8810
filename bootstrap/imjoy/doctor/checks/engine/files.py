"""Our own files and folders in the workspace: of the right kind, ours, and closed to others."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from imjoy.doctor.model import Check, Finding, Fix, Machine, Repair, fail, ok, skip, warn
from imjoy.effects.disk.files import chown_command, other_owner, restrict_mode, set_aside
from imjoy.model.layout import Layout

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def look(machine: Machine) -> Finding:
    """Look at the kind, the owner and the mode of each; reads none of them."""
    layout = machine.layout
    if not os.path.lexists(layout.workspace):
        return skip("there is no workspace yet")
    if not layout.workspace.is_dir():
        return skip("the workspace is not a folder; see host.home")
    for path, is_folder in _ours(layout):
        if foreign := _foreign(path):
            return fail(
                "A file or folder that the engine has to write belongs to another user.",
                f"{foreign} Perhaps imjoy was once started with sudo.",
                chown_command(path),
            )
        if os.path.lexists(path) and (found := _wrong_kind(path, is_folder)):
            return fail(
                f"{path} is {found}.",
                "An engine needs a folder there." if is_folder else "An engine needs a file there.",
                "imjoy doctor --fix --only engine.files",
                Fix(f"rename {path}; the engine makes a new one", partial(_rename, path)),
            )
    mode = layout.workspace.stat().st_mode
    if os.name == "posix" and mode & WRITABLE_BY_OTHERS and not mode & stat.S_ISVTX:
        return warn(
            "Other users of this machine can write to the workspace.",
            f"{layout.workspace} has mode {stat.S_IMODE(mode):o}: they can replace your files.",
            f"chmod go-w '{layout.workspace}'",
            Fix(
                f"take away the write permission of other users for {layout.workspace}",
                lambda: _close(layout, mode),
            ),
        )
    return ok("the engine's files are of the right kind and belong to you")


def _ours(layout: Layout) -> Iterator[tuple[Path, bool]]:
    """Yield what an engine needs, folders before what is in them, and whether it is a folder."""
    yield layout.workspace, True
    yield layout.private, True
    yield layout.log_file.parent, True
    yield layout.certificate_file.parent, True
    yield layout.environments, True
    yield layout.webapp, True
    for file in (
        layout.log_file,
        layout.engine_lock_file,
        layout.welcome_file,
        layout.upgrade_check_file,
        layout.gallery_file,
        layout.certificate_file,
        layout.certificate_key_file,
    ):
        yield file, False


def _foreign(path: Path) -> str:
    usable = os.access(path, os.R_OK | os.W_OK)
    return "" if usable or not os.path.lexists(path) else other_owner(path)


def _wrong_kind(path: Path, is_folder: bool) -> str:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"a link that leads nowhere ({error.strerror})"
    if stat.S_ISDIR(mode):
        return "" if is_folder else "a folder"
    if stat.S_ISREG(mode):
        return "a file" if is_folder else ""
    return "a named pipe, a socket or a device"


def _rename(path: Path) -> Repair:
    aside = set_aside(path)
    return Repair(f"mv '{aside}' '{path}'")


def _close(layout: Layout, mode: int) -> Repair:
    wanted = stat.S_IMODE(mode) & ~WRITABLE_BY_OTHERS
    layout.workspace.chmod(wanted)
    restrict_mode(layout.private, 0o700)
    return Repair(f"chmod {stat.S_IMODE(mode):o} '{layout.workspace}'")


CHECK = Check(
    "engine.files",
    "the engine's files",
    look,
    """\
Cause: something in `<workspace>/.imjoy` is not what the engine needs: a folder or a pipe instead of a file, a link
that leads nowhere, or a file of another user (because imjoy was once started with sudo). Or other users can write to
the workspace.

Fix: `--fix` renames a file or folder of the wrong kind (to `NAME.broken-1`), and the next start makes a new one. It
also takes away the write permission of other users. For a file of another user, the check prints the `chown` line
that an administrator has to type.""",
)
