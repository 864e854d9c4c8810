"""SLURM, by its own commands: nothing to install, and the only way to learn why a job waits."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.launchers import JobStatus, Resources
from imjoy_engine.launchers.cluster import Ending
from imjoy_engine.processes.variables import INHERITED_VARIABLES

COMMAND_SECONDS = 20.0
CANCEL_SECONDS = 10.0
# The batch script hears of its end so long before it comes.
NOTICE_SECONDS = 30
# sbatch(1): because of the resolution of event handling the signal may come up to a minute earlier.
SLACK_SECONDS = 60
LOOKS, LOOK_AGAIN_SECONDS = 6, 0.25
# A controller that does not answer is asked again so soon to take a job back that it may have taken.
TAKE_BACK_SECONDS, TAKE_BACK_TRIES = 5.0, 120
MIB = 1 << 20
JOB_ID = re.compile(r"^\d+$")
SUBMITTED = re.compile(r"^(\d+)(?:;\S*)?$")  # sbatch(1), --parsable
QUEUE_FORMAT = "%i|%T|%r|%N|%S|%e|%b"
ENDED_BY = {
    "TIMEOUT": "cluster.time",
    "DEADLINE": "cluster.time",
    "OUT_OF_MEMORY": "cluster.memory",
    "CANCELLED": "cluster.cancelled",
    "PREEMPTED": "cluster.cancelled",
    "REVOKED": "cluster.cancelled",
}
NEVER = re.compile(r"^(Partition(Time|Node)Limit|BadConstraints|QOSMax|AssocMax|InvalidAccount|InvalidQOS)")
ACTIVE = {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STAGE_OUT"}


# What a job gets of our environment: what a plugin may see of it, and what the site's modules have put there; not what
# speaks of this machine alone. sbatch is given no more than that, and hands all of it over: told to hand over some of
# its variables by name, it has the node start the account's login shell for the others, which takes seconds.
OF_THIS_MACHINE = frozenset(
    [
        "CUDA_VISIBLE_DEVICES",
        "DBUS_SESSION_BUS_ADDRESS",
        "DISPLAY",
        "NVIDIA_VISIBLE_DEVICES",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
        "XDG_RUNTIME_DIR",
    ]
)
OF_MODULES = frozenset(["BASH_ENV", "LOADEDMODULES", "MANPATH", "_LMFILES_"])
PREFIXES = (
    "BASH_FUNC_",
    "LC_",
    "LMOD_",
    "MODULE",
    "SBATCH_",
    "SLURM_",
    "_ModuleTable",
    "__LMOD_",
    "__MODULES_",
)


class CommandRefused(Exception):
    """A command of SLURM's said no; the text is what it said."""


class Slurm:
    """One account's jobs on the SLURM that this machine belongs to. ``options`` are words for ``sbatch``."""

    name = "SLURM"
    known_resources: tuple[str, ...] = ("cpus", "gpus", "memory", "time")

    def __init__(self, environ: Mapping[str, str], options: Sequence[str], workspace: str) -> None:
        # By its name the next engine of a workspace knows a job that an engine which was killed has left in the queue.
        self._prefix = f"imjoy-{hashlib.sha256(workspace.encode()).hexdigest()[:8]}-"
        self._environ = {**environ, "LC_ALL": "C", "SLURM_TIME_FORMAT": "%s"}
        names = INHERITED_VARIABLES - OF_THIS_MACHINE | OF_MODULES
        self._of_jobs = {
            name: value
            for name, value in environ.items()
            if name.upper() in names or name in names or name.startswith(PREFIXES)
        }
        self._options = options
        self.taking_back: set[asyncio.Task[None]] = set()

    async def check(self) -> None:
        """Look whether SLURM is there and answers, and cancel what a killed engine has left."""
        try:
            await self.cancel_leftovers()
        except CommandRefused as error:
            raise ImJoyError(
                "cluster.missing",
                "SLURM cannot be used from this machine.",
                why=str(error),
                fix="Start the engine on a login node of the cluster, where `squeue` works.",
                exit_code=ExitCode.FAILED,
            ) from error

    async def submit(self, script: str, variables: Mapping[str, str], name: str, resources: Resources) -> str:
        """Submit a job. The script goes by standard input, variables by its own: nothing of it in argv or a file.

        What is in the queue although ``sbatch`` named no job is cancelled.
        """
        job_name = f"{self._prefix}{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)[:40]}-{secrets.token_hex(3)}"
        words = ["sbatch", "--parsable", "--no-requeue", "--export=ALL"]
        words += [f"--job-name={job_name}", "--chdir=/"]
        words += [f"--output={os.devnull}", f"--error={os.devnull}", f"--signal=B:TERM@{NOTICE_SECONDS}"]
        words += [f"--cpus-per-task={resources.cpus}"] if resources.cpus > 1 else []
        words += [f"--gres=gpu:{resources.gpus}"] if resources.gpus else []
        words += [f"--mem={-(-resources.memory // MIB)}M"] if resources.memory else []
        words += [f"--time={-(-resources.seconds // 60)}"] if resources.seconds else []
        try:
            environ = {**self._of_jobs, **variables}
            output = await self._run(*words, *self._options, *resources.extra, text=script, environ=environ)
            # Where sbatch is a script of the site's, a banner may stand before it and more behind it.
            jobs = [found[1] for line in output.splitlines() if (found := SUBMITTED.match(line.strip()))]
            if not jobs:
                raise CommandRefused(f"sbatch names no job: {output.strip()[:500]!r}")
        except CommandRefused as error:
            await self._take_back(job_name)
            raise ImJoyError(
                "cluster.refused",
                f"SLURM takes no job for {name}.",
                why=str(error),
                fix="Ask for what the cluster has: partition and account in cluster.toml, resources in the plugin.",
            ) from error
        return jobs[-1]

    async def _take_back(self, job_name: str) -> None:
        """Cancel a job that may be in the queue; in a while, where the controller does not answer."""
        try:
            await self._cancel_named(job_name)
        except CommandRefused:
            later = asyncio.create_task(self._take_back_later(job_name), name=f"taking back {job_name}")
            self.taking_back.add(later)
            later.add_done_callback(self.taking_back.discard)

    async def _take_back_later(self, job_name: str) -> None:
        answers = 0
        for _ in range(TAKE_BACK_TRIES):
            await asyncio.sleep(TAKE_BACK_SECONDS)
            with contextlib.suppress(CommandRefused):
                await self._cancel_named(job_name)
                answers += 1
            # A controller that comes back may read this before what sbatch had sent.
            if answers == 2:
                return

    async def _cancel_named(self, job_name: str) -> None:
        await self._run("scancel", "--quiet", f"--name={job_name}")

    async def poll_jobs(self) -> Mapping[str, JobStatus] | None:
        """Return this account's jobs. One that left the queue is not among them."""
        try:
            output = await self._run("squeue", "--me", "--noheader", f"--format={QUEUE_FORMAT}")
        except CommandRefused:
            return None
        return parse_queue(output)

    async def cancel_leftovers(self) -> None:
        """Cancel what an engine of this workspace that is gone has left in the queue."""
        output = await self._run("squeue", "--me", "--noheader", "--format=%i|%j")
        for line in output.splitlines():
            job, _, name = line.strip().partition("|")
            if JOB_ID.match(job) and name.startswith(self._prefix):
                await self.cancel(job)

    async def explain(self, job: str, *, signalled: bool = False) -> Ending:
        """Return what became of a job; without ``signalled`` its controller gets a moment to know."""
        ending = Ending("", "", "nothing is known of the job", 0)
        for _ in range(1 if signalled else LOOKS):
            try:
                output = await self._run("scontrol", "show", "job", "--oneliner", job)
            except CommandRefused as error:
                return Ending("", "", str(error), 0)
            ending = parse_job(output)
            if ending.state not in ACTIVE or ending.id:
                return ending
            await asyncio.sleep(0 if signalled else LOOK_AGAIN_SECONDS)
        if not signalled:
            return ending
        return replace(
            ending, id="cluster.time" if near_its_end(output, time.time()) else "cluster.cancelled"
        )

    async def cancel(self, job: str) -> None:
        """Cancel a job."""
        if job:
            try:
                await self._run("scancel", "--quiet", job)
            except CommandRefused:
                return

    async def close(self) -> None:
        """Give up what is still to be taken back; the workspace's next engine does it."""
        for later in list(self.taking_back):
            later.cancel()

    async def _run(self, *words: str, text: str = "", environ: Mapping[str, str] | None = None) -> str:
        """Run a command to its end. Raises CommandRefused with the last line that it said."""
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environ if environ is None else environ,
                start_new_session=True,
            )
        except OSError as error:
            raise CommandRefused(f"{words[0]}: {error.strerror}") from error
        try:
            out, complaints = await asyncio.wait_for(process.communicate(text.encode()), COMMAND_SECONDS)
        except asyncio.TimeoutError:
            raise CommandRefused(f"{words[0]} did not answer within {COMMAND_SECONDS:g} s") from None
        finally:
            if process.returncode is None:
                # A script of the site's in its place has children, which hold our pipes.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode != 0:
            lines = complaints.decode(errors="replace").strip().splitlines() or [
                f"exit code {process.returncode}"
            ]
            raise CommandRefused("\n".join(lines[-3:]))
        return out.decode(errors="replace")


def parse_queue(output: str) -> Mapping[str, JobStatus]:
    """Return the jobs that ``squeue`` lists in ``QUEUE_FORMAT``; other lines, such as a banner, are passed over."""
    places = {}
    for line in output.splitlines():
        words = line.strip().split("|")
        if len(words) == QUEUE_FORMAT.count("|") + 1 and JOB_ID.match(words[0]):
            job, state, reason, node, starts, ends, gres = words
            why = "" if reason in ("None", "") else reason
            gpus = gres if "gpu" in gres else ""
            if state == "PENDING" and NEVER.match(reason):
                why = f"{reason}, which will never be met as the cluster is; stop it and ask for less"
            places[job] = JobStatus("SLURM", job, state, why, node, gpus, _seconds(starts), _seconds(ends))
    return places


def parse_job(output: str) -> Ending:
    """Return what ``scontrol show job --oneliner`` says of a job."""
    fields = dict(word.split("=", 1) for word in output.split() if "=" in word)
    state = fields.get("JobState", "")
    code, _, number = fields.get("ExitCode", "0:0").partition(":")
    description = f"it is {state}" + (
        f" on {fields['NodeList']}" if fields.get("NodeList", "(null)") != "(null)" else ""
    )
    reason = fields.get("Reason", "None")
    description += "" if reason == "None" else f", {reason}"
    error = ENDED_BY.get(state, "")
    if state == "FAILED" and number == "9":
        # So ends what used too much memory where SLURM itself watches it (OverMemoryKill).
        error = "cluster.memory"
        description += ", killed by signal 9"
    return Ending(error, state, description, int(code) if code.isdigit() else 0)


def near_its_end(output: str, now: float) -> bool:
    """Whether a job that runs, of which ``scontrol`` says this, is about to have used its time."""
    fields = dict(word.split("=", 1) for word in output.split() if "=" in word)
    ends = _seconds(fields.get("EndTime", ""))
    return (
        fields.get("JobState") == "RUNNING"
        and ends is not None
        and ends - now < NOTICE_SECONDS + SLACK_SECONDS
    )


def _seconds(text: str) -> float | None:
    return float(text) if text.isdigit() else None
