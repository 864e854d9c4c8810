"""Where a plugin is started, when an engine has a cluster besides its own machine."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.launchers import Resources, Watcher, Worker, WorkerSpec
from imjoy_engine.launchers.cluster_settings import ClusterSettings
from imjoy_engine.plugins.lifecycle import PluginContext, PluginRequest
from imjoy_engine.plugins.reading import read_body
from imjoy_engine.plugins.registry import Registry
from imjoy_engine.plugins.socket_pair import SocketPair
from imjoy_engine.sockets.close import ENDED

SECONDS = 60


class Environments:
    async def ensure(self, spec: object, report: object) -> Path:
        return Path("python")


class RefusingLauncher:
    """Notes what it is to start, and starts nothing."""

    def __init__(self) -> None:
        self.asked: list[WorkerSpec] = []

    async def check(self) -> None:
        """There is nothing to look at."""

    async def start(self, start: WorkerSpec, watcher: Watcher) -> Worker:
        self.asked.append(start)
        raise OSError("enough was seen")

    async def close(self) -> None:
        """It holds nothing."""


class SlowLauncher(RefusingLauncher):
    """Starts nothing, and takes its time for that."""

    async def start(self, start: WorkerSpec, watcher: Watcher) -> Worker:
        await asyncio.Event().wait()
        raise AssertionError


def context(folder: Path, launcher: RefusingLauncher) -> PluginContext:
    return PluginContext(
        url="http://127.0.0.1:1",
        worker_url="http://127.0.0.1:2",
        workspace=folder,
        environments=cast("Any", Environments()),
        existing_environments=folder / "existing",
        launcher=launcher,
        scratch=folder / "scratch",
        cluster=None,
        force_quit_timeout=1.0,
    )


@pytest.mark.parametrize(
    ("where", "tag", "stays"),
    [
        (None, "CPU", False),
        ("engine", "GPU", True),
        ({"CPU": "engine"}, "CPU", True),
        ({"CPU": "engine"}, "GPU", False),
    ],
)
def test_a_plugin_that_stays_on_the_engine_s_machine_goes_to_no_cluster(
    tmp_path: Path, where: object, tag: str, stays: bool
) -> None:
    here, there = RefusingLauncher(), RefusingLauncher()
    on_engine = context(tmp_path, here)
    on_cluster = replace(
        on_engine,
        url="https://login:3",
        worker_url="https://login:3",
        launcher=there,
        cluster=ClusterSettings(),
        on_engine=on_engine,
    )
    config = {
        "name": "P",
        "type": "native-python",
        "tags": ["CPU", "GPU"],
        "resources": {"cpus": 2},
        "where": where,
    }
    body = {"config": config, "script": "x = 1", "tag": tag, "resources": {"memory": "1 MB"}}

    async def begin() -> str:
        plugin, _ = Registry(on_cluster).start(read_body(json.dumps(body).encode(), tmp_path / "existing"))
        await asyncio.wait_for(plugin.ended.wait(), 60)
        return "".join([event.data async for event in plugin.events.read(0)])

    said = asyncio.run(begin())
    (start,) = here.asked + there.asked
    assert bool(here.asked) is stays
    assert start.resources == (Resources() if stays else Resources(cpus=2, memory=10**6))
    assert start.variables["IMJOY_WORKER_URL"].startswith("ws://127.0.0.1:2/" if stays else "wss://login:3/")
    assert ("its config keeps it on the engine's own machine" in said) is stays


def test_a_client_that_comes_back_finds_each_of_its_calls_and_one_that_is_there_keeps_them(
    tmp_path: Path,
) -> None:
    def asked(*resume: str) -> PluginRequest:
        body = {"config": {"name": "P", "type": "native-python"}, "script": "x = 1", "resume": resume}
        return read_body(json.dumps(body).encode(), tmp_path / "existing")

    async def scenario() -> None:
        registry = Registry(context(tmp_path, SlowLauncher()))
        plugin, _ = registry.start(asked())
        plugin.clients["c"] = pair = SocketPair(cast("Any", None))
        pair.take_note(b'{"calls": ["second"]}')
        back = asked("first", "second")
        assert not await registry.wait_for_leave(back, 0.01)
        assert plugin.call_for(back) is None
        pair.hold()
        assert await registry.wait_for_leave(back, SECONDS)
        assert registry.start(back) == (plugin, True)
        assert plugin.call_for(back) == "second"
        assert plugin.call_for(asked("first")) is None
        # Who asks for its plugins learns no call.
        assert "second" not in json.dumps(plugin.as_json())
        pair.finish(ENDED)
        assert plugin.call_for(back) is None
        # Why one ended is told to who comes back for it.
        assert registry.loss_of(back) is None
        plugin.note_lost(pair.calls, ImJoyError("message.too-big", "It was too large."))
        assert (registry.loss_of(back) or {})["id"] == "message.too-big"
        assert registry.loss_of(asked("first")) is None
        await plugin.stop(0)

    asyncio.run(asyncio.wait_for(scenario(), SECONDS))


@pytest.mark.parametrize("resume", [1, {"a": 1}, [1], [""], ["c" * 65], ["c"] * 65])
def test_calls_that_may_not_be_are_refused(resume: object, tmp_path: Path) -> None:
    body = {"config": {"name": "P", "type": "native-python"}, "script": "x = 1", "resume": resume}
    with pytest.raises(ImJoyError, match="at most 64 ids"):
        read_body(json.dumps(body).encode(), tmp_path / "existing")


def test_a_plugin_that_may_be_detached_is_handed_out_once_nobody_is_there_even_while_one_is_waited_for(
    tmp_path: Path,
) -> None:
    config = {"name": "P", "type": "native-python", "flags": ["allow-detach"]}
    body = json.dumps({"config": config, "script": "x = 1"}).encode()
    request = read_body(body, tmp_path / "existing")

    async def scenario() -> None:
        registry = Registry(context(tmp_path, RefusingLauncher()))
        plugin, _ = registry.start(request)
        client = SocketPair(cast("Any", None))
        plugin.clients["c"] = client
        second, is_there = registry.start(request)
        assert not is_there
        client.hold()
        assert registry.start(request) == (plugin, True)
        await asyncio.gather(plugin.stop(0), second.stop(0))

    asyncio.run(asyncio.wait_for(scenario(), SECONDS))
