"""What a check is, what it finds, and what an examination returns. No I/O in here."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from imjoy.context import Context
from imjoy.model.layout import Layout
from imjoy.model.project import DEFAULT_HOST, DEFAULT_PORT
from imjoy.model.results import Result

SCHEMA = 1
"""The version of the document that ``imjoy doctor --json`` prints."""

GROUPS = {
    "host": "This machine",
    "path": "The imjoy command",
    "install": "The installation",
    "upgrade": "Upgrades",
    "git": "git",
    "conda": "conda",
    "net": "The network",
    "engine": "The engine",
    "port": "The port",
    "remote": "Access from another machine",
    "webapp": "The app without a network",
}


class Status(str, Enum):
    """How a check went, from best to worst after ``SKIPPED``."""

    SKIPPED = "skipped"
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    CRASHED = "crashed"


class Kind(Enum):
    """What a check waits for, and how many seconds it may."""

    PROCESS = 20.0
    NETWORK = 5.0


@dataclass(frozen=True)
class Machine:
    """What is examined: this context's machine, the prefix and workspace, the address the engine would take.

    ``shell`` is the name of the person's shell, ``search_path`` where this Python looks for packages.
    """

    context: Context
    layout: Layout
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    platform: str = sys.platform
    shell: str = ""
    interpreter: str = sys.executable
    search_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repair:
    """What a fix did; ``undo`` is what takes it back, ``diff`` what changed in a file of the person's."""

    undo: str = ""
    diff: str = ""


@dataclass(frozen=True)
class Fix:
    """A repair that the doctor can make: ``does`` says what will be done, as a sentence without a full stop."""

    does: str
    apply: Callable[[], Repair]


TYPED_PROGRAMS = ("imjoy ", "curl ", "powershell ", "sudo ", "chmod ", "pip ")
WORDS_BETWEEN = (", ", "; ", "    (")
"""What shows that more than a command stands there."""


@dataclass(frozen=True)
class Finding:
    """What a check saw: one sentence, the reason or evidence, and the command that repairs it, or lines of them.

    ``advice`` is what cannot be typed: an act where there is no command, or what to put into it.
    """

    status: Status
    what: str
    why: str = ""
    command: str = ""
    fix: Fix | None = None
    advice: str = ""


def ok(what: str) -> Finding:
    """Return that all is well."""
    return Finding(Status.OK, what)


def skip(what: str) -> Finding:
    """Return that there is nothing to look at here."""
    return Finding(Status.SKIPPED, what)


def warn(what: str, why: str, command: str, fix: Fix | None = None, *, advice: str = "") -> Finding:
    """Return what will trouble some people, or will trouble everybody later."""
    return Finding(Status.WARN, what, why, command, fix, advice)


def fail(what: str, why: str, command: str, fix: Fix | None = None, *, advice: str = "") -> Finding:
    """Return what keeps imjoy from working."""
    return Finding(Status.FAIL, what, why, command, fix, advice)


def command_and_advice(fix: str) -> tuple[str, str]:
    """Return the fix of an error as what can be typed, where it can, and as what is to be done, where it cannot."""
    typed = fix.startswith(TYPED_PROGRAMS) and not any(mark in fix for mark in WORDS_BETWEEN)
    return (fix, "") if typed else ("", fix)


@dataclass(frozen=True)
class Check:
    """One thing to look at. ``id`` is stable and dotted, its first word the group; ``explanation`` is Markdown.

    ``long`` is begun before the others: it waits for a process of its own, and the examination then waits for it.
    """

    id: str
    title: str
    look: Callable[[Machine], Finding]
    explanation: str
    kind: Kind = Kind.PROCESS
    long: bool = False

    @property
    def group(self) -> str:
        """The first word of the id."""
        return self.id.partition(".")[0]


@dataclass(frozen=True)
class CheckResult(Result):
    """A check and what it found, in ``milliseconds``; ``fix`` says what ``--fix`` would do, or is empty."""

    id: str
    group: str
    title: str
    status: Status
    what: str
    why: str
    command: str
    advice: str
    fix: str
    milliseconds: int

    def as_json(self) -> dict[str, object]:
        """Return the document that stands under ``checks``."""
        return {**super().as_json(), "status": self.status.value}


@dataclass(frozen=True)
class FixResult(Result):
    """A fix that was applied: ``error`` is empty when it worked; ``undo`` and ``diff`` as in :class:`Repair`."""

    id: str
    does: str
    error: str
    undo: str
    diff: str


@dataclass(frozen=True)
class Examination(Result):
    """All that was found, in the order of the registry, and what was repaired before the second look."""

    version: str
    python: str
    platform: str
    seconds: float
    checks: tuple[CheckResult, ...]
    fixes: tuple[FixResult, ...] = ()

    def count(self, status: Status) -> int:
        """Return how many checks ended so."""
        return sum(each.status is status for each in self.checks)

    def failed(self, *, strict: bool) -> bool:
        """Whether something is wrong; ``strict`` counts warnings too."""
        bad = self.count(Status.FAIL) + self.count(Status.CRASHED)
        return bad > 0 or (strict and self.count(Status.WARN) > 0)

    def as_json(self) -> dict[str, object]:
        """Return the document of ``--json``; ``docs/doctor.md`` describes it."""
        return {
            "schema": SCHEMA,
            "version": self.version,
            "python": self.python,
            "platform": self.platform,
            "seconds": round(self.seconds, 3),
            "ok": not self.failed(strict=False),
            "counts": {status.value: self.count(status) for status in Status},
            "checks": [each.as_json() for each in self.checks],
            "fixes": [each.as_json() for each in self.fixes],
        }
