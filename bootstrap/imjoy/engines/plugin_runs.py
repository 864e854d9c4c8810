"""``imjoy run``: the process that runs plugin files against an engine, and the engine when there is none yet."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from imjoy.context import Context
from imjoy.effects.machine.home import typed_path
from imjoy.effects.processes.process import module_command, spawn
from imjoy.engines.launch import Event, ServeOptions, launch_engine
from imjoy.engines.running import Condition, find_engine, read_token
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import (
    ALLOCATOR_VARIABLES,
    CERTIFICATE_VARIABLE,
    ENGINE_MODULE,
    TOKEN_VARIABLE,
    URL_VARIABLE,
)

END_SECONDS = 5.0


@dataclass(frozen=True)
class RunOptions:
    """What is to be run; ``call_args`` and ``resources`` are JSON text."""

    layout: Layout
    files: tuple[Path, ...]
    call: str | None = None
    call_args: str | None = None
    tag: str | None = None
    locked: bool = False
    env: str | None = None
    anyway: bool = False
    resources: str | None = None
    as_of: str | None = None
    today: bool = False

    def arguments(self) -> list[str]:
        """Return the arguments of ``python -m imjoy_engine``."""
        words = ["run", *map(str, self.files), "--workspace", str(self.layout.workspace)]
        for name, value in (
            ("--call", self.call),
            ("--args", self.call_args),
            ("--tag", self.tag),
            ("--env", self.env),
            ("--resources", self.resources),
            ("--as-of", self.as_of),
        ):
            words += [] if value is None else [name, value]
        words += ["--locked"] if self.locked else []
        words += ["--anyway"] if self.anyway else []
        words += ["--today"] if self.today else []
        return words


@dataclass(frozen=True)
class EngineAddress:
    """Where an engine is, the token that it takes, and the certificate (PEM) that it shows, if any."""

    url: str
    token: str
    certificate: str = ""


@contextmanager
def engine_for_a_run(
    layout: Layout, context: Context, report: Callable[[str, float | None], None]
) -> Iterator[EngineAddress]:
    """Yield the running engine of this workspace, or one that lives as long as the block, on any free port.

    Raises :class:`ImJoyError` ``engine.hung`` and what starting an engine raises.
    """
    found_engine = find_engine(layout)
    if found_engine.condition is Condition.SILENT:
        raise ImJoyError(
            "engine.hung",
            "The engine of this workspace does not answer.",
            why="Its process is there, but did not prove itself within 3 s.",
            fix="imjoy stop",
        )
    if found_engine.condition is Condition.PROVEN and found_engine.state is not None:
        yield EngineAddress(found_engine.state.url, read_token(layout), found_engine.state.certificate)
        return
    report("Starting an engine for this run", None)
    engine = launch_engine(ServeOptions(layout=layout, port=0), context, detach=False)
    try:
        event = engine.wait_until_ready(report)
        # Before the token goes there: another program may answer at that address.
        if find_engine(layout).condition is not Condition.PROVEN:
            raise ImJoyError(
                "engine.hung",
                f"What answers at {event['url']} is not the engine that was started for this run.",
                why="It did not prove within 3 s that it is.",
                fix="run this again",
            )
        yield EngineAddress(str(event["url"]), read_token(layout))
    finally:
        engine.request_stop()
        engine.wait()


def run_passing_through(options: RunOptions, address: EngineAddress, context: Context) -> int:
    """Run with our own stdin and stdout, one JSON document a line, and return the exit code."""
    return subprocess.run(
        module_command(ENGINE_MODULE, options.arguments()), env=_environ(address, context), check=False
    ).returncode


class PluginRun:
    """A run whose events are read here, and whose questions are answered here."""

    def __init__(self, options: RunOptions, address: EngineAddress, context: Context) -> None:
        self._process = spawn(
            module_command(ENGINE_MODULE, [*options.arguments(), "--lifeline"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            environ=_environ(address, context),
        )

    def events(self) -> Iterator[Event]:
        """Yield the events as they come, until the run ends."""
        for line in cast("IO[bytes]", self._process.stdout):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event

    def answer(self, call_id: object, value: object) -> None:
        """Answer one call of the plugin."""
        stdin = cast("IO[bytes]", self._process.stdin)
        stdin.write(json.dumps({"answer": value, "id": call_id}).encode() + b"\n")
        stdin.flush()

    def end(self) -> int:
        """Return the exit code; a run that still goes on is ended, by terminate (5 s) and kill."""
        if self._process.poll() is None and not self._finished():
            self._process.terminate()
            if not self._finished():
                self._process.kill()
                self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        return self._process.returncode

    def interrupt(self) -> None:
        """Ask the run to end, by closing its stdin."""
        cast("IO[bytes]", self._process.stdin).close()

    def _finished(self) -> bool:
        try:
            self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        return True


def _environ(address: EngineAddress, context: Context) -> dict[str, str]:
    return {
        **ALLOCATOR_VARIABLES,
        **context.environ,
        URL_VARIABLE: address.url,
        TOKEN_VARIABLE: address.token,
        CERTIFICATE_VARIABLE: address.certificate,
    }


def absolute_files(files: Sequence[str]) -> tuple[Path, ...]:
    """Return the plugin files as absolute paths. Raises :class:`ImJoyError` ``run.no-file``."""
    paths = tuple(typed_path(file) for file in files)
    for path in paths:
        if not path.is_file():
            raise ImJoyError(
                "run.no-file",
                f"There is no plugin file {path}.",
                fix="Give the path of a file that ends in .imjoy.html.",
                exit_code=ExitCode.USAGE,
            )
    return paths
