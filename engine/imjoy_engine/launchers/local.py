"""Starts workers as processes of this machine, and ends them with everything they started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imjoy.model.project import ALLOCATOR_VARIABLES
from imjoy_engine.environments.prefix import prefix_and_path_folders
from imjoy_engine.launchers import Watcher, WorkerExit, WorkerSpec
from imjoy_engine.processes.child import Child
from imjoy_engine.processes.variables import INHERITED_VARIABLES, SET_VARIABLES

if TYPE_CHECKING:
    from imjoy_engine.processes.job import Job

TERMINATE_SECONDS = 2.0
KILL_SECONDS = 4.0
FINAL_OUTPUT_SECONDS = 0.5


def plugin_environment(environ: Mapping[str, str], python: Path) -> dict[str, str]:
    """Return the environment variables for a worker that runs under ``python``, whose programs come first on PATH."""
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() in INHERITED_VARIABLES or name.startswith("LC_")
    }
    kept["PATH"] = os.pathsep.join(
        [*map(str, prefix_and_path_folders(python)[1]), kept.get("PATH", os.defpath)]
    )
    return {**ALLOCATOR_VARIABLES, **kept, **SET_VARIABLES}


# A group in our session, not a session of its own: POSIX then hangs up on what is suspended when we are killed (a group
# with stopped members loses its last parent in the session), and could not end itself.
_OWN_GROUP: dict[str, Any] = {}
if sys.platform != "win32":
    _OWN_GROUP = {"process_group": 0} if sys.version_info >= (3, 11) else {"preexec_fn": os.setpgrp}

# Of CreateProcess: it runs nothing before it is in its job.
CREATE_SUSPENDED = 0x4

WORKER_SCRIPT = Path(__file__).parent.parent / "worker" / "__main__.py"


def _new_job() -> Job | None:
    """Return what ends everything that a worker starts, where processes have no supervisor."""
    if sys.platform != "win32":
        return None
    from imjoy_engine.processes.job import Job

    return Job()


class LocalWorker:
    """One worker process. Its standard input is a pipe of ours: it ends when we do, however we end.

    On POSIX the process that we start is the worker's supervisor, which ends as the worker did when nothing is left of
    what that started (see ``worker/processes/supervisor.py``). On Windows a job object does that.
    """

    node = ""

    def __init__(self, transport: asyncio.SubprocessTransport, child: Child) -> None:
        self._transport = transport
        self._child = child
        self.pid = transport.get_pid()

    async def wait(self) -> WorkerExit:
        """Wait for the process to end and for what it wrote."""
        await asyncio.shield(self._child.exited)
        # Somebody may hold the pipes open; what he writes is not waited for.
        await asyncio.wait({self._child.silent}, timeout=FINAL_OUTPUT_SECONDS)
        self._transport.close()
        return WorkerExit(self._transport.get_returncode())

    def suspended(self) -> bool:
        """Whether the process was stopped by a signal and waits to be continued."""
        import psutil

        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False

    async def end(self, grace: float) -> None:
        """Wait ``grace`` seconds for it to leave by itself, then terminate and kill it with all that it started.

        Takes at most ``grace`` + 10 seconds; returns when it is gone.
        """
        if await self._child.exits_within(grace):
            return
        with contextlib.suppress(ProcessLookupError):
            self._transport.terminate()
        if await self._child.exits_within(TERMINATE_SECONDS):
            return
        input_pipe = self._transport.get_pipe_transport(0)
        if input_pipe is not None:
            input_pipe.close()
        if await self._child.exits_within(KILL_SECONDS):
            return
        # The supervisor itself does not answer. The worker's own end of such a pipe is in its hands.
        with contextlib.suppress(ProcessLookupError):
            self._transport.kill()
        await self._child.exits_within(KILL_SECONDS)


class LocalLauncher:
    """Starts workers here."""

    async def check(self) -> None:
        """Nothing is needed."""

    async def start(self, start: WorkerSpec, watcher: Watcher) -> LocalWorker:
        """Start a worker here, in a group of its own, so that Ctrl-C in our terminal does not reach it.

        Raises OSError when it cannot be started.
        """
        job = _new_job()
        if job is None:
            return LocalWorker(*await self._spawn(start, watcher))
        try:
            transport, child = await self._spawn(start, watcher, creationflags=CREATE_SUSPENDED)
        except BaseException:
            job.close()
            raise
        child.exited.add_done_callback(lambda _: job.close())
        with contextlib.suppress(OSError):
            job.take_and_resume(transport.get_pid())
        return LocalWorker(transport, child)

    @staticmethod
    async def _spawn(
        start: WorkerSpec, watcher: Watcher, creationflags: int = 0
    ) -> tuple[asyncio.SubprocessTransport, Child]:
        return await asyncio.get_running_loop().subprocess_exec(
            lambda: Child(watcher.output),
            str(start.python),
            *start.options,
            str(WORKER_SCRIPT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**plugin_environment(os.environ, start.python), **start.variables},
            cwd=start.work_dir,
            creationflags=creationflags,
            **_OWN_GROUP,
        )

    async def close(self) -> None:
        """Nothing is held."""
