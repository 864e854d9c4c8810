"""What operations return: frozen, complete, and rendered as text or JSON from the same object."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Result:
    """Anything that an operation returns."""

    def as_json(self) -> dict[str, object]:
        """Return the document that ``--json`` prints."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_plain(each) for each in value]
    return value


@dataclass(frozen=True)
class EngineStarted(Result):
    """An engine that serves; ``already_running`` when it did so before we asked.

    ``base_url`` is where a reverse proxy shows it, if one does; ``fingerprint`` is its certificate's (SHA-256), empty
    for plain http; ``tunnel`` is the ssh line that leads to it.
    """

    url: str
    host: str
    port: int
    pid: int
    instance: str
    token_file: Path
    log_file: Path
    urls: tuple[str, ...]
    fingerprint: str
    tunnel: str
    serve: bool
    detached: bool
    first_launch: bool
    already_running: bool
    base_url: str = ""


@dataclass(frozen=True)
class EngineEnded(Result):
    """A foreground engine that has stopped, and why: a Ctrl-C, a signal to us, or somebody else's wish."""

    because: Literal["interrupted", "terminated", "stopped"]


@dataclass(frozen=True)
class EngineStopped(Result):
    """What ``imjoy stop`` found and did. ``how`` is ``none`` when nothing ran."""

    url: str | None
    pid: int | None
    how: Literal["none", "asked", "terminated", "killed"]


@dataclass(frozen=True)
class EngineStatus(Result):
    """The engine of one workspace. ``details`` is its own answer to ``GET /api/v1/status``."""

    running: bool
    workspace: Path
    url: str | None = None
    pid: int | None = None
    note: str = ""
    details: dict[str, object] = field(default_factory=dict)
    fingerprint: str = ""


@dataclass(frozen=True)
class ConnectionToken(Result):
    """The connection token and what was just done with it."""

    token: str
    token_file: Path
    rotated: bool = False
    copied_with: str | None = None
    restart_needed: bool = False
