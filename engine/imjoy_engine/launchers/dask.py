"""Dask, and through it whatever Dask reaches: PBS, LSF, SGE, HTCondor, Kubernetes, clouds, ssh.

The person makes the Dask cluster. It runs nothing of ours but ``subprocess.run`` of a shell, which is sent by
reference: its workers may have another Python than the engine, and need nothing but Dask.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import re
import secrets
import shlex
import subprocess
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from imjoy.effects.network.addresses import LOOPBACK
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.launchers import JobStatus, Resources
from imjoy_engine.launchers.cluster import Ending

CONNECT_SECONDS = 10.0
# So long a task may be under way before it counts as one that waits.
PATIENCE_SECONDS = 2.0
CANCEL_SECONDS = 10.0
SCHEMES = ("tls", "tcp")


@dataclass
class _Task:
    future: Any
    name: str
    wants_gpu: bool
    connection: Any
    since: float = field(default_factory=time.monotonic)


class Dask:
    """The Dask cluster whose scheduler is at ``target``: an address, or a scheduler file.

    With ``insecure`` it may be one that does not encrypt although it is on another machine.
    """

    name = "Dask"
    known_resources: tuple[str, ...] = ("gpus",)

    def __init__(self, target: str, *, insecure: bool) -> None:
        self._target = target
        self._insecure = insecure
        self._client: Any = None
        self._tasks: dict[str, _Task] = {}

    async def check(self) -> None:
        """Connect. Raises ImJoyError ``cluster.missing`` or ``cluster.insecure``."""
        address = self._address()
        try:
            distributed = importlib.import_module("distributed")
        except ImportError as error:
            raise self._missing(
                "Dask is not installed here.", str(error), "pip install 'imjoy[dask]'"
            ) from error
        try:
            with warnings.catch_warnings():
                # Its workers may have another Python: nothing of ours is run in it.
                warnings.simplefilter("ignore")
                client = distributed.Client(
                    address, asynchronous=True, timeout=CONNECT_SECONDS, set_as_default=False, name="imjoy"
                )
                self._client = await asyncio.wait_for(client, 2 * CONNECT_SECONDS)
        except (
            Exception
        ) as error:  # of a server that is no Dask it takes the first bytes for a size, and has no memory
            raise self._missing(
                f"No Dask scheduler answers at {address}.",
                f"{type(error).__name__}: {error}",
                "Look whether it runs, and for tls:// whether Dask's own configuration has the certificates.",
            ) from error

    def _address(self) -> str:
        address = self._target
        if "://" not in address:
            try:
                document = json.loads(Path(address).expanduser().read_text(encoding="utf-8"))
                address = str(document["address"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise self._missing(
                    f"{address} is no scheduler file.",
                    str(error),
                    "imjoy start --cluster dask=tls://HOST:8786, or the scheduler's own --scheduler-file",
                ) from error
        parts = urlsplit(address)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise self._missing(
                f"{address} is no address of a Dask scheduler.",
                "It begins with tls:// or tcp://.",
                "dask=tls://HOST:8786",
            )
        if parts.scheme == "tcp" and parts.hostname not in LOOPBACK and not self._insecure:
            raise ImJoyError(
                "cluster.insecure",
                f"{address} is not encrypted, and is on another machine.",
                why="Whoever reaches such a scheduler runs programs as you, and reads what plugins are started with.",
                fix="Give Dask certificates (tls://), or --cluster-insecure on a network that is yours alone.",
                exit_code=ExitCode.USAGE,
            )
        return address

    @staticmethod
    def _missing(what: str, why: str, fix: str) -> ImJoyError:
        return ImJoyError("cluster.missing", what, why=why, fix=fix)

    async def submit(self, script: str, variables: Mapping[str, str], name: str, resources: Resources) -> str:
        """Have one of its workers run the script; the variables are in it, as it goes by standard input."""
        exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in variables.items())
        key = f"imjoy-{re.sub(r'[^A-Za-z0-9_.]+', '-', name)[:40]}-{secrets.token_hex(8)}"
        options: dict[str, Any] = {"resources": {"GPU": resources.gpus}} if resources.gpus else {}
        try:
            future = self._client.submit(
                subprocess.run,
                ["/bin/sh"],
                input=(exports + script).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                key=key,
                pure=False,
                retries=0,
                **options,
            )
        except Exception as error:  # whatever a library of this size raises, when its scheduler has gone
            raise ImJoyError(
                "cluster.refused",
                f"Dask takes no task for {name}.",
                why=str(error),
                fix="Look whether Dask runs.",
            ) from error
        self._tasks[key] = _Task(future, name, bool(resources.gpus), self._client.scheduler_comm)
        return key

    async def poll_jobs(self) -> Mapping[str, JobStatus] | None:
        """Return the tasks that wait or run. None while the scheduler does not answer."""
        if self._client.status != "running":
            return None
        return {
            key: self._place(key, task)
            for key, task in self._tasks.items()
            if task.future.status == "pending"
        }

    def _place(self, key: str, task: _Task) -> JobStatus:
        why = ""
        if time.monotonic() - task.since > PATIENCE_SECONDS:
            why = "no worker with a free GPU has taken it" if task.wants_gpu else "no worker has taken it"
        return JobStatus(self.name, key, "PENDING", why, "", "", None, None)

    async def explain(self, job: str, *, signalled: bool = False) -> Ending:
        """Return what became of a task."""
        task = self._tasks.get(job)
        if task is None:
            return Ending("", "", "nothing is known of the task", 0)
        status = str(task.future.status)
        if status == "finished":
            done = await task.future.result()
            return Ending("", status, f"its script ended with exit code {done.returncode}", done.returncode)
        if status == "error":
            return Ending("", status, str(await task.future.exception())[:500], 0)
        if status in ("cancelled", "lost"):
            if self._client.scheduler_comm is not task.connection:
                # Its client takes all its tasks for cancelled then; they may well run.
                return Ending("", status, "the connection to the scheduler was lost", 0)
            return Ending("cluster.cancelled", status, f"the task is {status}", 0)
        return Ending("", status, f"the task is {status}", 0)

    async def cancel(self, job: str) -> None:
        """Forget a task: one that waits is not begun, one that runs ends with its connection to the engine."""
        task = self._tasks.pop(job, None)
        if task is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(task.future.cancel(), CANCEL_SECONDS)

    async def close(self) -> None:
        """Leave the scheduler, which then forgets what waits."""
        if self._client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._client.close(), CANCEL_SECONDS)
