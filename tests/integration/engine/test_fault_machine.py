"""Kills and suspensions at any moment of a plugin's life, in the orders that hypothesis makes up.

Six orders in each run of the tests; ``make faults`` tries 150.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import psutil
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule, run_state_machine_as_test

from imjoy.model.errors import ImJoyError
from imjoy_engine.terminal.client import Connection

from .conftest import RunningEngine, serve
from .holding import SETTLE_SECONDS, comes_back_to, held

EXAMPLES = int(os.environ.get("IMJOY_FAULT_EXAMPLES", "6"))
SAME_ORDERS = "IMJOY_FAULT_EXAMPLES" not in os.environ
STEPS = 14
DEADLINE_SECONDS = 40.0
"""Far more than anything here takes; what ends only by it is a failure, unless its worker was suspended."""

WORKS = """
import time

def wait(seconds):
    time.sleep(seconds)
    return seconds

api.export({"echo": lambda value: value, "wait": wait})
"""
SCRIPTS = {
    "works": WORKS,
    "takes its time": "import time\ntime.sleep(0.3)\n" + WORKS,
    "raises": "raise ValueError('no such microscope')",
    "leaves": "import sys\nsys.exit(3)",
}
CALLS: tuple[tuple[str, Any], ...] = (("echo", 1), ("echo", bytes(3 << 20)), ("wait", 0.2))

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot suspend a process"),
    pytest.mark.timeout(300 + 30 * EXAMPLES),
]


class Engines:
    """The engine that runs now; killed, the next one takes over its workspace."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self.now = self._serve()

    def _serve(self) -> RunningEngine:
        return serve(self._workspace, "--force-quit-timeout", "0.5")

    def kill(self) -> list[psutil.Process]:
        """Kill the engine as nothing can be prepared for; return the processes that it had, and start the next."""
        family = psutil.Process(self.now.process.pid).children(recursive=True)
        self.now.process.kill()
        self.end()
        self.now = self._serve()
        return family

    def end(self) -> None:
        self.now.stop()
        assert self.now.process.stdout is not None
        self.now.process.stdout.close()


@pytest.fixture
def engines(workspace: Path) -> Iterator[Engines]:
    engines = Engines(workspace)
    yield engines
    engines.end()


class Faults(RuleBasedStateMachine):
    """Plugins that begin, are talked to and end, and what may happen to them meanwhile."""

    plugins = Bundle("plugins")
    connections = Bundle("connections")

    def __init__(self, engines: Engines) -> None:
        super().__init__()
        self._engines = engines
        self._loop = asyncio.new_event_loop()
        self._suspended: set[str] = set()
        self._calls: list[tuple[str, asyncio.Task[Any]]] = []
        self._open: list[Connection] = []
        self._before = self._run(held(self._engines.now))

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(asyncio.wait_for(work, DEADLINE_SECONDS + 10))

    def _look(self, plugin: str) -> dict[str, Any]:
        """Return the plugin; nothing where the engine does not know it any more."""
        try:
            found: dict[str, Any] = self._run(
                self._engines.now.client.request("GET", f"/api/v1/plugins/{plugin}")
            )
        except ImJoyError as error:
            assert error.id == "plugin.not-found"
            return {}
        return found

    @rule(target=plugins, script=st.sampled_from(sorted(SCRIPTS)), detach=st.booleans())
    def start(self, script: str, detach: bool) -> Any:
        flags = ["allow-detach"] if detach else []
        plugin = self._run(self._engines.now.start(SCRIPTS[script], flags=flags))
        return multiple(plugin["id"])

    @rule(target=connections, plugin=plugins)
    def connect(self, plugin: str) -> Any:
        """Begin to connect; whether it succeeds is known later."""
        connecting = self._loop.create_task(self._connect(plugin))
        self._calls.append((plugin, connecting))
        return multiple((plugin, connecting))

    async def _connect(self, plugin: str) -> Connection:
        connection = await self._engines.now.client.connect(plugin, {}, timeout=DEADLINE_SECONDS)
        self._open.append(connection)
        return connection

    @rule(connection=connections, call=st.sampled_from(CALLS))
    def call(self, connection: tuple[str, asyncio.Task[Connection]], call: tuple[str, Any]) -> None:
        """Begin a call."""
        plugin, connecting = connection
        self._calls.append((plugin, self._loop.create_task(self._call(connecting, *call))))

    @staticmethod
    async def _call(connecting: asyncio.Task[Connection], name: str, argument: Any) -> None:
        connection = await asyncio.shield(connecting)
        assert await connection.call(name, argument, timeout=DEADLINE_SECONDS) == argument

    @rule(milliseconds=st.integers(0, 300))
    def time_passes(self, milliseconds: int) -> None:
        self._run(asyncio.sleep(milliseconds / 1000))

    @rule(plugin=plugins, number=st.sampled_from(["SIGKILL", "SIGSTOP", "SIGCONT", "SIGTERM"]))
    def signal_worker(self, plugin: str, number: str) -> None:
        found = self._look(plugin)
        if found.get("pid") and found["state"] not in ("failed", "exited"):
            if number == "SIGSTOP":
                self._suspended.add(plugin)
            try:
                os.kill(found["pid"], getattr(signal, number))
            except ProcessLookupError:
                return

    @rule(connection=connections)
    def kill_client(self, connection: tuple[str, asyncio.Task[Connection]]) -> None:
        """Close the client's socket as the system does for a process that is killed."""
        connecting = connection[1]
        if connecting.done() and not connecting.exception():
            connecting.result()._link._socket.abort()

    @rule(plugin=plugins)
    def stop_plugin(self, plugin: str) -> None:
        if self._look(plugin):
            self._run(self._engines.now.client.request("DELETE", f"/api/v1/plugins/{plugin}"))

    @rule()
    def kill_engine(self) -> None:
        family = self._engines.kill()
        assert psutil.wait_procs(family, timeout=SETTLE_SECONDS)[1] == [], "orphans"
        self._before = self._run(held(self._engines.now))

    def teardown(self) -> None:
        """End everything, and see that it has."""
        try:
            self._run(self._settle())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _settle(self) -> None:
        client = self._engines.now.client
        for plugin in (await client.request("GET", "/api/v1/plugins"))["plugins"]:
            if plugin["id"] in self._suspended and plugin["state"] not in ("failed", "exited"):
                await client.request("DELETE", f"/api/v1/plugins/{plugin['id']}?grace=0")
        await asyncio.gather(*(self._ended_well(plugin, task) for plugin, task in self._calls))
        for plugin in (await client.request("GET", "/api/v1/plugins"))["plugins"]:
            await client.request("DELETE", f"/api/v1/plugins/{plugin['id']}?grace=0")
            assert (await self._engines.now.final(plugin["id"]))["state"] in ("failed", "exited")
        for connection in self._open:
            await connection.close()
        async with await self._engines.now.open(WORKS) as plugin:
            assert await plugin.call("echo", "it serves on", timeout=DEADLINE_SECONDS) == "it serves on"
        await comes_back_to(self._engines.now, self._before)

    async def _ended_well(self, plugin: str, task: asyncio.Task[Any]) -> None:
        await asyncio.wait({task}, timeout=DEADLINE_SECONDS)
        assert task.done(), "a call that never ends"
        error = task.exception()
        assert error is None or isinstance(error, ImJoyError), error
        assert error is None or error.id != "plugin.no-answer" or plugin in self._suspended


def test_whatever_is_killed_whenever_every_call_ends_and_nothing_is_left(engines: Engines) -> None:
    run_state_machine_as_test(
        # What is called for is a machine; hypothesis only states that it takes a class.
        cast("type[Faults]", partial(Faults, engines)),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            # `make faults` tries others each time.
            derandomize=SAME_ORDERS,
            # Real processes: what an order does differs a little each time, so shrinking it leads astray.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
