"""Carries a plan out, one effect after another: one lock, one log, a record while it is not whole, and a way back.

It runs unbuilt, so every module is compiled anew: what only some installs need is imported where they need it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import imjoy
from imjoy.context import Context
from imjoy.effects.disk.removal import remove
from imjoy.effects.processes.process import ask
from imjoy.effects.tools.conda import write_wrapper
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.provision.facts.machine import foreign_names, isolated
from imjoy.provision.facts.source import copy_checkout
from imjoy.provision.facts.uv import find_uv
from imjoy.provision.plan import Plan
from imjoy.provision.records.conda_link import ensure_link, forget, is_link, remove_link
from imjoy.provision.records.receipt import own_folder, parts_of, read_receipt
from imjoy.provision.records.record import (
    State,
    begin_record,
    forget_record,
    install_lock,
    mark_folder,
    note_folder,
    read_made_folder,
    read_record,
    state_folder,
    sweep_state_folder,
)
from imjoy.provision.steps import packages
from imjoy.provision.steps.commands import Evidence, Report, StepFailed, Steps
from imjoy.provision.steps.timings import StepTime, measured

CONDA_FOLDER = "conda"
"""Where Miniconda or Miniforge lives in a prefix: its base belongs to conda, and imjoy's environment is another."""
KEPT_IN_CONDA = ("envs", "pkgs")
"""What people made with the conda of a prefix: it outlives a conda that is installed again."""
PYTHON_FOLDER = "python"
WINDOWS_INSTALLER = "/InstallationType=JustMe /AddToPath=0 /RegisterPython=0 /NoShortcuts=1 /S /D="
PROBE = """
import csv, sys
from importlib.metadata import distribution, version
from packaging.requirements import Requirement
imjoy = distribution("imjoy")
rows = csv.reader(imjoy.read_text("RECORD").splitlines())
whole = all(imjoy.locate_file(row[0]).exists() for row in rows)
needed = [Requirement(line) for line in imjoy.requires]
needed = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
sys.exit(not (whole and all(one.specifier.contains(version(one.name), prereleases=True) for one in needed)))
"""
PIP_PROBE = """
import csv, os, sys
import email.message, http.client, json, logging, shutil, ssl, subprocess, tempfile, zipfile
from importlib.metadata import distribution
pip = distribution("pip")
rows = [row for row in csv.reader(pip.read_text("RECORD").splitlines()) if row[0].startswith("pip/") and row[2]]
sizes = [(name, os.path.getsize(pip.locate_file(name)), int(size)) for name, _, size in rows]
sys.exit(not (sizes and all(now == size or not name.endswith(".py") for name, now, size in sizes)))
"""
"""Whether pip has all of its files, and the modules that it works with: a third of starting pip.

Its code in its size; some add to its certificates.
"""
PROBE_SECONDS = 60.0
MIN_FREE_BYTES = 32 * 1024 * 1024
"""A step that could not write its files takes them away again, and gives back what it had of the disk."""
FULL_SIGNS = ("No space left on device", "os error 28", "Errno 28", "Disk quota exceeded", "WinError 112")
FULL_ERRORS = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


@dataclass(frozen=True)
class Effect:
    """One change of the machine. Between any two of them, and within any one, we may be killed."""

    name: str
    do: Callable[[], object]


def perform(effect: Effect) -> None:
    """Do one effect. Every change of an install comes through here, so that tests can count them and fail any."""
    effect.do()


def interpreter(prefix: Path) -> Path:
    """Return the Python of a prefix: of an environment of Windows, else of conda there, else of anything elsewhere."""
    if sys.platform != "win32":
        return prefix / "bin" / "python"
    inside = prefix / "Scripts" / "python.exe"
    return inside if inside.exists() else prefix / "python.exe"


def works(prefix: Path) -> bool:
    """Whether the imjoy in a prefix is whole. Writes no bytecode."""
    return _answers([str(interpreter(prefix)), "-I", "-B", "-c", PROBE])


def environment_works(prefix: Path, tool: str = "pip") -> bool:
    """Whether the Python of a prefix runs, and the tool in it that brings packages. Writes no bytecode.

    It does not where Python is gone or does not start, where pip is gone, or a file of it missing or cut short.
    """
    python = [str(interpreter(prefix)), "-I", "-B"]
    # Where somebody has changed pip by hand, or its installer left no list of files, it says itself whether it runs.
    return (tool == "pip" and _answers([*python, "-c", PIP_PROBE])) or _answers(
        [*python, "-m", tool, "--version"]
    )


def kept_logs_folder(home: Path) -> Path | None:
    """Return where people look for logs, if there is such a place: ``~/Library/Logs`` of macOS, which Console shows."""
    folder = home / "Library" / "Logs"
    is_there = sys.platform == "darwin" and folder.is_dir() and os.access(folder, os.W_OK)
    return folder if is_there else None


class Installation:
    """One run that installs. ``report`` gets what it does; ``verbose`` lets the steps write to stderr as well.

    With ``desktop`` ImJoy is put into the desktop's menu, by an imjoy that knows how; an older one passes over it.
    """

    def __init__(
        self, plan: Plan, context: Context, report: Report, *, verbose: bool = False, desktop: bool = False
    ) -> None:
        self.plan = plan
        self._desktop = desktop
        self.prefix = plan.prefix
        self._context = context
        self._report = report
        self._root = plan.target
        self._ours = own_folder(self._root)
        self._state = state_folder(self._root)
        self._stage = self._state / "stage"
        self._undo = plan.action in ("install", "finish")
        self._lock = install_lock(self._root)
        self._wheel = ""
        self._notices: list[str] = []
        self._installer: Path | None = None
        log = self._state / "install.log"
        self._steps = Steps(log, self._stage / "tmp", self._lock, context, report, verbose=verbose)

    def run(self, arguments: Sequence[str]) -> int:
        """Carry the plan out, the second half in the prefix's own Python with ``arguments``; return its exit code.

        A first install that fails or is interrupted takes back what it made; a change of a finished one stays marked,
        and the next run repairs it. Raises :class:`ImJoyError` ``install.step`` (4 where the network is to blame),
        ``install.installer``, ``install.silent``, ``host.disk``, and what the lock and the download raise.
        """
        try:
            return self._run(arguments)
        except OSError as error:
            if error.errno not in FULL_ERRORS:
                raise
            raise self._no_room("The installation stopped", str(error)) from error

    def _run(self, arguments: Sequence[str]) -> int:
        if self.plan.action == "none":
            return self._hand_over(self._handed(None), arguments)
        made = self._topmost_new()
        try:
            with self._lock:
                self._look_again()
                code = self._carry_out(made, arguments)
        except BaseException as error:
            if self._undo and not _is_locked(error):
                self._remove_empty(made)
            raise
        self._sweep()
        return code

    def _look_again(self) -> None:
        """Refuse what came there while the lock was somebody else's."""
        if self.plan.action == "install" and self._root.is_dir() and foreign_names(self._root):
            raise ImJoyError(
                "prefix.foreign",
                f"{self._root} holds files that no install of imjoy put there.",
                fix="run this again, or choose another folder: --prefix DIR",
                exit_code=ExitCode.PREFLIGHT_REFUSED,
            )

    def _carry_out(self, made: Path | None, arguments: Sequence[str]) -> int:
        try:
            for effect in self._effects(made):
                perform(effect)
            with self._settled():
                code = self._hand_over(self._handed(made), arguments)
            if code != ExitCode.DONE:
                raise _SecondHalfFailed(code)
        except _SecondHalfFailed as failed:
            self._end_badly()
            return failed.code
        except BaseException:
            self._end_badly()
            raise
        for effect in self._last_effects():
            perform(effect)
        return code

    def _effects(self, made: Path | None) -> Iterator[Effect]:
        """Yield everything that is done up to the second half, in order."""
        linked = self.prefix if self.plan.environment is not None else None
        existed = self._root.is_dir()
        state: State = "unfinished" if self._undo else "interrupted"
        if linked is not None and not is_link(linked):
            # Until it is the link, nothing else would lead from the prefix to what was begun.
            yield Effect("pointer", lambda: begin_record(linked, state, made=made, link=self._root))
        yield Effect(
            "record",
            lambda: begin_record(self._root, state, made=made, existed=existed, others=self._others()),
        )
        if self.plan.action == "finish":
            yield Effect("clear", self._clear)
        yield Effect("folder", lambda: self._root.mkdir(parents=True, exist_ok=True))
        yield Effect("note the folder", lambda: note_folder(self._root))
        if linked is not None:
            yield Effect("link", lambda: ensure_link(linked, self._root))
        yield Effect("mark the folder", lambda: mark_folder(self._root))
        yield Effect("stage", self._ensure_stage)
        if self.plan.make_python:
            yield from self._python_effects()
        yield Effect("own folder", lambda: self._ours.mkdir(mode=0o700, exist_ok=True))
        yield Effect("wheel", self._build_wheel)
        yield Effect("packages", self._install)
        # A kill from here on may be one that leaves nothing to repair.
        yield Effect("clear the stage", lambda: shutil.rmtree(self._stage, ignore_errors=True))

    def _python_effects(self) -> Iterator[Effect]:
        if self.plan.action == "repair":
            yield Effect("remove the broken Python", self._remove_python)
        if self.plan.distribution in ("miniconda", "miniforge"):
            if not self._has_conda():
                yield Effect("fetch the installer", self._fetch_installer)
                yield Effect("install conda", self._install_conda)
            yield Effect("environment", lambda: self._make_venv(self._python_of_conda()))
            yield Effect("link conda", lambda: write_wrapper(self._root, self._conda_command()))
        elif self.plan.distribution == "existing":
            yield from self._fetch_effects(self._stage / PYTHON_FOLDER)
            yield Effect("environment", self._make_conda_environment)
        else:
            yield from self._fetch_effects(self._ours / PYTHON_FOLDER)
            yield Effect("environment", lambda: self._make_venv(self._base_python()))
        yield Effect("check Python", self._check_python)

    def _fetch_effects(self, folder: Path) -> Iterator[Effect]:
        if self.plan.python_build is not None:
            yield Effect("fetch Python", lambda: self._fetch_python(folder))
        elif self.plan.brought_python is not None:
            yield Effect("copy Python", lambda: self._copy_python(folder))

    def _last_effects(self) -> Iterator[Effect]:
        """Yield what is done once the install is whole."""
        yield Effect("keep the log", lambda: self._keep_log(self._ours / "install.log"))
        yield Effect("forget the record", lambda: self._forget_records(whole=True))

    @property
    def times(self) -> tuple[StepTime, ...]:
        """How long each step has taken so far."""
        return tuple(self._steps.times)

    def _hand_over(self, handed: dict[str, object], arguments: Sequence[str]) -> int:
        """Run the second half in the prefix's own Python, with its output for the person; return its exit code."""
        command = [str(interpreter(self._root)), "-I", "-m", "imjoy", "install", "--prefix", str(self.prefix)]
        command += ["--finish", json.dumps(handed), *arguments]
        # It writes lines of its own.
        self._report("", None)
        return self._steps.run_shown("starting the engine once", command)

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """What fails after the receipt is written is no reason to take the install back."""
        try:
            yield
        finally:
            if self._undo and (self._ours / "receipt.json").exists():
                self._undo = False

    def _ensure_stage(self) -> None:
        shutil.rmtree(self._stage, ignore_errors=True)
        (self._stage / "tmp").mkdir(parents=True)
        self._steps.begin(f"imjoy {imjoy.__version__}, {self.plan.action}, {self.plan.distribution}")

    def _check_python(self) -> None:
        # conda brings its pip along; elsewhere it comes with the packages.
        if not environment_works(self._root, "pip" if self.plan.distribution == "existing" else "ensurepip"):
            raise ImJoyError(
                "install.installer",
                f"The Python that was put into {self.prefix} does not run.",
                **self._evidence(),
            )

    # --- where the Python comes from ---

    def _base_python(self) -> Path:
        """Return the Python that makes the environment: one that is here, or the one that was brought."""
        if self.plan.python is not None:
            return Path(self.plan.python.base)
        folder = self._stage if self.plan.distribution == "existing" else self._ours
        inside = "python.exe" if sys.platform == "win32" else "bin/python3"
        return folder / PYTHON_FOLDER / inside

    def _make_venv(self, base: Path) -> None:
        words = [str(base), "-I", "-B", "-m", "venv", "--without-pip", "--prompt", "imjoy", str(self._root)]
        self._step("making the environment", words)

    def _make_conda_environment(self) -> None:
        from imjoy.provision.steps.conda_environment import make_environment

        if self.plan.conda is None:
            raise self._unrepairable()
        make_environment(
            self._root,
            self.plan.conda,
            self._base_python(),
            self._stage,
            self._step,
            offline=self.plan.offline,
            environ=isolated(self._context.environ, self._stage / "tmp"),
            notices=self._notices,
        )

    def _fetch_python(self, folder: Path) -> None:
        build = self.plan.python_build
        if build is None:
            raise self._unrepairable()
        archive = self._stage / build.file
        if self.plan.offline is not None:
            archive = self.plan.offline / build.file
            self._check_hash(archive, build.sha256, "--offline DIR with the right file")
        else:
            self._download("downloading Python", build.url, archive, build.sha256)
        remove(folder)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with measured("unpacking Python", self._steps.times), tarfile.open(archive) as tar:
            # Its hash is known, so it is what its makers packed: links, modes and all.
            options = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            tar.extractall(folder.parent, **options)  # type: ignore[arg-type]

    def _copy_python(self, folder: Path) -> None:
        if self.plan.brought_python is None:
            raise self._unrepairable()
        remove(folder)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with measured("copying Python", self._steps.times):
            shutil.copytree(self.plan.brought_python, folder, symlinks=True)

    def _conda_root(self) -> Path:
        return self._root / CONDA_FOLDER

    def _conda_command(self) -> Path:
        inside = "Scripts/conda.exe" if sys.platform == "win32" else "bin/conda"
        return self._conda_root() / inside

    def _python_of_conda(self) -> Path:
        return self._conda_root() / ("python.exe" if sys.platform == "win32" else "bin/python")

    def _has_conda(self) -> bool:
        python = self._python_of_conda()
        return self._conda_command().exists() and _answers(
            [str(python), "-I", "-B", "-c", "import ensurepip, venv"]
        )

    def _fetch_installer(self) -> None:
        installer, local = self.plan.installer, self.plan.local_installer
        if installer is None:
            raise self._unrepairable()
        if local is not None:
            self._check_hash(local, installer.sha256, "--installer FILE --sha256 HASH")
            self._installer = local
            return
        title = f"downloading {self.plan.distribution.capitalize()}"
        self._installer = self._stage / installer.file
        self._download(title, installer.url, self._installer, installer.sha256)

    def _install_conda(self) -> None:
        root, kept = self._conda_root(), self._state / "kept"
        if root.is_dir():
            # What people made with it goes aside, and comes back.
            kept.mkdir(exist_ok=True)
            for name in KEPT_IN_CONDA:
                if (root / name).is_dir() and not (kept / name).exists():
                    (root / name).rename(kept / name)
            remove(root)
        title = f"installing {self.plan.distribution.capitalize()}"
        if sys.platform == "win32":
            # One text, because /D= has to be last, without quotes, and may hold spaces.
            self._step(title, f'"{self._installer}" {WINDOWS_INSTALLER}{root}')
        else:
            self._step(title, ["bash", str(self._installer), "-b", "-p", str(root)])
        if not self._has_conda():
            raise ImJoyError(
                "install.installer",
                f"The Python that {self.plan.distribution.capitalize()} put into {root} does not run.",
                **self._evidence(),
            )
        for name in KEPT_IN_CONDA if kept.is_dir() else ():
            if (kept / name).is_dir():
                remove(root / name)
                (kept / name).rename(root / name)

    def _download(self, title: str, url: str, target: Path, sha256: str) -> None:
        from imjoy.effects.network.download import download

        self._report(title, 0.0)

        def report(done: int, total: int) -> None:
            self._report(title, done / total if total else None)

        with measured(title, self._steps.times):
            fix = "try again, or another --mirror; for a file that is meant to be another: --sha256 HASH"
            download(url, target, sha256, report, hash_fix=fix)

    def _check_hash(self, file: Path, sha256: str, fix: str) -> None:
        from imjoy.effects.network.download import file_sha256

        found = file_sha256(file)
        if found != sha256.lower():
            raise ImJoyError(
                "download.checksum",
                f"{file} does not match its checksum; it was not used.",
                why=f"its SHA-256 is {found}\nand has to be  {sha256.lower()}",
                fix=fix,
                exit_code=ExitCode.CHECKSUM_MISMATCH,
            )

    # --- imjoy ---

    def _build_wheel(self) -> None:
        source = self.plan.source
        place = source.local or source.place
        if place.endswith(".whl") and "://" not in place:
            self._wheel = place
            return
        if source.local or source.kind == "checkout":
            copy_checkout(Path(place), self._stage / "source")
            place = str(self._stage / "source")
        elif source.kind == "git" and source.id:
            place = f"{place}@{source.id[len('commit:') :]}"
        wheels = self._stage / "wheels"
        self._packages("building imjoy", "build", place, str(wheels))
        built = sorted(wheels.glob("imjoy-*.whl"))
        if not built:
            raise ImJoyError("install.not-imjoy", f"{source.place} is not imjoy.", **self._evidence())
        self._wheel = str(built[-1])

    def _install(self) -> None:
        again = [] if self._undo else ["--again"]
        self._packages("installing imjoy and what it needs", "install", self._wheel, *again)
        self._report("checking that it answers", None)
        if not works(self._root):
            raise ImJoyError(
                "install.silent",
                f"imjoy is installed in {self.prefix}, but does not answer.",
                **self._evidence(),
            )

    def _packages(self, title: str, *words: str) -> None:
        options = [] if self.plan.offline is None else ["--offline", str(self.plan.offline)]
        if self._uv is not None:
            options += ["--uv", str(self._uv)]
        self._step(title, packages.command(interpreter(self._root), *words, *options))

    @cached_property
    def _uv(self) -> Path | None:
        return find_uv(self._context.environ, self._context.home)

    def _others(self) -> tuple[str, ...]:
        """Return what stands in a finished install and is not ours: it has to outlive every change of it."""
        receipt = read_receipt(self._root)
        if self._undo or receipt is None:
            return ()
        return tuple(
            {each.name for each in self._root.iterdir()}
            - {each.name for each in parts_of(self._root, receipt)}
        )

    def _parts(self) -> list[str]:
        """Return the names in the target that are ours."""
        record = read_record(self._root)
        others = record.others if record is not None else ()
        there = {each.name for each in self._root.iterdir()} if self._root.is_dir() else set()
        return sorted(there - set(others))

    def _handed(self, made: Path | None) -> dict[str, object]:
        receipt, source = read_receipt(self._root), self.plan.source
        conda = str(self.plan.conda.command) if self.plan.conda else receipt.conda if receipt else ""
        if self.plan.distribution in ("miniconda", "miniforge") and self._conda_root().is_dir():
            conda = str(self._conda_command())
        known = str(made or "")
        return {
            "action": self.plan.action,
            "distribution": self.plan.distribution,
            "python": str(self._base_python())
            if self.plan.distribution == "venv" and self.plan.make_python
            else receipt.python
            if receipt
            else "",
            "source": source.followed,
            "source_id": source.id,
            "made_folder": known or (receipt.made_folder if receipt else ""),
            "conda": conda,
            "parts": self._parts(),
            "notices": [*self.plan.notices, *self._notices],
            # Not among the options, which an older imjoy would refuse, and a first install be taken back.
            "desktop": self._desktop,
        }

    # --- when it fails ---

    def _step(self, title: str, command: Sequence[str] | str, **options: object) -> None:
        try:
            self._steps.run(title, command, **options)  # type: ignore[arg-type]
        except StepFailed as error:
            evidence = self._evidence()
            if self._disk_is_full(evidence["why"]):
                raise self._no_room(error.what.rstrip("."), evidence["why"]) from error
            raise ImJoyError("install.step", error.what, **evidence) from error

    def _disk_is_full(self, output: str) -> bool:
        # The log may lie on that disk too, so what it says is not all.
        folder = next((each for each in (self._root, *self._root.parents) if each.exists()), None)
        # A drive that was pulled out has no folder left.
        full = folder is not None and shutil.disk_usage(folder).free < MIN_FREE_BYTES
        return full or any(sign in output for sign in FULL_SIGNS)

    def _no_room(self, what: str, why: str) -> ImJoyError:
        return ImJoyError(
            "host.disk",
            f"{what}: the disk of {self.prefix} is full.",
            why=why,
            fix=f"free some space; {self._outcome}",
        )

    @property
    def _outcome(self) -> str:
        return "nothing was left behind" if self._undo else "the next run goes on from here"

    def _evidence(self) -> Evidence:
        kept = self._ours / "failed.log"
        if self._undo:
            descriptor, name = tempfile.mkstemp(
                prefix="imjoy-install-", suffix=".log", dir=kept_logs_folder(self._context.home)
            )
            os.close(descriptor)
            kept = Path(name)
        with suppress(OSError):
            return self._steps.evidence(kept, self._outcome)
        return {"why": "", "fix": self._outcome, "exit_code": ExitCode.FAILED}

    def _unrepairable(self) -> ImJoyError:
        return ImJoyError(
            "install.unrepairable",
            f"The Python in {self.prefix} is broken, and the plan names nothing to replace it with.",
            fix="imjoy uninstall, then install again",
        )

    def _keep_log(self, file: Path) -> None:
        with suppress(OSError):
            shutil.copyfile(self._steps.log, file)
            file.chmod(0o600)

    def _end_badly(self) -> None:
        """Take back a first install; leave a changed one marked, with its log."""
        if self._undo:
            self._take_back()
            return
        shutil.rmtree(self._stage, ignore_errors=True)
        if self._ours.is_dir():
            self._keep_log(self._ours / "install.log")

    def _take_back(self) -> None:
        """Remove all that is in the target, which was not there or empty before; what cannot go keeps the record."""
        try:
            self._clear()
            forget(self._root, self._context.home)
            if is_link(self.prefix) and self.plan.environment is not None:
                remove_link(self.prefix)
            self._forget_records()
        except OSError as error:
            raise ImJoyError(
                "install.left-over",
                f"What was begun in {self._root} could not be undone completely.",
                why=str(error),
                fix="end the programs that use it, then run this again: it continues from here",
                exit_code=ExitCode.PREFLIGHT_REFUSED,
            ) from error

    def _clear(self) -> None:
        """Remove everything in the target but what is known not to be ours. Raises ``OSError``."""
        record = read_record(self._root)
        others = record.others if record is not None else ()
        for path in sorted(self._root.iterdir()) if self._root.is_dir() else []:
            if path.name not in others and path not in (self._state, *self._state.parents):
                remove(path)

    def _remove_python(self) -> None:
        """Remove the broken Python of an install that is ours; what people made with its conda stays."""
        receipt = read_receipt(self._root)
        for path in parts_of(self._root, receipt) if receipt is not None else ():
            if path.name not in (".imjoy", CONDA_FOLDER, *KEPT_IN_CONDA):
                remove(path)

    def _forget_records(self, *, whole: bool = False) -> None:
        forget_record(self._root, whole=whole)
        if self._root != self.prefix:
            forget_record(self.prefix, whole=whole)

    def _sweep(self) -> bool:
        """Remove our empty folders beside what was changed; false where one is still needed."""
        folders = {state_folder(self._root), state_folder(self.prefix)}
        for each in (self._root, self.prefix):
            sweep_state_folder(each)
        return not any(each.exists() for each in folders)

    def _topmost_new(self) -> Path | None:
        new = [each for each in (self.prefix, *self.prefix.parents) if not each.exists()]
        # One that was killed before this one may have begun.
        before = read_made_folder(self.prefix) or read_made_folder(self._root)
        return before or (new[-1] if new else None)

    def _remove_empty(self, made: Path | None) -> None:
        """Remove the empty folders that were made for the prefix, once our own beside it is gone."""
        if not self._sweep():
            return
        if self.plan.environment is not None:
            with suppress(OSError):
                self._root.rmdir()
        with suppress(OSError):
            folders = [self.prefix, *self.prefix.parents]
            if is_link(self.prefix):
                folders.pop(0)
            for folder in folders if made is not None else ():
                if folder.exists():
                    folder.rmdir()
                if folder == made:
                    return


class _SecondHalfFailed(Exception):
    """The second half has told what went wrong; this is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, ImJoyError) and error.exit_code == ExitCode.LOCKED


def _answers(command: list[str]) -> bool:
    environ = isolated({**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    return ask(command, timeout=PROBE_SECONDS, environ=environ).ok
