"""Takes away what an install made, and nothing else."""

from __future__ import annotations

import shutil
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from imjoy.effects.lock import InstallLock
from imjoy.engines import find_engine, stop_engine
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.results import Result
from imjoy.path.operations import recorded_files, remove_from_file, remove_from_registry
from imjoy.provision.linked import environment_of, forget, is_left_over, is_link, remove_link
from imjoy.provision.receipt import CONDA_PARTS, lock_folder, own_folder, read_receipt, read_state


@dataclass(frozen=True)
class Uninstall(Result):
    """What is removed: ``parts`` of the prefix, blocks in ``edited`` files, the workspace if it was asked for.

    ``left`` is what stays in the prefix because no install put it there; with ``left_over`` the prefix is a link to an
    environment of conda that is gone. ``done`` is false for a dry run.
    """

    prefix: Path
    parts: tuple[Path, ...]
    edited: tuple[Path, ...]
    workspace: Path | None
    engine: str | None
    left: tuple[Path, ...]
    left_over: bool = False
    done: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (self.parts or self.edited or self.workspace or self.left_over)


def plan_uninstall(layout: Layout, *, with_workspace: bool, home: Path) -> Uninstall:
    """Look what there is to remove. Changes nothing.

    Raises :class:`ImJoyError` ``uninstall.foreign`` for a prefix that no install of ours made, and
    ``uninstall.workspace`` for a workspace that is not safe to remove.
    """
    prefix = layout.prefix
    workspace = _removable(layout.workspace, home) if with_workspace else None
    engine = find_engine(layout)
    nothing = Uninstall(
        prefix, (), (), workspace, engine.state.url if engine.alive and engine.state else None, ()
    )
    if is_left_over(prefix):
        return replace(nothing, left_over=True)
    if not prefix.is_dir() or not any(prefix.iterdir()):
        return nothing
    receipt = read_receipt(prefix)
    if (
        receipt is None
        and read_state(prefix) is None
        and {each.name for each in prefix.iterdir()} != {".imjoy"}
    ):
        raise ImJoyError(
            "uninstall.foreign",
            f"{prefix} was not made by an install of imjoy, so nothing was removed.",
            why="It has neither a receipt nor the mark of an unfinished install.",
            fix="imjoy uninstall --prefix DIR",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    # A receipt that somebody changed must not lead out of the prefix.
    names = {each for each in (receipt.parts if receipt else CONDA_PARTS) if each == Path(each).name} | {
        ".imjoy"
    }
    there = sorted(prefix.iterdir())
    return replace(
        nothing,
        parts=tuple(each for each in there if each.name in names),
        edited=tuple(each for each in recorded_files(prefix) if each.exists()),
        left=tuple(each for each in there if each.name not in names),
    )


def uninstall(plan: Uninstall, layout: Layout, *, home: Path) -> Uninstall:
    """Do what the plan says: stop the engine, take back the edits, remove the parts, and a prefix that is a link.

    May be repeated after an interruption: the receipt goes last. Raises :class:`ImJoyError` ``install.locked``,
    ``uninstall.own-python``, ``uninstall.failed``, and what stopping the engine and editing files raises.
    """
    prefix = plan.prefix
    if sys.platform == "win32" and Path(sys.prefix).resolve() == prefix.resolve():
        raise ImJoyError(
            "uninstall.own-python",
            "Windows does not let a running Python remove itself.",
            fix="powershell -File install.ps1 -Uninstall",
        )
    if plan.engine is not None:
        stop_engine(layout)
    if plan.parts:
        receipt = read_receipt(prefix)
        environment = environment_of(prefix)
        with InstallLock(lock_folder(prefix)):
            for file in plan.edited:
                remove_from_file(file, dry_run=False)
            if sys.platform == "win32":
                remove_from_registry(prefix, dry_run=False)
            for part in plan.parts:
                if part != own_folder(prefix):
                    _remove(part)
        _remove(own_folder(prefix))
        forget(environment, home)
        if is_link(prefix):
            with suppress(OSError):
                environment.rmdir()
            _remove_link(prefix)
        _remove_empty(prefix, Path(receipt.made_folder) if receipt and receipt.made_folder else prefix)
    elif is_left_over(prefix):
        _remove_link(prefix)
    if plan.workspace is not None:
        _remove(plan.workspace)
    return replace(plan, done=True)


def _removable(workspace: Path, home: Path) -> Path | None:
    if not workspace.exists():
        return None
    if not (workspace / ".imjoy").is_dir() or workspace.resolve() in (
        home.resolve(),
        *home.resolve().parents,
    ):
        raise ImJoyError(
            "uninstall.workspace",
            f"{workspace} does not look like a workspace of imjoy, so nothing was removed.",
            fix="imjoy uninstall",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    return workspace


def _remove(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise _not_removed(path, error) from error


def _remove_link(prefix: Path) -> None:
    try:
        remove_link(prefix)
    except OSError as error:
        raise _not_removed(prefix, error) from error


def _not_removed(path: Path, error: OSError) -> ImJoyError:
    return ImJoyError(
        "uninstall.failed",
        f"{path} cannot be removed.",
        why=str(error),
        fix="mend its permissions, then run this again",
    )


def _remove_empty(prefix: Path, topmost: Path) -> None:
    with suppress(OSError):
        for folder in (prefix, *prefix.parents):
            if folder.exists():
                folder.rmdir()
            if folder == topmost:
                return
