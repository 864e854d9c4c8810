"""SLURM from within an allocation: plugins are steps of the job that the engine runs in, and wait in no queue."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imjoy.model.errors import ImJoyError
from imjoy_engine.launchers import JobStatus, Resources
from imjoy_engine.launchers.cluster import Ending
from imjoy_engine.launchers.slurm import MIB, Slurm

JOB_VARIABLE = "SLURM_JOB_ID"
# So long a step may take to begin before it counts as one that waits.
PATIENCE_SECONDS = 3.0
END_SECONDS = 5.0


@dataclass
class _Step:
    process: asyncio.subprocess.Process
    input: asyncio.Task[None]
    output: asyncio.Task[bytes]
    since: float = field(default_factory=time.monotonic)


class SlurmSteps(Slurm):
    """The steps of one allocation, each by an ``srun`` that lives as long as its worker."""

    known_resources = ("cpus", "gpus", "memory")

    def __init__(self, environ: Mapping[str, str], options: Sequence[str], workspace: str) -> None:
        super().__init__(environ, options, workspace)
        self._allocation = environ[JOB_VARIABLE]
        self._numbers = itertools.count(1)
        self._steps: dict[str, _Step] = {}

    async def submit(self, script: str, variables: Mapping[str, str], name: str, resources: Resources) -> str:
        """Begin a step. The script goes by standard input, the variables by its own.

        Waits for nothing: srun reads no script before the allocation has room, and a script fills more than a pipe.

        What an account and a partition have to say, and a time, the allocation has said already.
        """
        words = ["srun", "--overlap", "--exact", "--nodes=1", "--ntasks=1", "--chdir=/", "--quiet"]
        words += ["--export=ALL", "--output=none", f"--cpus-per-task={max(1, resources.cpus)}"]
        words += [f"--gres=gpu:{resources.gpus}"] if resources.gpus else []
        words += [f"--mem={-(-resources.memory // MIB)}M"] if resources.memory else []
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                "/bin/sh",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                env={**self._of_jobs, **variables},
            )
        except OSError as error:
            raise ImJoyError(
                "cluster.refused",
                f"SLURM begins no step for {name}.",
                why=f"srun: {error.strerror}",
                fix="Have srun on PATH where the engine is started.",
            ) from error
        assert process.stdin is not None and process.stderr is not None
        step = f"{self._allocation}.{next(self._numbers)}"
        self._steps[step] = _Step(
            process,
            asyncio.ensure_future(_feed(process.stdin, script)),
            asyncio.ensure_future(process.stderr.read()),
        )
        return step

    async def poll_jobs(self) -> Mapping[str, JobStatus] | None:
        """Return the steps that live; how long the allocation has is how long they have."""
        jobs = await super().poll_jobs()
        if jobs is None:
            return None
        allocation = jobs.get(self._allocation)
        ends = allocation.ends if allocation else None
        return {
            name: JobStatus(self.name, name, "PENDING", self._why(step), "", "", None, ends)
            for name, step in self._steps.items()
            if step.process.returncode is None
        }

    @staticmethod
    def _why(step: _Step) -> str:
        late = time.monotonic() - step.since > PATIENCE_SECONDS
        return "the allocation has no room for it" if late else ""

    async def explain(self, job: str, *, signalled: bool = False) -> Ending:
        """Return what became of a step, or of the allocation with it."""
        whole = await super().explain(self._allocation, signalled=True)
        step = self._steps.get(job)
        if whole.state not in ("RUNNING", "COMPLETING") and whole.id:
            return whole
        if step is None:
            return Ending("", "", "nothing is known of the step", 0)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(step.process.wait(), END_SECONDS)
        code = step.process.returncode
        if code is None:
            return Ending("", "RUNNING", "srun still runs", 0)
        last = (await step.output).decode(errors="replace").strip().splitlines()[-1:]
        last_line = f": {last[0]}" if last else ""
        return Ending("", "ENDED", f"srun ended with exit code {code}{last_line}", code)

    async def cancel(self, job: str) -> None:
        """End a step."""
        step = self._steps.pop(job, None)
        if step is None:
            return
        for end in (step.process.terminate, step.process.kill):
            if step.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    end()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(step.process.wait(), END_SECONDS)
        step.input.cancel()
        # A child that srun has left may hold the other end.
        await asyncio.wait({step.input, step.output}, timeout=END_SECONDS)
        step.output.cancel()


async def _feed(stdin: asyncio.StreamWriter, script: str) -> None:
    with contextlib.suppress(ConnectionError):
        stdin.write(script.encode())
        await stdin.drain()
    stdin.close()
