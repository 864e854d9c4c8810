"""Plugins as jobs, whatever the scheduler: this one is a double."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from imjoy_engine.launchers import Place, Resources, Start
from imjoy_engine.launchers.cluster import ClusterLauncher, Door, Ending, Lines

PLUGINS = 20


@dataclass
class Scheduler:
    """A double whose jobs all wait, each time for another reason."""

    name: str = "a double"
    wishes: tuple[str, ...] = ()
    jobs: list[str] = field(default_factory=list)
    looks: int = 0
    looked: asyncio.Event = field(default_factory=asyncio.Event)

    async def check(self) -> None:
        """It is there."""

    async def submit(self, script: str, variables: Mapping[str, str], name: str, wish: Resources) -> str:
        self.jobs.append(str(len(self.jobs)))
        return self.jobs[-1]

    async def look(self) -> Mapping[str, Place]:
        self.looks += 1
        self.looked.set()
        return {
            job: Place(self.name, job, "PENDING", f"{self.looks}", "", "", None, None) for job in self.jobs
        }

    async def explain(self, job: str, *, told: bool = False) -> Ending:
        return Ending("", "", "it waits", 0)

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

    def placed(self, place: Place) -> None:
        self.reasons.append(place.why)


def test_one_look_serves_all_plugins_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imjoy_engine.launchers.cluster.LOOK_SECONDS", 0.05)

    async def scenario() -> None:
        scheduler, watchers = Scheduler(), [Watcher() for _ in range(PLUGINS)]
        launcher = ClusterLauncher(scheduler, Door("https://login:1", "PEM"), Lines())
        starting = [
            asyncio.ensure_future(
                launcher.start(
                    Start(str(number), f"Plugin {number}", Path("python"), (), {}, Path("/")), watcher
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
