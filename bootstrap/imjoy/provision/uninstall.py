"""Takes away what an install made, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from imjoy.context import Context
from imjoy.desktop.operations import recorded_files_of_desktop, remove_recorded
from imjoy.effects.disk.lock import InstallLock
from imjoy.effects.disk.removal import remove
from imjoy.effects.processes.process import ask
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.results import Result
from imjoy.path.operations import recorded_files, remove_from_file, remove_from_registry
from imjoy.provision.apply import Effect, interpreter, perform
from imjoy.provision.facts.caches import find_caches
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.facts.machine import foreign_names, isolated
from imjoy.provision.records.conda_link import (
    environment_of,
    forget,
    is_left_over,
    is_link,
    is_our_link,
    remove_link,
)
from imjoy.provision.records.receipt import own_folder, parts_of, read_receipt
from imjoy.provision.records.record import (
    begin_record,
    forget_record,
    install_lock,
    read_made_folder,
    read_pointer,
    read_record,
    read_state,
    state_folder,
    sweep_state_folder,
)

STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Uninstall(Result):
    """What is removed: ``parts`` of the prefix, blocks in ``edited`` files, the workspace if it was asked for.

    ``left`` is what stays in the prefix because no install put it there; with ``left_over`` the prefix is a link to an
    environment of conda that is gone. ``desktop`` are the files of the menu entry and of the start at login. ``caches``
    are what uv and rattler keep, which goes ``with_caches`` alone. ``done`` is false for a dry run.
    """

    prefix: Path
    parts: tuple[Path, ...]
    edited: tuple[Path, ...]
    workspace: Path | None
    engine: str | None
    left: tuple[Path, ...]
    left_over: bool = False
    desktop: tuple[Path, ...] = ()
    caches: tuple[Path, ...] = ()
    with_caches: bool = False
    done: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing to remove."""
        caches = self.caches if self.with_caches else ()
        return not (self.parts or self.edited or self.workspace or self.left_over or caches)


def plan_uninstall(
    layout: Layout,
    context: Context,
    script: InstallScript,
    *,
    with_workspace: bool,
    with_caches: bool = False,
) -> Uninstall:
    """Look what there is to remove. Changes nothing.

    Raises :class:`ImJoyError` ``uninstall.foreign`` for a prefix that no install of ours made, and
    ``uninstall.workspace`` for a workspace that is not safe to remove.
    """
    prefix = layout.prefix
    target = environment_of(prefix)
    workspace = _removable(layout.workspace, context.home, script) if with_workspace else None
    nothing = Uninstall(
        prefix, (), (), workspace, None, (), caches=find_caches(context), with_caches=with_caches
    )
    state, record = read_state(target), read_record(target)
    if is_left_over(prefix) and state is None:
        return replace(nothing, left_over=True)
    if not prefix.is_dir() or not any(prefix.iterdir()):
        # What a killed run left beside it is ours, too.
        return replace(nothing, parts=(prefix,)) if state or read_pointer(prefix) else nothing
    receipt = read_receipt(prefix)
    if receipt is None and state is None and foreign_names(prefix):
        raise ImJoyError(
            "uninstall.foreign",
            f"{prefix} was not made by an install of imjoy, so nothing was removed.",
            why="It has neither a receipt nor the mark of an unfinished install.",
            fix=f"{script.uninstall_command} --prefix DIR",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    there = tuple(sorted(prefix.iterdir()))
    if receipt is None or state == "unfinished":
        # A first install that was not finished has the folder to itself; of an uninstall it is known what stays.
        others = record.others if record is not None else ()
        ours = tuple(each for each in there if each.name not in others)
    else:
        ours = parts_of(prefix, receipt)
    return replace(
        nothing,
        engine=_running_engine(layout),
        parts=ours,
        edited=tuple(each for each in recorded_files(prefix) if each.exists()),
        left=tuple(each for each in there if each not in ours),
        desktop=recorded_files_of_desktop(prefix),
    )


def uninstall(
    plan: Uninstall, layout: Layout, context: Context, script: InstallScript, report: Callable[[str], None]
) -> Uninstall:
    """Do what the plan says: stop the engine, take back the edits, remove the parts, and a prefix that is a link.

    ``report`` gets what is done now. May be repeated after an interruption: the receipt goes last. Raises
    :class:`ImJoyError` ``install.locked``, ``uninstall.failed``, and what stopping the engine and editing files raises.
    """
    prefix = plan.prefix
    if plan.parts:
        target = environment_of(prefix)
        receipt = read_receipt(prefix)
        known = receipt.made_folder if receipt is not None else ""
        topmost = Path(known) if known else read_made_folder(prefix) or read_made_folder(target) or prefix
        with install_lock(target) as lock:
            if plan.engine is not None:
                report("stopping the engine")
            _stop_engine(layout, context)
            # First: without its receipt the prefix is nobody's, and whoever has to repeat this would be refused.
            _remove_outside(plan, script, report)
            for effect in _effects(plan, target, topmost, context, script):
                if effect.name in (f"remove {part.name}" for part in plan.parts):
                    report(f"removing {plan.prefix.name}/{effect.name.removeprefix('remove ')}")
                perform(effect)
            with _removal_errors(state_folder(target), script):
                perform(Effect("leave", lambda: _leave(prefix, target, topmost, lock)))
    else:
        if is_left_over(prefix):
            _remove(prefix, script)
        _remove_outside(plan, script, report)
    return replace(plan, done=True)


def _remove_outside(plan: Uninstall, script: InstallScript, report: Callable[[str], None]) -> None:
    """Remove what was named that does not lie in the prefix: the workspace, and the caches."""
    if plan.workspace is not None:
        report("removing the workspace")
        # Its folder of ours goes last: by that the next run knows it again.
        inside = () if is_link(plan.workspace) else plan.workspace.iterdir()
        for path in sorted(inside, key=lambda each: each.name == ".imjoy"):
            _remove(path, script)
        _remove(plan.workspace, script)
    for cache in plan.caches if plan.with_caches else ():
        report(f"removing the cache {cache.name}" if cache.name != "cache" else "removing a cache")
        _remove(cache, script)


def _effects(
    plan: Uninstall, target: Path, topmost: Path, context: Context, script: InstallScript
) -> list[Effect]:
    """Return every change in order; our own folder, by which the prefix is known as ours, goes last."""
    others = [each.name for each in plan.left]
    linked = is_our_link(plan.prefix) or (target != plan.prefix and not is_link(plan.prefix))
    # With the receipt goes what it knows, so it is written down where it goes last.
    effects = [Effect("record", lambda: begin_record(target, "interrupted", made=topmost, others=others))]
    if linked:
        pointer = Effect(
            "pointer", lambda: begin_record(plan.prefix, "interrupted", made=topmost, link=target)
        )
        effects.insert(0, pointer)
    effects += [
        Effect(f"edit {file}", partial(remove_from_file, file, dry_run=False)) for file in plan.edited
    ]
    if plan.desktop or sys.platform == "win32":
        effects.append(Effect("desktop", lambda: remove_recorded(plan.prefix)))
    if sys.platform == "win32":
        effects.append(Effect("registry", lambda: remove_from_registry(plan.prefix, dry_run=False)))
    own = own_folder(plan.prefix)
    # What runs on Windows cannot be removed: as long as something does, imjoy is there to go on with.
    for part in sorted(plan.parts, key=lambda each: each.name == "Lib"):
        if part not in (own, plan.prefix):
            effects.append(Effect(f"remove {part.name}", partial(_remove, part, script)))
    # The receipt is the last file of it, so that a run that was killed can be repeated.
    for path in sorted(own.iterdir(), key=lambda each: each.name == "receipt.json") if own.is_dir() else ():
        if path.name != "state":
            effects.append(Effect(f"remove {path.name}", partial(_remove, path, script)))
    effects.append(Effect("forget the environment", lambda: forget(target, context.home)))
    effects.append(Effect("remove our folder", lambda: _remove_folder(own)))
    if linked:
        effects.append(Effect("remove the link", lambda: _remove_link(plan.prefix, script)))
        effects.append(Effect("remove the environment", lambda: _remove_folder(target)))
    return effects


def _leave(prefix: Path, target: Path, topmost: Path, lock: InstallLock) -> None:
    """Forget what is gone by now, and remove the empty folders that are left.

    The record beside the prefix leads to the one beside the environment, so it goes last.
    """
    forget_record(target)
    lock.release()
    for each in dict.fromkeys((target, prefix)):
        forget_record(each)
        sweep_state_folder(each)
    _remove_folder(own_folder(target))
    _remove_empty(prefix, topmost)


def _remove_link(prefix: Path, script: InstallScript) -> None:
    if is_link(prefix):
        _remove(prefix, script)


def _remove_folder(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _running_engine(layout: Layout) -> str | None:
    """Return the url of the workspace's engine, where one runs and that can be known without the prefix's help."""
    with suppress(Exception):
        from imjoy.engines.running import find_engine

        engine = find_engine(layout)
        return engine.state.url if engine.alive and engine.state else None
    return None


def _stop_engine(layout: Layout, context: Context) -> None:
    """Stop the workspace's engine, by what this Python has, else by the imjoy in the prefix, which may be broken."""
    try:
        from imjoy.engines.running import find_engine, stop_engine
    except Exception:
        command = [
            str(interpreter(layout.prefix)),
            "-I",
            "-m",
            "imjoy",
            "stop",
            "--prefix",
            str(layout.prefix),
        ]
        ask(command, timeout=STOP_SECONDS, environ=isolated(context.environ))
        return
    if find_engine(layout).alive:
        stop_engine(layout)


def _removable(workspace: Path, home: Path, script: InstallScript) -> Path | None:
    if not workspace.exists():
        return None
    if not (workspace / ".imjoy").is_dir() or workspace.resolve() in (
        home.resolve(),
        *home.resolve().parents,
    ):
        raise ImJoyError(
            "uninstall.workspace",
            f"{workspace} does not look like a workspace of imjoy, so nothing was removed.",
            fix=script.uninstall_command,
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    return workspace


def _remove(path: Path, script: InstallScript) -> None:
    with _removal_errors(path, script):
        if is_link(path):
            remove_link(path)
        else:
            remove(path)


@contextmanager
def _removal_errors(path: Path, script: InstallScript) -> Iterator[None]:
    """Say of what cannot be removed, and why, that the next run goes on with it."""
    try:
        yield
    except OSError as error:
        raise ImJoyError(
            "uninstall.failed",
            f"{path} cannot be removed.",
            why=str(error),
            fix=f"end what uses it, or change its permissions, then {script.uninstall_command} again",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        ) from error


def _remove_empty(prefix: Path, topmost: Path) -> None:
    # A link of the person's own stays: a junction would go like an empty folder.
    with suppress(OSError):
        for folder in (prefix, *prefix.parents) if not is_link(prefix) else ():
            if folder.exists():
                folder.rmdir()
            if folder == topmost:
                return
