"""Starts the engine: its command line, its first words, its end."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from imjoy.context import Context
from imjoy.effects.machine.own_command import COMMAND_VARIABLE, own_command
from imjoy.effects.processes.process import birth_of, end_process_tree, module_command, spawn
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.model.project import (
    ALLOCATOR_VARIABLES,
    DEFAULT_FORCE_QUIT_SECONDS,
    DEFAULT_HOST,
    DEFAULT_MAX_MESSAGE_BYTES,
    DEFAULT_PORT,
    ENGINE_MODULE,
    TOKEN_VARIABLE,
)

STOP_WITH_STDIN = "--lifeline"
"""The option with which an engine ends when its stdin closes."""
BOOT_SILENCE_SECONDS = 60.0
"""The longest wait for the next sign of life of an engine that starts; a download reports far more often."""
EVIDENCE_BYTES = 4000
EVIDENCE_LINES = 12

Event = dict[str, object]


@dataclass(frozen=True)
class ServeOptions:
    """What ``imjoy start`` asks of the engine. ``token`` travels through its environment, never its argv."""

    layout: Layout
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str | None = None
    serve: bool = False
    app_dir: Path | None = None
    freeze: bool = False
    env: str | None = None
    debug: bool = False
    cluster: str | None = None
    cluster_insecure: bool = False
    force_quit_seconds: float = DEFAULT_FORCE_QUIT_SECONDS
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    tls: bool = False
    certfile: Path | None = None
    keyfile: Path | None = None
    base_url: str = ""
    trusted_proxies: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return the arguments of ``python -m imjoy_engine``."""
        words = ["serve", "--host", self.host, "--port", str(self.port)]
        words += ["--workspace", str(self.layout.workspace), "--prefix", str(self.layout.prefix)]
        words += ["--force-quit-timeout", f"{self.force_quit_seconds:g}"]
        words += ["--max-message-size", str(self.max_message_bytes)]
        if self.app_dir is not None:
            words += ["--app-dir", str(self.app_dir)]
        elif self.serve:
            words.append("--serve")
        words += ["--env", self.env] if self.env else []
        words += ["--cluster", self.cluster] if self.cluster else []
        words += ["--cluster-insecure"] if self.cluster_insecure else []
        for flag, wanted in (("--freeze", self.freeze), ("--debug", self.debug), ("--tls", self.tls)):
            words += [flag] if wanted else []
        for option, file in (("--certfile", self.certfile), ("--keyfile", self.keyfile)):
            words += [option, str(file)] if file is not None else []
        for origin in self.allow_origins:
            words += ["--allow-origin", origin]
        for host in self.allow_hosts:
            words += ["--allow-host", host]
        words += ["--base-url", self.base_url] if self.base_url else []
        for proxy in self.trusted_proxies:
            words += ["--trust-proxy", proxy]
        return words


class EngineProcess:
    """An engine that was started here. Attached, it ends when its stdin closes; detached, it stays."""

    def __init__(
        self, process: subprocess.Popen[bytes], evidence: IO[bytes] | None, *, detached: bool
    ) -> None:
        self.detached = detached
        self._process = process
        self._evidence = evidence
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def wait_until_ready(self, report: Callable[[str, float | None], None]) -> Event:
        """Return the engine's ``ready`` or ``running`` event; ``report`` gets what it does until then, and how far.

        Raises the :class:`ImJoyError` that the engine answered, ``engine.boot`` when it ended without an answer, or
        ``engine.silent`` when it said nothing for 60 s (it is ended).
        """
        for event in self._events():
            kind = event.get("event")
            if kind == "progress":
                done, total = event.get("done"), event.get("total")
                known = isinstance(done, int | float) and isinstance(total, int | float) and total > 0
                report(
                    str(event.get("text", "")), cast("float", done) / cast("float", total) if known else None
                )
            elif kind == "failed":
                self._process.wait()
                raise _pointing_to_the_doctor(
                    ImJoyError.from_json(cast("dict[str, object]", event.get("error", {})))
                )
            elif kind in ("ready", "running"):
                return event
        exit_code = self._process.wait()
        from imjoy.engines.boot_failures import explain_boot

        failure = explain_boot(exit_code, self.output_tail())
        raise ImJoyError(
            "engine.boot", "The engine ended before it was ready.", why=failure.why, fix=failure.fix
        )

    def request_stop(self) -> None:
        """Ask the engine to stop in order. Safe to repeat, and in a signal handler."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        else:
            self._process.terminate()

    def end_now(self) -> None:
        """End the engine and all that it started, by terminate (5 s) and kill (3 s)."""
        if self._process.poll() is None:
            end_process_tree(self._process.pid, birth_of(self._process.pid))

    def wait(self) -> int:
        """Wait for the engine to end, however long it serves, and return its exit code."""
        while sys.platform == "win32":
            # Windows delivers a Ctrl-C only between waits.
            try:
                return self._process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
        return self._process.wait()

    def output_tail(self) -> str:
        """Return the end of what the engine wrote to stderr; empty with ``--debug``, where the terminal has it."""
        if self._evidence is None:
            return ""
        size = self._evidence.seek(0, os.SEEK_END)
        self._evidence.seek(max(0, size - EVIDENCE_BYTES))
        lines = self._evidence.read().decode("utf-8", errors="replace").strip().splitlines()
        return "\n".join(lines[-EVIDENCE_LINES:])

    def _read(self) -> None:
        stdout = cast("IO[bytes]", self._process.stdout)
        for line in stdout:
            self._lines.put(line)
        stdout.close()
        self._lines.put(b"")

    def _events(self) -> Iterator[Event]:
        while True:
            try:
                line = self._lines.get(timeout=BOOT_SILENCE_SECONDS)
            except queue.Empty as error:
                self.end_now()
                raise ImJoyError(
                    "engine.silent",
                    f"The engine printed nothing for {BOOT_SILENCE_SECONDS:g} s and was ended.",
                    why=self.output_tail(),
                    fix="imjoy doctor",
                ) from error
            if not line:
                return
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                yield event


def _pointing_to_the_doctor(error: ImJoyError) -> ImJoyError:
    """Return an error of the engine with a next step that helps where it has not even a log yet."""
    if error.id == "internal":
        from imjoy.engines.boot_failures import DOCTOR, known_cause

        failure = known_cause(error.why)
        error.why, error.fix = (failure.why, failure.fix) if failure else (error.why, DOCTOR)
    return error


def launch_engine(options: ServeOptions, context: Context, *, detach: bool) -> EngineProcess:
    """Start an engine and return at once. Raises :class:`ImJoyError` ``engine.unstartable``."""
    arguments = options.arguments() + ([] if detach else [STOP_WITH_STDIN])
    environ = {**ALLOCATOR_VARIABLES, **context.environ, COMMAND_VARIABLE: own_command()}
    if options.token is not None:
        environ[TOKEN_VARIABLE] = options.token
    return _spawn_engine(
        module_command(ENGINE_MODULE, arguments),
        environ,
        detach=detach,
        to_terminal=options.debug and not detach,
    )


def launch_again(argv: Sequence[str], port: int, context: Context) -> EngineProcess:
    """Start an engine in the background by the command line of one that has ended, at the port that it had.

    Raises :class:`ImJoyError` ``engine.unstartable``.
    """
    words = [word for word in argv if word != STOP_WITH_STDIN]
    words[words.index("--port") + 1] = str(port)
    # An engine that has itself started again knows what a person types; `python -m imjoy` does not.
    environ = {**ALLOCATOR_VARIABLES, COMMAND_VARIABLE: own_command(), **context.environ}
    return _spawn_engine(words, environ, detach=True, to_terminal=False)


def _nameless_file() -> IO[bytes]:
    """Return what the engine's last words go into; it lives as long as the EngineProcess, which reads it after a crash.

    A file, not a pipe: a detached engine outlives us, and would write into a pipe that nobody reads.
    """
    if sys.platform == "linux":
        # In memory, so that a full disk does not matter; and the engine starts 3 ms earlier than with `tempfile`.
        return os.fdopen(os.memfd_create("imjoy-engine-stderr"), "w+b")
    import tempfile

    return cast("IO[bytes]", tempfile.TemporaryFile())


def _spawn_engine(
    argv: Sequence[str], environ: Mapping[str, str], *, detach: bool, to_terminal: bool
) -> EngineProcess:
    evidence = None if to_terminal else _nameless_file()
    try:
        process = spawn(
            argv,
            stdin=subprocess.DEVNULL if detach else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=evidence,
            environ=environ,
        )
    except OSError as error:
        if evidence is not None:
            evidence.close()
        raise ImJoyError(
            "engine.unstartable",
            "The engine could not be started.",
            why=str(error),
            fix="imjoy doctor",
            exit_code=ExitCode.FAILED,
        ) from error
    return EngineProcess(process, evidence, detached=detach)
