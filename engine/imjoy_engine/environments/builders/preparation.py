"""What a plugin needs before it starts: repositories, environment files, the environment, commands, a GPU."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imjoy.effects.disk.file_lock import take_lock
from imjoy.effects.disk.files import make_folders
from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.prefix import prefix_and_path_folders
from imjoy_engine.environments.progress import Progress, Report
from imjoy_engine.environments.specs.folders import below
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.processes.redact import redact

if TYPE_CHECKING:
    from imjoy_engine.environments.store.store import EnvironmentStore

COMMAND_SECONDS = 3600.0
COMMAND_VARIABLE = "IMJOY_COMMAND"
WAIT_POLL_SECONDS = 0.1
# In the environment's folder: which of its commands were run in which work folder.
DONE_FOLDER = "imjoy-commands"


@dataclass(frozen=True)
class Prepared:
    """The interpreter to start, and the environment variables that the plugin asks for."""

    python: Path
    variables: Mapping[str, str]


async def prepare(
    spec: EnvironmentSpec,
    work_dir: Path,
    store: EnvironmentStore,
    *,
    environ: Mapping[str, str],
    report: Report,
    say: Callable[[str], None],
    existing: Callable[[EnvironmentSpec], tuple[Path, Mapping[str, str]] | None] | None = None,
) -> Prepared:
    """Do what ``spec`` asks for: repositories first, then the environment, then its commands (once for a work folder).

    ``say`` gets what a person should read: notes, commands before they run, and what those write. With a frozen store
    nothing is fetched, built or run: what is there is used, the rest is refused. ``existing`` may name an interpreter
    that was there, with variables for it; nothing is built then, and no command is run.

    Raises:
        ImJoyError: ``env.frozen``, ``env.repo``, ``env.no-git``, ``env.folder``, ``env.file``, ``env.command`` and what
            ``store.ensure`` raises.
    """
    make_folders(store.root)
    for repository in spec.repos:
        from imjoy_engine.environments.builders.repositories import ensure_repository

        async with _alone(store.root, f"{work_dir}/{repository.folder}"):
            await ensure_repository(
                repository, work_dir, freeze=store.freeze, environ=environ, report=report, say=say
            )
    spec = _with_files(spec, work_dir) if spec.files else spec
    _check_local(spec, work_dir)
    spec = spec.at(str(work_dir))
    found = existing(spec) if existing else None
    python, known = found or (await store.ensure(spec, report), {})
    variables = {**known, **dict(spec.variables)}
    if spec.gpu is not None:
        from imjoy_engine.environments.builders.gpu_selection import choose_gpus

        chosen, note = await choose_gpus(spec.gpu, environ)
        say(note)
        variables.update(chosen)
    if spec.commands and found is None:
        done = commands_done(spec, python, work_dir)
        if not done.exists():
            if store.freeze:
                raise _frozen_commands(spec)
            async with _alone(store.root, str(done)):
                await _run_commands(
                    spec, python, work_dir, variables, environ=environ, report=report, say=say
                )
    return Prepared(python, variables)


def _with_files(spec: EnvironmentSpec, work_dir: Path) -> EnvironmentSpec:
    import yaml

    from imjoy_engine.environments.specs.planning import add_environment_file
    from imjoy_engine.plugin_files.manifest_config import WRONG_VALUES

    for file in spec.files:
        path = below(work_dir, file)
        try:
            if path is None:
                raise ValueError("it leads out of the plugin's work folder")
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, *WRONG_VALUES) as error:
            raise ImJoyError(
                "env.file",
                f"The environment file {file} cannot be read.",
                why=str(error) or type(error).__name__,
                fix='Name a file that a "git clone" or "repo:" before it brings into the work folder.',
            ) from error
        spec = add_environment_file(spec, content, file=file)
    return spec


def _check_local(spec: EnvironmentSpec, work_dir: Path) -> None:
    for line in spec.local:
        path = line.rpartition(" ")[2].partition("[")[0]
        place = below(work_dir, path)
        if place is None or not place.exists():
            raise ImJoyError(
                "env.file",
                f"There is nothing at {path} in the plugin's work folder.",
                why="It leads out of it." if place is None else f"The work folder is {work_dir}.",
                fix='Let a "repo:" before it bring it there, or correct its name.',
            )


def commands_done(spec: EnvironmentSpec, python: Path, work_dir: Path) -> Path:
    """Return the file that is there when the commands of ``spec`` have been run in ``work_dir``."""
    identity = json.dumps([str(work_dir), spec.commands])
    return (
        prefix_and_path_folders(python)[0] / DONE_FOLDER / hashlib.sha256(identity.encode()).hexdigest()[:24]
    )


async def _run_commands(
    spec: EnvironmentSpec,
    python: Path,
    work_dir: Path,
    variables: Mapping[str, str],
    *,
    environ: Mapping[str, str],
    report: Report,
    say: Callable[[str], None],
) -> None:
    done = commands_done(spec, python, work_dir)
    # Who had to wait for another finds them done.
    if not done.exists():
        for number, command in enumerate(spec.commands):
            report(Progress("command", f"Running: {redact(command)}", number / len(spec.commands)))
            await _run_command(command, python, work_dir, variables, environ, say)
        _note(done)


def _note(done: Path) -> None:
    done.parent.mkdir(exist_ok=True)
    done.touch()


def _frozen_commands(spec: EnvironmentSpec) -> ImJoyError:
    return ImJoyError(
        "env.frozen",
        "The plugin's commands have not been run, and the engine was started with --freeze.",
        why="\n".join(map(redact, spec.commands)),
        fix="Load the plugin once with an engine that was started without --freeze, then use --freeze again.",
    )


async def _run_command(
    command: str,
    python: Path,
    work_dir: Path,
    variables: Mapping[str, str],
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Run one ``cmd:`` with the system's shell, the environment's programs first on PATH, for ``COMMAND_SECONDS``."""
    from imjoy_engine.environments.builders.venv_env import build_variables
    from imjoy_engine.processes.guarded_process import TIMED_OUT, run_guarded

    say(f"$ {redact(command)}")
    lines: list[str] = []

    def take(line: str) -> None:
        say(line)
        lines.append(line)
        del lines[:-20]

    known = build_variables(environ)
    shell = ["/bin/sh", "-c", command]
    if os.name == "nt":
        # By a variable, as cmd does not take a quote back from the way that other programs get theirs.
        shell = ["cmd.exe", "/d", "/s", "/c", f"%{COMMAND_VARIABLE}%"]
        known[COMMAND_VARIABLE] = command
    prefix, folders = prefix_and_path_folders(python)
    known["PATH"] = os.pathsep.join([*map(str, folders), known.get("PATH", os.defpath)])
    name = "CONDA_PREFIX" if (prefix / "conda-meta").exists() else "VIRTUAL_ENV"
    code = await run_guarded(
        shell,
        {**known, name: str(prefix), **variables},
        take,
        seconds=COMMAND_SECONDS,
        cwd=work_dir,
    )
    if code != 0:
        how = (
            f"did not end within {COMMAND_SECONDS:g} s"
            if code == TIMED_OUT
            else "was ended by the system, which does that when memory runs out (SIGKILL)"
            if code == -9
            else f"ended with exit code {code}"
        )
        raise ImJoyError(
            "env.command",
            f"A command of the plugin {how}: {redact(command)}",
            why="\n".join(lines),
            fix=f"Try it in {work_dir}, and correct the cmd: in the plugin's config.",
        )


@asynccontextmanager
async def _alone(locks: Path, what: str) -> AsyncIterator[None]:
    """Let no other plugin, of this engine or of another one, do the same at once; ``locks`` is where the lock lies."""
    file = locks / f"{hashlib.sha256(what.encode()).hexdigest()[:24]}.lock"
    # Of the file the system tells only whether it can be locked now.
    while (lock := take_lock(file)) is None:  # noqa: ASYNC110
        await asyncio.sleep(WAIT_POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
