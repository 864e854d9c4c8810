"""Where workers are started: the interface between a plugin's life and the machine that its process runs on.

:mod:`.local` starts them on this machine. Whatever the launcher, a worker connects back to the engine by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imjoy.model.errors import ImJoyError


@dataclass(frozen=True)
class Resources:
    """What a plugin wants of the machine that it runs on; zero is whatever there is. ``memory`` is in bytes."""

    cpus: int = 1
    gpus: int = 0
    memory: int = 0
    seconds: int = 0
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobStatus:
    """Where on a cluster a plugin runs, or what it waits for; ``starts`` and ``ends`` are seconds since the epoch."""

    cluster: str
    job: str
    state: str
    why: str
    node: str
    gpus: str
    starts: float | None
    ends: float | None


@dataclass(frozen=True)
class WorkerSpec:
    """A worker to start: ``python options… worker`` in ``work_dir``, with ``variables`` added to its environment."""

    plugin: str
    name: str
    python: Path
    options: Sequence[str]
    variables: Mapping[str, str]
    work_dir: Path
    resources: Resources = Resources()


@dataclass(frozen=True)
class WorkerExit:
    """How a worker ended: its exit code, negative for a signal, and why, where that was not its own doing."""

    code: int | None
    error: ImJoyError | None = None


class Watcher(Protocol):
    """Who is told, in the event loop, what becomes of a worker."""

    def output(self, stream: str, data: bytes) -> None:
        """Take what it wrote to ``stream``, which is ``stdout`` or ``stderr``."""

    def say(self, text: str) -> None:
        """Take a sentence for whoever uses the plugin."""

    def job_changed(self, place: JobStatus) -> None:
        """Take where it runs, or that this has changed."""


class Worker(Protocol):
    """A worker that was started. ``node`` is the name of its machine, empty for this one."""

    pid: int
    node: str

    def suspended(self) -> bool:
        """Whether it was stopped by a signal and waits to be continued."""

    async def end(self, grace: float) -> None:
        """Wait ``grace`` seconds for it to leave by itself, then end it with all that it started.

        Takes at most ``grace`` + 10 seconds; may be repeated.
        """

    async def wait(self) -> WorkerExit:
        """Wait for it to end, whoever still holds its output; what it had written by then has been handed over."""


class Launcher(Protocol):
    """Starts workers."""

    async def check(self) -> None:
        """Look whether workers can be started. Raises ImJoyError."""

    async def start(self, start: WorkerSpec, watcher: Watcher) -> Worker:
        """Start a worker; returns when its process runs.

        Raises OSError or ImJoyError when it cannot be started. Cancelled, it leaves nothing behind.
        """

    async def close(self) -> None:
        """Give back what this launcher holds; its workers have ended."""
