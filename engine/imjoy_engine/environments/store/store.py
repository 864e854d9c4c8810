"""The plugin environments on disk: one folder for each normal form, made once, shared by all that need it.

A folder's name is the hash of the normal form. It counts as ready when its marker is there, and the marker is written
last: whatever interrupts a build, even ``kill -9``, leaves a folder that the next build clears away. (Built elsewhere
and moved it could not be: a conda environment knows its own path.)
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

from imjoy.effects.disk.file_lock import FileLock, take_lock
from imjoy.effects.disk.files import make_folders, read_json
from imjoy.effects.machine.awake import kept_awake
from imjoy.effects.machine.windows import takes_long_names
from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.prefix import MARKER_NAME, interpreter_of, ready_interpreter, remove_tree
from imjoy_engine.environments.progress import Progress, Report
from imjoy_engine.processes.redact import redact

if TYPE_CHECKING:
    from imjoy_engine.environments.specs.spec import EnvironmentSpec

__all__ = ["EnvironmentStore", "Progress"]

# Part of every folder's name: raise it when environments of older engines must not be used any more.
FORMAT = 2
WAIT_POLL_SECONDS = 0.1
# What an environment of today's packages may not run into: an old Python, its channel, old versions.
_MENDED_BY_TODAY = frozenset({"env.channel", "env.offline", "env.unsolvable", "env.failed"})
LONGEST_PREFIX = 159
"""Of the 259 characters that Windows has for a name, 100 are left for what packages bring."""
Fill = Callable[[Path, Report], Awaitable[None]]


class EnvironmentStore:
    """Environments under ``root``. With ``freeze`` nothing is built: what is ready is used, the rest is refused."""

    def __init__(
        self,
        root: Path,
        *,
        freeze: bool,
        environ: Mapping[str, str] | None = None,
        prefix: Path | None = None,
        compile_first: bool = False,
    ) -> None:
        """``prefix`` is that of ImJoy, with whose conda settings and package cache are shared.

        With ``compile_first`` an environment is ready when its packages are compiled, for machines that cannot write.
        """
        self._compile_first = compile_first
        self._root = root
        self._freeze = freeze
        self._prefix = prefix
        self._compiling: set[asyncio.Task[None]] = set()
        self._environ = os.environ if environ is None else environ
        self._host = _host_python()
        self._builds: dict[str, _SharedBuild] = {}

    @property
    def root(self) -> Path:
        """Where the environments are."""
        return self._root

    @property
    def freeze(self) -> bool:
        """Nothing may be built, fetched or run."""
        return self._freeze

    def prefix(self, spec: EnvironmentSpec) -> Path:
        """Return the folder of ``spec``'s environment, whether it is there or not."""
        content = {**spec.as_json(), "pip": sorted(spec.requirements), "work_dir": spec.work_dir}
        del content["notes"], content["label"]
        if not spec.needs_conda:
            content["python"] = self._host
        identity = json.dumps([FORMAT, content], sort_keys=True)
        return self._root / hashlib.sha256(identity.encode()).hexdigest()[:24]

    def ready(self, spec: EnvironmentSpec) -> Path | None:
        """Return the interpreter when the environment is ready, without a lock or a process."""
        return ready_interpreter(self.prefix(spec))

    async def ensure(self, spec: EnvironmentSpec, report: Report, fill: Fill | None = None) -> Path:
        """Return the interpreter of ``spec``'s environment, and build that first when it is not ready.

        A ready one is returned at once, without a lock or a process. Of many callers, in this process or in others,
        one builds; the rest wait and get its progress. When the last caller of this process is cancelled, the build is
        killed and cleared away. ``fill`` puts it into its folder where it comes from elsewhere.

        Raises:
            ImJoyError: ``env.frozen`` when it would have to be built and may not, ``env.long-name`` where Windows
                would have no names for its files, ``env.failed`` and what ``conda_env.build_conda`` raises when the
                build fails.
        """
        # Where a day counts, that of today may be there as well.
        interpreter = None if spec.as_of else self.ready(spec)
        if interpreter:
            return interpreter
        fitted = await self.fitting(spec, report)
        interpreter = self.ready(fitted)
        if interpreter:
            return interpreter
        try:
            return await self._ensure_built(fitted, report, fill)
        except ImJoyError as error:
            asked_for = spec.explicit_day or fill is not None
            if not fitted.dated or asked_for or error.id not in _MENDED_BY_TODAY:
                raise
            return await self._of_today(spec, error, report)

    async def _of_today(self, spec: EnvironmentSpec, error: ImJoyError, report: Report) -> Path:
        """Make with today's packages what those of its day could not make; raise ``error`` when that fails too."""
        from imjoy_engine.environments.builders.old_pins import Decision, remember

        report(Progress("environment", f"Made with the newest packages instead: {error.what}", None))
        try:
            python = await self._ensure_built(spec, report, None)
        except ImJoyError:
            raise error from None
        remember(spec, self._root, Decision(""))
        return python

    async def _ensure_built(self, spec: EnvironmentSpec, report: Report, fill: Fill | None) -> Path:
        interpreter = self.ready(spec)
        if interpreter:
            return interpreter
        prefix = self.prefix(spec)
        if self._freeze:
            raise ImJoyError(
                "env.frozen",
                "The plugin's environment is not ready, and the engine was started with --freeze.",
                why=f"It would need {', '.join(map(redact, wanted_packages(spec)))}.",
                fix="Load the plugin once with an engine that was started without --freeze, then use --freeze again.",
            )
        _refuse_long_name(prefix)
        build = self._builds.get(prefix.name)
        if build is None or build.over:
            build = self._builds[prefix.name] = _SharedBuild(lambda tell: self._build(spec, tell, fill))
        try:
            return await build.join(report)
        finally:
            if build.over and self._builds.get(prefix.name) is build:
                del self._builds[prefix.name]

    async def fitting(self, spec: EnvironmentSpec, report: Report) -> EnvironmentSpec:
        """Return ``spec`` with the Python and the versions that an old plugin was made for; mostly as it is."""
        if not spec.explicit_day and (spec.needs_conda or not spec.asked):
            return spec
        # Few plugins get here: most have their environment.
        from imjoy_engine.environments.builders.old_pins import adapt_to_old_pins

        fitted = await adapt_to_old_pins(spec, self._root, self._environ, report, ask=not self._freeze)
        if fitted is not spec:
            report(Progress("environment", fitted.notes[-1], None))
        return fitted

    async def prepare_default(self, report: Report) -> Path:
        """Build the environment of plugins that ask for nothing; raises as ``ensure`` does."""
        from imjoy_engine.environments.specs.spec import DEFAULT_ENVIRONMENT

        return await self.ensure(DEFAULT_ENVIRONMENT, report)

    async def _build(self, spec: EnvironmentSpec, report: Report, fill: Fill | None) -> Path:
        prefix = self.prefix(spec)
        news = self._root / f"{prefix.name}.progress"

        def tell(progress: Progress) -> None:
            report(progress)
            with contextlib.suppress(OSError):
                _write(news, json.dumps([progress.phase, progress.text, progress.fraction]))

        try:
            make_folders(self._root)
            lock = await self._lock(spec, news, report)
            if lock is None:
                return interpreter_of(prefix)
            try:
                if self.ready(spec) is None:
                    await self._build_locked(spec, prefix, tell, fill)
            finally:
                news.unlink(missing_ok=True)
                lock.release()
        except OSError as error:
            raise ImJoyError(
                "env.failed",
                "The environment could not be written.",
                why=redact(str(error)),
                fix=f"See that there is space and that you may write in {self._root}, then load the plugin again.",
            ) from error
        return interpreter_of(prefix)

    async def _lock(self, spec: EnvironmentSpec, news: Path, report: Report) -> FileLock | None:
        """Become the builder, or return None when another process has made the environment ready meanwhile."""
        last = None
        while (lock := take_lock(news.with_suffix(".lock"))) is None:
            heard = _read_progress(news)
            if heard != last and heard is not None:
                report(heard)
            last = heard
            await asyncio.sleep(WAIT_POLL_SECONDS)
            if self.ready(spec):
                return None
        return lock

    async def _build_locked(
        self, spec: EnvironmentSpec, prefix: Path, report: Report, fill: Fill | None
    ) -> None:
        await remove_tree(prefix)
        try:
            with kept_awake():
                await (fill(prefix, report) if fill else self._fill(spec, prefix, report))
                if self._compile_first:
                    report(Progress("environment", "Compiling its packages", None))
                    await self._compile(prefix, at_once=True)
            content = {
                "format": FORMAT,
                "host": self._host,
                "created": time.time(),
                "spec": json.loads(redact(json.dumps(spec.as_json()))),
            }
            _write(prefix / MARKER_NAME, json.dumps(content, indent=1))
        except BaseException:
            await remove_tree(prefix)
            raise
        if not self._compile_first:
            self._compile_later(prefix)

    async def _fill(self, spec: EnvironmentSpec, prefix: Path, report: Report) -> None:
        # Only a build needs what these import, and the engine's start is waited for.
        if spec.needs_conda:
            from imjoy_engine.environments.builders.conda_env import build_conda
            from imjoy_engine.environments.specs.conda_settings import read_conda_settings
            from imjoy_engine.environments.store.inventory import register_with_conda

            settings = read_conda_settings(self._environ, self._prefix)
            await build_conda(prefix, spec, settings=settings, environ=self._environ, report=report)
            register_with_conda(prefix, self._environ)
            return
        from imjoy_engine.environments.builders.venv_env import build_venv

        await build_venv(
            prefix,
            spec.requirements,
            python=Path(sys.executable),
            environ=self._environ,
            report=report,
            local=spec.local,
            indexes=spec.indexes,
            work_dir=Path(spec.work_dir) if spec.work_dir else None,
        )

    def _compile_later(self, prefix: Path) -> None:
        """Compile the packages while the plugin runs already; whatever ends this process ends that too."""
        task = asyncio.ensure_future(self._compile(prefix, at_once=False))
        self._compiling.add(task)
        task.add_done_callback(self._compiling.discard)

    async def _compile(self, prefix: Path, *, at_once: bool) -> None:
        from imjoy_engine.environments.builders.compiling import compile_packages

        await compile_packages(interpreter_of(prefix), self._environ, at_once=at_once)


class _SharedBuild:
    """One build that several callers wait for; it lives as long as one of them does.

    ``over`` says that it ended or was given up, and that a new caller needs a new one.
    """

    def __init__(self, build: Callable[[Report], Awaitable[Path]]) -> None:
        self.over = False
        self._reports: list[Report] = []
        self._last: Progress | None = None
        self._task = asyncio.ensure_future(build(self._tell))

    async def join(self, report: Report) -> Path:
        self._reports.append(report)
        if self._last:
            report(self._last)
        try:
            return await asyncio.shield(self._task)
        finally:
            self._reports.remove(report)
            self.over = self._task.done() or not self._reports
            if self.over and not self._task.done():
                self._task.cancel()
                # Nobody is left to be told how it ended.
                await asyncio.gather(self._task, return_exceptions=True)

    def _tell(self, progress: Progress) -> None:
        self._last = progress
        for report in list(self._reports):
            report(progress)


def wanted_packages(spec: EnvironmentSpec) -> list[str]:
    """Return everything that a build would have to get, for people."""
    python = [] if spec.python is None else [f"Python {spec.python}"]
    return [*python, *spec.conda, *spec.requirements, *spec.local, *spec.files]


def _refuse_long_name(prefix: Path) -> None:
    """Raise ``env.long-name`` for a folder in which Windows, as most people have it, has no names for all files."""
    if takes_long_names() or len(str(prefix)) <= LONGEST_PREFIX:
        return
    raise ImJoyError(
        "env.long-name",
        f"The name of the folder {prefix.parent} is too long to have environments in it.",
        why=f"Windows has names of up to 259 characters, and without the files the folder's has {len(str(prefix))}.",
        fix="imjoy start --workspace C:\\imjoy\n(or allow Windows long names: "
        "https://learn.microsoft.com/windows/win32/fileio/maximum-file-path-limitation)",
    )


def _host_python() -> str:
    """What environments of this interpreter have in common with no others: kind, version, build, machine."""
    version = ".".join(map(str, sys.version_info[:3]))
    flags = getattr(sys, "abiflags", "")
    return f"{sys.implementation.name}-{version}{flags}-{sys.platform}-{platform.machine()}"


def _write(path: Path, text: str) -> None:
    """Write a file that nobody ever sees half of."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _read_progress(path: Path) -> Progress | None:
    try:
        phase, text, fraction = cast("list[object]", read_json(path))
    except (OSError, ValueError, TypeError):
        return None
    return Progress(str(phase), str(text), fraction if isinstance(fraction, (int, float)) else None)
