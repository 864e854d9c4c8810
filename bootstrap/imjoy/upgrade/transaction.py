"""One upgrade from lock to receipt: staged, tried, swapped in, tested, and taken back when anything is wrong."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from imjoy import __version__
from imjoy.context import Context
from imjoy.effects.processes.process import CommandFailed
from imjoy.engines.signals import signals_held
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.provision.records.conda_link import environment_of
from imjoy.provision.records.receipt import Receipt, own_folder, read_receipt, write_receipt
from imjoy.provision.records.record import install_lock, sweep_state_folder
from imjoy.provision.steps.commands import Report, StepFailed, Steps
from imjoy.upgrade.facts.disk_space import (
    DISK_FULL,
    DISK_FULL_WORDS,
    UNTOUCHED,
    disk_full,
    is_full,
    refuse_little_space,
    refuse_unwritable,
    unwritable,
)
from imjoy.upgrade.facts.origin import NAME, Origin
from imjoy.upgrade.facts.target import Target, is_older
from imjoy.upgrade.plan import Action, Change, Upgrade
from imjoy.upgrade.steps.base import CONDA_FORGE, BaseChange, BasePlan, fetch_base, find_base, plan_base
from imjoy.upgrade.steps.candidate import (
    Candidate,
    changed_outside,
    entries_of,
    make_candidate,
    replaced_versions,
)
from imjoy.upgrade.steps.journal import GUARD, JOURNAL, recover, sweep
from imjoy.upgrade.steps.running_engines import find_running, start_again, stop_all
from imjoy.upgrade.steps.smoke_test import (
    VERSION_SECONDS,
    Health,
    examine,
    find_conflicts,
    load_command,
    read_version,
    worse_than,
)
from imjoy.upgrade.steps.snapshots import (
    Snapshot,
    keep_files,
    newest_snapshot,
    next_folder,
    sweep_snapshots,
    write_facts,
)
from imjoy.upgrade.steps.stage import Stage
from imjoy.upgrade.steps.swap import Swap

LAST_LINES = 12


@dataclass(frozen=True)
class Prepared:
    """What is ready to be swapped in: the files, in the shape of the environment, and what they mean."""

    layer: Path
    versions: Mapping[str, str]
    added_before: tuple[str, ...]
    version: str
    source: str
    id: str
    direct_url: Mapping[str, object] | None
    snapshot: Snapshot | None = None


class Session:
    """The time in which one upgrade has an environment to itself. Everything that it stages is gone when it is left."""

    def __init__(
        self, origin: Origin, layout: Layout, context: Context, report: Report, *, verbose: bool = False
    ) -> None:
        self._origin = origin
        self._layout = layout
        self._context = context
        self._report = report
        self._stages = self._folder = origin.home / "stage"
        if os.name == "nt":
            # What was loaded from the stage of an upgrade before this one may still be in use, and then stays.
            self._folder = self._stages / f"{os.getpid()}-{time.time_ns()}"
        # Of what the environment is a link to, as an install locks it.
        self._target = environment_of(origin.environment)
        self._lock = install_lock(self._target)
        log = origin.home / "upgrade.log"
        self._steps = Steps(log, self._folder / "tmp", self._lock, context, report, verbose=verbose)
        self._prepared: Prepared | None = None
        self._base: BasePlan | None = None

    def __enter__(self) -> Session:
        """Take the lock, and take back an upgrade that was killed.

        Raises :class:`ImJoyError` ``upgrade.unwritable`` (3), ``upgrade.disk`` and ``install.locked`` (7).
        """
        refuse_unwritable(self._origin)
        refuse_little_space(self._origin.environment)
        with self._explained():
            self._lock.__enter__()
            try:
                recover(self._origin.home)
                self._refuse_while_taken_back()
                sweep(self._origin.environment)
                (self._origin.site / GUARD).unlink(missing_ok=True)
                self._clear()
                (self._folder / "tmp").mkdir(parents=True)
                self._steps.begin(f"imjoy {__version__}, upgrade of {self._origin.environment}")
            except BaseException:
                self._end()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        """Leave nothing beside the environment, whose folder may hold other things of the person's."""
        self._clear()
        self._lock.release()
        sweep_state_folder(self._target)

    def _refuse_while_taken_back(self) -> None:
        """Raise :class:`ImJoyError` ``install.locked`` while another process needs what lies in the stage."""
        if (self._origin.home / JOURNAL).exists():
            raise ImJoyError(
                "install.locked",
                "Another process is restoring the imjoy from before an upgrade that was interrupted.",
                fix="wait until it is done, then run this again",
                exit_code=ExitCode.LOCKED,
            )

    def prepare(self, target: Target) -> Upgrade:
        """Stage what there is, and return what would change. Touches nothing that is installed.

        Raises :class:`ImJoyError` ``upgrade.step`` (4 where the network is to blame), ``upgrade.stranger`` (3),
        ``upgrade.disk`` and what fetching raises.
        """
        with self._explained():
            staged = self._stage().prepare(target)
        self._prepared = Prepared(
            layer=staged.layer,
            versions=staged.versions,
            added_before=(),
            version=staged.version,
            source=target.source,
            id=staged.id,
            direct_url=target.direct_url(staged.id),
        )
        older = staged.older
        if older is None:
            older = staged.id != self._origin.id and is_older(staged.version, self._origin.version)
        planned = self._describe("downgrade" if older else "upgrade", self._prepared)
        return replace(planned, commits=staged.commits, commit_count=staged.commit_count)

    def prepare_rollback(self) -> Upgrade:
        """Get the newest snapshot ready, and return what would change. Raises ``upgrade.no-snapshot`` (3)."""
        snapshot = newest_snapshot(self._origin.home)
        if snapshot is None:
            raise ImJoyError(
                "upgrade.no-snapshot",
                "There is no older imjoy to go back to.",
                why=f"{self._origin.home} has none: an upgrade keeps what it replaces, the last two of them.",
                fix="imjoy upgrade --to REF --allow-downgrade",
                exit_code=ExitCode.PREFLIGHT_REFUSED,
            )
        self._prepared = Prepared(
            layer=snapshot.layer,
            versions=snapshot.versions,
            added_before=snapshot.added,
            version=snapshot.version,
            source=snapshot.source,
            id=snapshot.id,
            direct_url=None,
            snapshot=snapshot,
        )
        return self._describe("rollback", self._prepared)

    def prepare_base(self, before_fetching: Callable[[], None]) -> Upgrade:
        """Fetch newer versions of conda and pip, by conda where it has installed them, and return what would change.

        Touches nothing that is installed. Raises :class:`ImJoyError` ``upgrade.step`` and ``upgrade.disk``.
        """
        base = find_base(self._origin)
        if base is not None:
            self._report("asking conda what is new", None)
            with self._explained():
                try:
                    self._base = plan_base(base, self._context)
                except CommandFailed as error:
                    self._steps.note(error.why)
                    raise StepFailed("asking conda what is new: it failed.") from error
                if self._base.changes:
                    before_fetching()
                    fetch_base(self._base, self._steps, self._context)
        origin, changes = self._origin, self._base.changes if self._base else ()
        layer, versions = self._folder, dict[str, str]()
        if base is None or base.environment != origin.environment:
            with self._explained():
                layer, versions = self._stage().prepare_pip()
        source = origin.source if base is None else CONDA_FORGE
        self._prepared = Prepared(layer, versions, (), origin.version, source, origin.id, None)
        planned = self._describe("upgrade" if versions or changes else "none", self._prepared)
        return replace(planned, packages=(*changes, *planned.packages))

    def carry_out(self, planned: Upgrade) -> Upgrade:
        """Try what was prepared, swap it in, test it, and make it final.

        Whatever is raised, the old imjoy is in place again: ``upgrade.trial`` when it does not work beside the old
        one, ``upgrade.failed`` when it does not work in its place, ``upgrade.changed``, ``upgrade.disk``,
        ``KeyboardInterrupt``. Only ``upgrade.stuck`` says that it could not be put back whole.
        """
        prepared = self._prepared
        if prepared is None:
            raise RuntimeError("nothing was prepared")
        notices: tuple[str, ...] = ()
        if self._base is not None and self._base.changes:
            with self._explained():
                notices = self._change_base(self._base)
        if self._base is not None and not prepared.versions:
            return replace(planned, done=True, notices=notices)
        with self._explained():
            names = replaced_versions(self._origin, prepared.versions, prepared.added_before)
            candidate = make_candidate(
                self._origin, prepared.layer, names, prepared.direct_url, self._folder / "trial", self._steps
            )
            before = self._try(candidate, prepared)
            changes = changed_outside(candidate, prepared.layer, self._origin)
            changes |= self._receipt(prepared) | self._kept(prepared, candidate, names)
            swap = Swap(self._origin, candidate, changes, self._folder / "saved")
            engines = find_running(self._layout, self._origin.environment)
            if entries_of(self._origin.site) != candidate.entries:
                raise ImJoyError(
                    "upgrade.changed",
                    "Something else changed the environment meanwhile; nothing was upgraded.",
                    why=f"{self._origin.site} is not what it was when the upgrade began.",
                    fix="imjoy upgrade",
                )
            try:
                stop_all(engines)
                self._swap(swap, prepared, before)
            finally:
                notices += start_again(engines, self._context) if engines else ()
        return replace(planned, done=True, notices=notices)

    def _stage(self) -> Stage:
        return Stage(self._origin, self._context, self._steps, self._report, self._folder)

    def _try(self, candidate: Candidate, prepared: Prepared) -> Health:
        """Return the health of the installed imjoy, which the candidate's is not worse than."""
        self._report("trying it", None)
        try:
            reported = read_version([str(candidate.interpreter), "-I", "-m", NAME], self._context)
            load_command(candidate.interpreter, self._context)
        except CommandFailed as error:
            raise self._not_working("upgrade.trial", error.result.output) from error
        if reported != prepared.version:
            raise self._not_working(
                "upgrade.trial", f"its version is {reported} instead of {prepared.version}"
            )
        with ThreadPoolExecutor(max_workers=2) as others:
            old = others.submit(examine, self._origin.interpreter, self._layout, self._context)
            checked = others.submit(find_conflicts, candidate.interpreter, self._context)
            new = examine(candidate.interpreter, self._layout, self._context)
            before, conflicts = old.result(), checked.result()
        worse = worse_than(before, new, candidate.interpreter, self._layout, self._context)
        if not worse and conflicts:
            worse = self._new_conflicts(conflicts, find_conflicts(self._origin.interpreter, self._context))
        if worse:
            raise self._not_working("upgrade.trial", worse)
        return before

    @staticmethod
    def _new_conflicts(now: frozenset[str], before: frozenset[str]) -> str:
        return "\n".join(sorted(now - before))

    def _swap(self, swap: Swap, prepared: Prepared, before: Health) -> None:
        self._report("swapping it in", None)
        with signals_held() as interrupted:
            swap.do()
            try:
                worse = self._test(prepared.version, before)
                if not worse and not interrupted():
                    swap.commit()
                    return
            except BaseException:
                self._take_back(swap)
                raise
            self._take_back(swap)
            if interrupted():
                raise KeyboardInterrupt
            raise self._not_working("upgrade.failed", worse)

    def _change_base(self, plan: BasePlan) -> tuple[str, ...]:
        """Have conda work, test the outcome, and put everything back when it is worse; return notices."""
        self._report("testing what is installed", None)
        before = examine(self._origin.interpreter, self._layout, self._context)
        conflicts = find_conflicts(self._origin.interpreter, self._context)
        change = BaseChange(plan, self._origin, self._steps, self._context, self._folder / "saved base")
        engines = find_running(self._layout, self._origin.environment)
        notices: tuple[str, ...] = ()
        try:
            stop_all(engines)
            try:
                change.do()
                self._context.run([str(plan.base.conda), "-V"], timeout=VERSION_SECONDS)
                worse = self._test(self._origin.version, before) or self._new_conflicts(
                    find_conflicts(self._origin.interpreter, self._context), conflicts
                )
                if worse:
                    raise self._not_working("upgrade.failed", worse)
            except BaseException as error:
                with signals_held():
                    self._take_back(change)
                if isinstance(error, CommandFailed):
                    raise self._not_working("upgrade.failed", error.why) from error
                raise
            change.commit()
        finally:
            notices = start_again(engines, self._context) if engines else ()
        return notices

    def _test(self, version: str, before: Health) -> str:
        """Return what is wrong with the imjoy that is installed now; empty when it is the right one, and well.

        Whether packages go together was asked of the trial: the folder of packages in place is that one.
        """
        self._report("testing it", None)
        try:
            reported = read_version([str(self._origin.scripts / NAME)], self._context)
        except CommandFailed as error:
            return error.result.output
        if reported != version:
            return f"its version is {reported} instead of {version}"
        now = examine(self._origin.interpreter, self._layout, self._context)
        return worse_than(before, now, self._origin.interpreter, self._layout, self._context)

    def _take_back(self, swap: Swap | BaseChange) -> None:
        self._report("taking it back", None)
        try:
            swap.undo()
            reported = read_version([str(self._origin.scripts / NAME)], self._context)
        except (OSError, CommandFailed) as error:
            raise self._stuck(str(error)) from error
        if reported != self._origin.version:
            raise self._stuck(f"its version is {reported} instead of {self._origin.version}")

    def _receipt(self, prepared: Prepared) -> dict[Path, Path | None]:
        """Return the new receipt as one more file of the swap, where the install script left one."""
        old = read_receipt(self._origin.environment)
        if old is None:
            return {}
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        folder = self._folder / "receipt"
        own_folder(folder).mkdir(parents=True)
        values: Receipt = replace(
            old, version=prepared.version, source=prepared.source, source_id=prepared.id, installed=now
        )
        write_receipt(folder, values)
        relative = own_folder(Path()) / "receipt.json"
        return {relative: folder / relative}

    def _kept(
        self, prepared: Prepared, candidate: Candidate, names: Mapping[str, str]
    ) -> dict[Path, Path | None]:
        """Keep what will be replaced; return the facts of its snapshot as one more file of the swap.

        So it can be gone back to from the moment on in which the swap is final; and what was gone back to, no more.
        """
        environment, home = self._origin.environment, self._origin.home
        if prepared.snapshot is not None:
            return {prepared.snapshot.facts.relative_to(environment): None}
        snapshot = Snapshot(
            folder=next_folder(home),
            version=self._origin.version,
            source=self._origin.source,
            id=self._origin.id,
            versions=dict(names),
            added=tuple(sorted(set(prepared.versions) - set(names))),
        )
        try:
            keep_files(snapshot, environment, candidate.replaced)
            return {snapshot.facts.relative_to(environment): write_facts(snapshot, self._folder)}
        except OSError:
            # Without a snapshot one can only not go back by a word; the swap needs the room that half of one takes.
            shutil.rmtree(snapshot.folder, ignore_errors=True)
            return {}

    def _describe(self, action: Action, prepared: Prepared) -> Upgrade:
        old = replaced_versions(self._origin, prepared.versions, prepared.added_before)
        packages = [
            Change(name, old.get(name, ""), prepared.versions.get(name, ""))
            for name in sorted({*old, *prepared.versions} - {NAME})
        ]
        engines = find_running(self._layout, self._origin.environment)
        return Upgrade(
            what="base" if NAME not in prepared.versions else "imjoy",
            action=action,
            source=prepared.source,
            old_version=self._origin.version,
            new_version=prepared.version,
            old_id=self._origin.id,
            new_id=prepared.id,
            packages=tuple(each for each in packages if each.old != each.new),
            engines=tuple(each.state.url for each in engines),
            plugins=tuple(name for each in engines for name in each.plugins),
        )

    def _not_working(self, id: str, why: str) -> ImJoyError:
        lines = why.strip().splitlines()
        with suppress(OSError):
            self._steps.note(f"{id}\n{why}")
        evidence = self._steps.evidence(self._origin.home / "failed.log", "the old one is as it was")
        text = "\n".join(lines[-LAST_LINES:])
        if id == "upgrade.trial":
            return ImJoyError(
                "upgrade.trial",
                "The new imjoy does not work here, so it was not installed.",
                why=text,
                fix=evidence["fix"],
            )
        return ImJoyError(
            "upgrade.failed",
            "The new imjoy did not work in its place, and the old one was put back.",
            why=text,
            fix=evidence["fix"],
        )

    def _stuck(self, why: str) -> ImJoyError:
        return ImJoyError(
            "upgrade.stuck",
            "The new imjoy does not work, and the old one could not be put back whole.",
            why=why,
            fix="imjoy doctor --fix --only upgrade.pending",
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what the disk and the steps raise into what a person can read."""
        try:
            yield
        except StepFailed as error:
            # A log on a full disk may lack its end.
            if self._steps.says(DISK_FULL_WORDS) or is_full(self._origin.home):
                raise disk_full(self._origin.home, DISK_FULL_WORDS) from error
            evidence = self._steps.evidence(self._origin.home / "failed.log", UNTOUCHED)
            raise ImJoyError("upgrade.step", error.what, **evidence) from error
        except OSError as error:
            if error.errno in DISK_FULL:
                raise disk_full(self._origin.home, str(error)) from error
            raise unwritable(error) from error

    def _clear(self) -> None:
        # While there is a journal, the only way back lies in the stage.
        if not (self._origin.home / JOURNAL).exists():
            shutil.rmtree(self._stages, ignore_errors=True)
            sweep_snapshots(self._origin.home)
