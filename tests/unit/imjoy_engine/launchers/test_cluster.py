"""Plugins as jobs, whatever the scheduler: this one is a double."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMessage, WSMsgType

from imjoy_engine.launchers import JobStatus, Resources, WorkerSpec
from imjoy_engine.launchers.cluster import ClusterLauncher, ClusterWorker, Ending, NodeEndpoint, ScriptLines

PLUGINS = 20
WAITS = Ending("", "", "it waits", 0)


@dataclass
class Scheduler:
    """A double whose jobs all wait, each time for another reason."""

    name: str = "a double"
    known_resources: tuple[str, ...] = ()
    jobs: list[str] = field(default_factory=list)
    looks: int = 0
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    ending: Ending = WAITS

    async def check(self) -> None:
        """It is there."""

    async def submit(self, script: str, variables: Mapping[str, str], name: str, resources: Resources) -> str:
        self.jobs.append(str(len(self.jobs)))
        return self.jobs[-1]

    async def poll_jobs(self) -> Mapping[str, JobStatus]:
        self.looks += 1
        self.looked.set()
        return {
            job: JobStatus(self.name, job, "PENDING", f"{self.looks}", "", "", None, None)
            for job in self.jobs
        }

    async def explain(self, job: str, *, signalled: bool = False) -> Ending:
        return self.ending

    async def cancel(self, job: str) -> None:
        self.jobs.remove(job)

    async def close(self) -> None:
        """It holds nothing."""


class Watcher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.said: list[str] = []

    def output(self, stream: str, data: bytes) -> None:
        """Nothing is written."""

    def say(self, text: str) -> None:
        self.said.append(text)

    def job_changed(self, place: JobStatus) -> None:
        self.reasons.append(place.why)


class Node:
    """A double of a node's socket, which says these things, and then nothing more."""

    broken = False

    def __init__(self, *said: object) -> None:
        self.said = list(said)

    async def receive(self) -> WSMessage:
        if not self.said:
            await asyncio.get_running_loop().create_future()
        return WSMessage(WSMsgType.TEXT, json.dumps(self.said.pop(0)), None)

    async def ping(self, payload: bytes = b"") -> None:
        """It hears us."""

    async def send_json(self, message: object) -> None:
        """It does what we say."""


@pytest.mark.parametrize(
    ("code", "signalled", "found", "error"),
    [
        # A scheduler ends all processes of a job at once, and the worker's end may come before the node was told.
        (-15, False, "cluster.cancelled", "cluster.cancelled"),
        (-15, False, "", None),
        (-9, False, "cluster.memory", "cluster.memory"),
        (0, True, "cluster.time", "cluster.time"),
        (7, False, "cluster.cancelled", None),
    ],
)
def test_why_a_worker_ended_is_asked_where_the_scheduler_may_have_done_it(
    code: int, signalled: bool, found: str, error: str | None
) -> None:
    async def scenario() -> None:
        scheduler = Scheduler(ending=Ending(found, "", "it has ended", 0))
        launcher = ClusterLauncher(scheduler, NodeEndpoint("https://login:1", "PEM"), ScriptLines())
        start = WorkerSpec("1", "Plugin", Path("python"), (), {}, Path("/"))
        worker = ClusterWorker(launcher, start, Watcher())
        said: list[object] = [{"type": "hello", "node": "n1"}, {"type": "started", "pid": 1}]
        said += [{"type": "told"}] if signalled else []
        node: Any = Node(*said, {"type": "ended", "code": code})
        serving = asyncio.ensure_future(worker.serve(node))
        ended = await asyncio.wait_for(worker.wait(), 30)
        assert (ended.code, ended.error and ended.error.id) == (code, error)
        serving.cancel()
        await asyncio.wait({serving})

    asyncio.run(scenario())


def test_one_look_serves_all_plugins_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imjoy_engine.launchers.cluster.LOOK_SECONDS", 0.05)

    async def scenario() -> None:
        scheduler, watchers = Scheduler(), [Watcher() for _ in range(PLUGINS)]
        launcher = ClusterLauncher(scheduler, NodeEndpoint("https://login:1", "PEM"), ScriptLines())
        starting = [
            asyncio.ensure_future(
                launcher.start(
                    WorkerSpec(str(number), f"Plugin {number}", Path("python"), (), {}, Path("/")), watcher
                )
            )
            for number, watcher in enumerate(watchers)
        ]
        while scheduler.looks < 3:
            scheduler.looked.clear()
            await asyncio.wait_for(scheduler.looked.wait(), 30)
        assert [watcher.reasons[:3] for watcher in watchers] == [["1", "2", "3"]] * PLUGINS
        assert watchers[7].said[0] == "Waiting on a double, job 7: 1."
        for each in starting:
            each.cancel()
        await asyncio.wait(starting)
        assert scheduler.jobs == []
        await launcher.close()

    asyncio.run(scenario())
