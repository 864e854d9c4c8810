"""Carries a plan out: one lock, one log, a mark while it is not whole, and a way back when a first install fails."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from imjoy import __version__
from imjoy.context import Context
from imjoy.effects.conda import create_arguments
from imjoy.effects.download import download, file_sha256
from imjoy.effects.lock import InstallLock
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.provision import packages
from imjoy.provision.linked import ensure_link, environment_of, forget, is_link, remove_link, remove_parts
from imjoy.provision.plan import Plan
from imjoy.provision.receipt import (
    CONDA_PARTS,
    VENV_PARTS,
    lock_folder,
    own_folder,
    read_made_folder,
    read_receipt,
    write_state,
)
from imjoy.provision.source import copy_checkout
from imjoy.provision.steps import Evidence, Report, StepFailed, Steps
from imjoy.provision.times import Took, measured

CONDA_PYTHON = "3.13"
"""What an existing conda is asked for."""
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
PROBE_SECONDS = 60.0
LEAST_FREE_BYTES = 32 * 1024 * 1024
"""A step that could not write its files takes them away again, and gives back what it had of the disk."""
FULL_SIGNS = ("No space left on device", "os error 28", "Errno 28", "Disk quota exceeded")


def interpreter(prefix: Path) -> Path:
    """Return the Python of a prefix: of an environment of Windows, else of conda there, else of anything elsewhere."""
    if sys.platform != "win32":
        return prefix / "bin" / "python"
    inside = prefix / "Scripts" / "python.exe"
    return inside if inside.exists() else prefix / "python.exe"


def works(prefix: Path) -> bool:
    """Whether the imjoy in a prefix is whole. Writes no bytecode."""
    return _answers([str(interpreter(prefix)), "-I", "-B", "-c", PROBE])


def environment_works(prefix: Path) -> bool:
    """Whether the Python of a prefix runs, with pip."""
    return _answers([str(interpreter(prefix)), "-I", "-B", "-m", "pip", "--version"])


class Installation:
    """One run that installs. ``report`` gets what it does; ``verbose`` lets the steps write to stderr as well."""

    def __init__(self, plan: Plan, context: Context, report: Report, *, verbose: bool = False) -> None:
        self.plan = plan
        self.prefix = plan.prefix
        self._context = context
        self._report = report
        # Where the Python lies: its scripts name it, so it is called by that and not by the link.
        self._root = plan.environment or environment_of(plan.prefix)
        self._ours = own_folder(self._root)
        self._stage = self._ours / "stage"
        self._undo = False
        self._lock = InstallLock(lock_folder(self._root))
        log = self._ours / "install.log.new"
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
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise self._no_room("It was broken off", str(error)) from error

    def _run(self, arguments: Sequence[str]) -> int:
        if self.plan.action == "none":
            return self.hand_over(self._handed(None), arguments)
        made = self._topmost_new()
        try:
            with self._lock:
                self._undo = self.plan.action in ("install", "finish")
                write_state(self._root, "unfinished" if self._undo else "interrupted", made)
                try:
                    if self.plan.environment is not None:
                        ensure_link(self.prefix, self._root)
                    self._ensure_stage()
                    self._ensure_python()
                    self._install(self._wheel())
                    # A kill from here on may be one that leaves nothing to mend.
                    shutil.rmtree(self._stage, ignore_errors=True)
                    return self.hand_over(self._handed(made), arguments)
                except BaseException:
                    if self._undo:
                        self._take_back()
                    raise
                finally:
                    shutil.rmtree(self._stage, ignore_errors=True)
                    with suppress(OSError):
                        self._steps.log.replace(self._ours / "install.log")
        except BaseException:
            if self._undo:
                self._remove_empty(made)
            raise

    @property
    def times(self) -> tuple[Took, ...]:
        """How long each step has taken so far."""
        return tuple(self._steps.times)

    def hand_over(self, handed: dict[str, object], arguments: Sequence[str]) -> int:
        """Run the second half in the prefix's own Python, with its output for the person; return its exit code."""
        command = [
            str(interpreter(self._root)),
            "-I",
            "-m",
            "imjoy",
            "install",
            "--prefix",
            str(self.prefix),
        ]
        command += ["--finish", json.dumps(handed), *arguments]
        return self._steps.run_shown("starting the engine once", command)

    def _ensure_stage(self) -> None:
        shutil.rmtree(self._stage, ignore_errors=True)
        (self._stage / "tmp").mkdir(parents=True)
        self._steps.begin(f"imjoy {__version__}, {self.plan.action}, {self.plan.distribution}")

    def _ensure_python(self) -> None:
        if not self._undo and environment_works(self._root):
            return
        self._remove_parts()
        if self.plan.distribution == "venv":
            base = getattr(sys, "_base_executable", None) or sys.executable
            self._step("making the environment", [base, "-m", "venv", "--prompt", "imjoy", str(self._root)])
        elif self.plan.distribution == "existing" and self.plan.conda is not None:
            offline = self.plan.offline is not None
            arguments = create_arguments(self._root, CONDA_PYTHON, offline=offline)
            self._step("having conda make the environment", [str(self.plan.conda.command), *arguments])
            self._link_conda(self.plan.conda.command)
        else:
            self._run_installer(self._fetch_installer())
        if not environment_works(self._root):
            raise ImJoyError(
                "install.installer",
                f"The Python that was put into {self.prefix} does not run.",
                **self._evidence(),
            )

    def _fetch_installer(self) -> Path:
        installer, local = self.plan.installer, self.plan.local_installer
        if installer is None:
            raise ImJoyError(
                "install.unrepairable",
                f"The Python in {self.prefix} is broken, and the plan names nothing to replace it with.",
                fix="imjoy uninstall, then install again",
            )
        if local is not None:
            found = file_sha256(local)
            if found != installer.sha256.lower():
                raise ImJoyError(
                    "download.checksum",
                    f"{local} is not what it should be; nothing of it was used.",
                    why=f"its SHA-256 is {found}\nand has to be  {installer.sha256.lower()}",
                    fix="--installer FILE --sha256 HASH",
                    exit_code=ExitCode.CHECKSUM_MISMATCH,
                )
            return local
        title = f"downloading {self.plan.distribution.capitalize()}"
        self._report(title, 0.0)
        with measured(title, self._steps.times):
            return download(
                installer.url,
                self._stage / installer.file,
                installer.sha256,
                lambda done, total: self._report(title, done / total if total else None),
            )

    def _run_installer(self, file: Path) -> None:
        title = f"installing {self.plan.distribution.capitalize()}"
        if sys.platform == "win32":
            # One text, because /D= has to be last, without quotes, and may hold spaces.
            self._step(title, f'"{file}" {WINDOWS_INSTALLER}{self.prefix}')
        else:
            # -f, because our own folder is in the prefix already.
            self._step(title, ["bash", str(file), "-b", "-f", "-p", str(self.prefix)])

    def _link_conda(self, conda: Path) -> None:
        # A script, not a link: conda finds its own root from where it lies.
        if sys.platform == "win32":
            (self._root / "Scripts" / "conda.bat").write_text(f'@"{conda}" %*\r\n', encoding="utf-8")
            return
        command = self._root / "bin" / "conda"
        if not command.exists():
            command.write_text(f'#!/bin/sh\nexec "{conda}" "$@"\n', encoding="utf-8")
            command.chmod(0o755)

    def _wheel(self) -> str:
        source = self.plan.source
        place = source.place
        if source.kind == "wheel":
            return place
        if source.kind == "checkout":
            copy_checkout(Path(place), self._stage / "source")
            place = str(self._stage / "source")
        elif source.kind == "git" and source.id:
            place = f"{place}@{source.id.removeprefix('commit:')}"
        wheels = self._stage / "wheels"
        pip = [str(interpreter(self._root)), "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(wheels)]
        local = [] if self.plan.offline is None else ["--no-index", "--find-links", str(self.plan.offline)]
        self._step("building imjoy", [*pip, *local, place])
        built = sorted(wheels.glob("imjoy-*.whl"))
        if not built:
            raise ImJoyError("install.not-imjoy", f"{source.place} is not imjoy.", **self._evidence())
        return str(built[-1])

    def _install(self, wheel: str) -> None:
        words = [*(() if self._undo else ("--again",)), *self._offline_arguments()]
        command = [str(interpreter(self._root)), "-I", "-c", packages.STARTER, wheel, *words]
        self._step("installing imjoy and what it needs", command)
        self._report("checking that it answers", None)
        if not works(self._root):
            raise ImJoyError(
                "install.silent",
                f"imjoy is installed in {self.prefix}, but does not answer.",
                **self._evidence(),
            )

    def _offline_arguments(self) -> list[str]:
        return [] if self.plan.offline is None else ["--offline", str(self.plan.offline)]

    def _handed(self, made: Path | None) -> dict[str, object]:
        receipt = read_receipt(self._root)
        return {
            "action": self.plan.action,
            "distribution": self.plan.distribution,
            "python": sys.executable if self.plan.distribution == "venv" else "",
            "source": self.plan.source.followed,
            "source_id": self.plan.source.id,
            "made_folder": str(made or (receipt.made_folder if receipt else "") or ""),
            "conda": str(self.plan.conda.command) if self.plan.conda else receipt.conda if receipt else "",
            "notices": list(self.plan.notices),
        }

    def _step(self, title: str, command: Sequence[str] | str) -> None:
        try:
            self._steps.run(title, command)
        except StepFailed as error:
            evidence = self._evidence()
            if self._disk_is_full(evidence["why"]):
                raise self._no_room(error.what.removesuffix("."), evidence["why"]) from error
            raise ImJoyError("install.step", error.what, **evidence) from error

    def _disk_is_full(self, said: str) -> bool:
        # The log may lie on that disk too, so what it says is not all.
        folder = next(each for each in (self._root, *self._root.parents) if each.exists())
        free = shutil.disk_usage(folder).free
        return free < LEAST_FREE_BYTES or any(sign in said for sign in FULL_SIGNS)

    def _no_room(self, what: str, why: str) -> ImJoyError:
        state = "nothing was left behind" if self._undo else "the next run goes on from here"
        fix = f"make room; {state}"
        return ImJoyError("host.disk", f"{what}: the disk of {self.prefix} is full.", why=why, fix=fix)

    def _evidence(self) -> Evidence:
        kept, state = self._ours / "failed.log", "the next run goes on from here"
        if self._undo:
            descriptor, name = tempfile.mkstemp(prefix="imjoy-install-", suffix=".log")
            os.close(descriptor)
            kept, state = Path(name), "nothing was left behind"
        return self._steps.evidence(kept, state)

    def _remove_parts(self) -> None:
        remove_parts(self._root, VENV_PARTS if self.plan.distribution == "venv" else CONDA_PARTS)

    def _take_back(self) -> None:
        with suppress(OSError):
            self._remove_parts()
        for name in ("incomplete", "receipt.json", "install.log", "install.log.new", "stage"):
            path = self._ours / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _topmost_new(self) -> Path | None:
        new = [each for each in (self.prefix, *self.prefix.parents) if not each.exists()]
        # One that was killed before this one may have begun.
        return new[-1] if new else read_made_folder(self._root)

    def _remove_empty(self, made: Path | None) -> None:
        with suppress(OSError):
            self._ours.rmdir()
            if self.plan.environment is not None:
                forget(self._root, self._context.home)
                self._root.rmdir()
            folders = [self.prefix, *self.prefix.parents]
            if is_link(self.prefix):
                remove_link(folders.pop(0))
            for folder in folders:
                if made is None or not folder.is_relative_to(made):
                    return
                folder.rmdir()


def _answers(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
