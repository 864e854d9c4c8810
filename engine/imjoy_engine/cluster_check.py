"""``imjoy doctor --cluster``: one trivial job, and which step from here to a plugin on a node fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from aiohttp import web

from imjoy.effects.disk.files import make_folders
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine.environments.store.store import EnvironmentStore
from imjoy_engine.launchers import JobStatus, Resources, WorkerSpec
from imjoy_engine.launchers.cluster import waiting_words
from imjoy_engine.launchers.cluster_settings import read_settings
from imjoy_engine.launchers.shared_folder import check_locks
from imjoy_engine.launchers.slurm import Slurm
from imjoy_engine.server import Nodes, answer, open_nodes
from imjoy_engine.web.routes.nodes import add_node_route

QUEUE_SECONDS = 60.0
END_SECONDS = 30.0
# The exit codes of the job's script, and the step that each means.
FAILED_STEPS = {
    65: "cluster.scratch",
    66: "cluster.environment",
    67: "cluster.way",
    68: "cluster.environment",
}
TITLES = {
    "cluster.settings": "what cluster.toml says",
    "cluster.shared": "the workspace's locks",
    "cluster.commands": "the scheduler's commands",
    "cluster.accepted": "a trivial job",
    "cluster.started": "its start",
    "cluster.scratch": "a folder on the node",
    "cluster.environment": "the environment, seen from the node",
    "cluster.way": "the way from the node to this machine",
    "cluster.gpu": "GPUs",
}
FIXES = {
    "cluster.scratch": "Have TMPDIR on the nodes name a folder that jobs may write: prologue in cluster.toml.",
    "cluster.environment": "Move the workspace to a folder that the nodes mount at the same path: --workspace DIR.",
    "cluster.way": 'Name this machine as nodes reach it: host = "…" in cluster.toml; and port, for firewalls.',
}


@dataclass(frozen=True)
class Step:
    """One step on the way to a plugin on a node; ``status`` is one of the doctor's."""

    id: str
    status: str
    what: str
    why: str = ""
    command: str = ""


class _Failed(Exception):
    """A step failed; what comes after it cannot be tried."""


class _ClusterCheck:
    """Tries one step after the other."""

    def __init__(self, layout: Layout) -> None:
        self.steps: list[Step] = []
        self._layout = layout

    def passed(self, step: str, what: str) -> None:
        self.steps.append(Step(step, "ok", what))

    def warn(self, step: str, what: str, why: str, command: str) -> None:
        self.steps.append(Step(step, "warn", what, why, command))

    @contextlib.contextmanager
    def step(self, step: str) -> Iterator[None]:
        """Take an error within for this step's."""
        try:
            yield
        except ImJoyError as error:
            why = f"{error.why}\n({error.id})".strip()
            self.steps.append(Step(step, "fail", error.what, why, FIXES.get(step) or error.fix))
            raise _Failed from error

    async def run(self, queue_seconds: float) -> None:
        layout = self._layout
        with self.step("cluster.settings"):
            settings = read_settings(layout.cluster_file)
        found = (
            "is read" if layout.cluster_file.exists() else "is not there; the cluster's own defaults count"
        )
        self.passed("cluster.settings", f"{layout.cluster_file} {found}")
        with self.step("cluster.shared"):
            make_folders(layout.environments)
            check_locks(layout.environments)
        self.passed("cluster.shared", "the workspace's file system keeps locks")
        # By another name than an engine's jobs, which the next engine would take for left over.
        slurm = Slurm(os.environ, settings.options, f"doctor of {layout.workspace}")
        with self.step("cluster.commands"):
            await slurm.check()
        self.passed("cluster.commands", f"{slurm.name} answers")
        with self.step("cluster.environment"):
            store = EnvironmentStore(
                layout.environments, freeze=False, prefix=layout.prefix, compile_first=True
            )
            python = await store.prepare_default(lambda progress: None)
        with self.step("cluster.way"):
            nodes = open_nodes(settings, layout, slurm)
        app = web.Application()
        add_node_route(app, nodes.launcher)
        answering = await answer(app, nodes.listener, nodes.certificate.context)
        try:
            await self._try_job(nodes, python, settings.default, queue_seconds)
        finally:
            await nodes.launcher.close()
            await answering.cleanup()

    async def _try_job(self, nodes: Nodes, python: Path, resources: Resources, queue_seconds: float) -> None:
        launcher, watch = nodes.launcher, _Watch()
        start = WorkerSpec("doctor", "the check", python, ("-c", "pass"), {}, Path("/"), resources)
        starting = asyncio.ensure_future(launcher.start(start, watch))
        await asyncio.wait({starting}, timeout=queue_seconds)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            self._report_wait(watch.place)
            raise _Failed
        error = starting.exception()
        if isinstance(error, ImJoyError):
            failed = FAILED_STEPS.get(launcher.broken_off, "cluster.started")
            failed = "cluster.accepted" if error.id == "cluster.refused" else failed
            self._report_passed_before(failed)
            with self.step(failed):
                raise error
        worker = starting.result()
        try:
            ended = await asyncio.wait_for(worker.wait(), END_SECONDS)
        finally:
            await worker.end(0)
        node = worker.node
        self.passed("cluster.accepted", f"{launcher.back_end.name} took it as job {worker.job}")
        self.passed("cluster.started", f"it ran on {node}")
        self.passed("cluster.scratch", f"{node} gave it a folder")
        with self.step("cluster.environment"):
            if ended.code != 0:
                raise ended.error or ImJoyError(
                    "cluster.not-started", f"{python} does not run on {node}.", why=f"exit code {ended.code}"
                )
        self.passed("cluster.environment", f"{python} runs there")
        self.passed("cluster.way", f"{node} reached {nodes.endpoint.url}")
        gpus = watch.place.gpus if watch.place else ""
        if not resources.gpus:
            self.steps.append(Step("cluster.gpu", "skipped", "[default] in cluster.toml asks for none"))
        elif gpus:
            self.passed("cluster.gpu", f"the job was given GPU {gpus}")
        else:
            self.warn(
                "cluster.gpu",
                f"The job asked for {resources.gpus} and CUDA_VISIBLE_DEVICES names none.",
                "Plugins may not find it.",
                "Ask whoever runs the cluster whether --gres=gpu:1 is how GPUs are asked for.",
            )

    def _report_wait(self, place: JobStatus | None) -> None:
        self.passed("cluster.accepted", f"it was taken as job {place.job}" if place else "it was taken")
        self.warn(
            "cluster.started",
            "The job still waited, and was cancelled.",
            f"SLURM says {waiting_words(place)}." if place else "",
            "Look again when there is room, or ask for less: options and [default] in cluster.toml.",
        )

    def _report_passed_before(self, failed: str) -> None:
        passed = {
            "cluster.accepted": "it was taken",
            "cluster.started": "it started",
            "cluster.scratch": "there",
        }
        for step, what in passed.items():
            if step == failed:
                return
            self.passed(step, what)


class _Watch:
    """Keeps where the check's job is."""

    def __init__(self) -> None:
        self.place: JobStatus | None = None

    def output(self, stream: str, data: bytes) -> None:
        """What it writes says nothing that the steps do not."""

    def say(self, text: str) -> None:
        """As ``output``."""

    def job_changed(self, place: JobStatus) -> None:
        """Note where it is."""
        self.place = place


async def try_cluster(layout: Layout, queue_seconds: float = QUEUE_SECONDS) -> list[dict[str, object]]:
    """Submit one trivial job, and return how each step did; those after a failed one are skipped.

    Nothing is left of the job, also where the queue does not let it start within ``queue_seconds``.
    """
    check = _ClusterCheck(layout)
    with contextlib.suppress(_Failed):
        await check.run(queue_seconds)
    found = {step.id: step for step in check.steps}
    steps = [found.get(each, Step(each, "skipped", "not reached")) for each in TITLES]
    return [{**asdict(step), "title": TITLES[step.id]} for step in steps]
