"""Runs the commands of an install or upgrade one after another: output in a log, known to the lock, ended with us."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Thread
from typing import IO, Optional, TypedDict

from imjoy.bug_report import redact
from imjoy.context import Context
from imjoy.effects.disk.lock import InstallLock
from imjoy.effects.processes.supervised import Output, Supervised
from imjoy.model.errors import ExitCode
from imjoy.model.printable import printable
from imjoy.provision.facts.machine import isolated
from imjoy.provision.steps.timings import StepTime, measured

STEP_SECONDS = 3600.0
"""No step may take longer; a slow disk and a slow network are well under it."""
FINAL_OUTPUT_SECONDS = 2.0
"""A step that left something running, which holds its output open, is not waited for longer than this."""
EVIDENCE_LINES = 12
SEARCHED_LINES = 60
NETWORK_WORDS = (
    *("NewConnectionError", "NameResolutionError", "Temporary failure in name resolution", "ConnectTimeout"),
    *("ReadTimeout", "ProxyError", "Could not resolve host", "Network is unreachable", "Connection refused"),
    *("CondaHTTPError", "SSLError", "unable to connect", "Failed to connect", "unable to access"),
)

Report = Callable[[str, Optional[float]], None]


class StepFailed(Exception):
    """A command of an install that could not start, said no, or took too long; ``what`` is a sentence."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Evidence(TypedDict):
    """What a step that failed leaves to tell."""

    why: str
    fix: str
    exit_code: ExitCode


class Steps:
    """Runs steps, and notes in ``times`` how long each took.

    ``temporary`` is their folder for scratch files; with ``verbose`` what they print is shown on stderr, too.
    """

    def __init__(
        self,
        log: Path,
        temporary: Path,
        lock: InstallLock,
        context: Context,
        report: Report,
        *,
        verbose: bool = False,
    ) -> None:
        self.log = log
        self.times: list[StepTime] = []
        self._temporary = temporary
        self._lock = lock
        self._context = context
        self._report = report
        self._verbose = verbose

    def begin(self, line: str) -> None:
        """Start the log anew, beside the old one where somebody, such as a scanner, holds that."""
        try:
            self.log.write_text(line + "\n", encoding="utf-8")
        except PermissionError:
            self.log = self.log.with_name(f"{self.log.stem}-{os.getpid()}.log")
            self.log.write_text(line + "\n", encoding="utf-8")

    def note(self, text: str) -> None:
        """Add to the log what no command of it said. Raises ``OSError``."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"\n{text}\n")

    def says(self, words: str) -> bool:
        """Whether these words stand in the log. Raises ``OSError``."""
        return words in self.log.read_text(encoding="utf-8", errors="replace")

    def run(
        self, title: str, command: Sequence[str] | str, *, environ: Mapping[str, str] | None = None
    ) -> None:
        """Run one command to its end, as the leader of a session that the lock knows; ``environ`` adds variables.

        Raises :class:`StepFailed`. Whatever is raised, the command and what it started have ended.
        """
        self._report(title, None)
        with self.log.open("ab") as log:
            log.write(f"\n$ {command if isinstance(command, str) else ' '.join(command)}\n".encode())
            log.flush()
            environment = {**isolated(self._context.environ, self._temporary), **(environ or {})}
            output = subprocess.PIPE if self._verbose else log
            process = self._start(title, command, output, subprocess.STDOUT, environment)
            shown = Thread(target=_show, args=(process.stdout, self.log), daemon=True)
            if self._verbose:
                shown.start()
            code = self._wait(title, process)
        if self._verbose:
            shown.join(FINAL_OUTPUT_SECONDS)
        if code != 0:
            raise StepFailed(f"{title}: it failed with exit code {code}.")

    def run_shown(self, title: str, command: Sequence[str]) -> int:
        """Run one command that speaks to the person itself; return its exit code. Raises :class:`StepFailed`."""
        return self._wait(title, self._start(title, command, None, None, isolated(self._context.environ)))

    def _start(
        self,
        title: str,
        command: Sequence[str] | str,
        stdout: Output,
        stderr: Output,
        environ: Mapping[str, str],
    ) -> Supervised:
        try:
            return Supervised(command, stdout=stdout, stderr=stderr, environ=environ)
        except OSError as error:
            raise StepFailed(f"{title}: it could not be started: {error}") from error

    def _wait(self, title: str, process: Supervised) -> int:
        """Wait for a step, which the lock knows meanwhile; whatever is raised, it has ended."""
        try:
            self._lock.note_step(process.pid)
            with measured(title, self.times):
                return process.wait(STEP_SECONDS)
        except BaseException as error:
            process.end()
            if isinstance(error, subprocess.TimeoutExpired):
                raise StepFailed(f"{title} took over an hour.") from error
            raise
        finally:
            self._lock.note_step(None)

    def evidence(self, kept: Path, state: str) -> Evidence:
        """Write the log, redacted, to ``kept`` and return its last words; ``state`` says how things stand now."""
        text = redact(self.log.read_text(encoding="utf-8", errors="replace"), self._context, secrets=())
        lines = text.strip().splitlines()
        network = any(word in line for line in lines[-SEARCHED_LINES:] for word in NETWORK_WORDS)
        kept.write_text(text, encoding="utf-8")
        return {
            "why": "\n".join(lines[-EVIDENCE_LINES:]),
            "fix": f"{state}; the log is {kept}",
            "exit_code": ExitCode.NETWORK_NEEDED if network else ExitCode.FAILED,
        }


def _show(output: IO[bytes], log: Path) -> None:
    with output, log.open("ab") as kept:
        for line in output:
            kept.write(line)
            kept.flush()
            # A bar that begins anew becomes a line of its own.
            text = line.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
            sys.stderr.write(printable(text, lines=True))
            sys.stderr.flush()
