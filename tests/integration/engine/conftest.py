"""Real engines, real workers, and the plugins that the tests give them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imjoy_engine.environments.store.store import EnvironmentStore
from imjoy_engine.terminal.client import Connection, EngineClient

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = [str(ROOT / "bootstrap"), str(ROOT / "engine")]
START_SECONDS = 20
STOP_SECONDS = 15
SCENARIO_SECONDS = 60


def plugin_source(script: str, **config: object) -> str:
    """Return a plugin file with ``script``."""
    fields = {
        "name": "Test plugin",
        "type": "native-python",
        "version": "0.1.0",
        "api_version": "0.1.8",
        **config,
    }
    return f'<config lang="json">\n{json.dumps(fields)}\n</config>\n\n<script lang="python">\n{script}\n</script>\n'


@dataclass
class RunningEngine:
    """An engine in a process of its own."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    workspace: Path

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    @property
    def token(self) -> str:
        return Path(self.ready["token_file"]).read_text(encoding="utf-8").strip()

    @property
    def client(self) -> EngineClient:
        return EngineClient(self.url, self.token)

    def log(self) -> str:
        return Path(self.ready["log_file"]).read_text(encoding="utf-8")

    def stop(self) -> int:
        """Stop it as the process that started it would: by closing its standard input."""
        assert self.process.stdin is not None
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    async def start(
        self, script: str, tag: str | None = None, client: str = "", **config: Any
    ) -> dict[str, Any]:
        """Start a plugin with ``script``."""
        return await self.client.start_plugin(
            source=plugin_source(script, **config), file="test.imjoy.html", tag=tag, client=client
        )

    async def open(self, script: str, api: dict[str, Any] | None = None, **config: Any) -> Connection:
        """Start a plugin with ``script`` and connect to it."""
        plugin = await self.start(script, **config)
        return await self.client.connect(plugin["id"], api or {}, timeout=30)

    async def final(self, plugin_id: str) -> dict[str, Any]:
        """Wait until a plugin has ended; return it."""
        last: dict[str, Any] = {}
        async for kind, data in self.client.events(plugin_id):
            if kind == "state":
                last = data
        return last

    async def state(self, plugin_id: str, wanted: str) -> dict[str, Any]:
        """Wait until a plugin is in a state; return it."""
        async for kind, data in self.client.events(plugin_id):
            if kind == "state" and data["state"] == wanted:
                return data
        raise AssertionError(f"the plugin never was {wanted}")


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the default environment once; every workspace of the session shares it."""
    root = tmp_path_factory.mktemp("environments")
    asyncio.run(EnvironmentStore(root, freeze=False).prepare_default(lambda progress: None))
    return root


@pytest.fixture
def workspace(tmp_path: Path, environments: Path) -> Path:
    """Return a fresh workspace whose default environment is ready."""
    return new_workspace(tmp_path, environments)


def new_workspace(parent: Path, environments: Path) -> Path:
    """Make a workspace that uses the environments of the session."""
    folder = parent / "workspace"
    (folder / ".imjoy").mkdir(parents=True)
    (folder / ".imjoy" / "environments").symlink_to(environments, target_is_directory=True)
    return folder


def serve(workspace: Path, *options: str, env: dict[str, str] | None = None) -> RunningEngine:
    """Start an engine on any free port; it ends with our end of its standard input."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "imjoy_engine",
            "serve",
            *("--port", "0", "--workspace", str(workspace), "--lifeline", *options),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["event"] == "ready", ready
    return RunningEngine(process, ready, workspace)


StartEngine = Callable[..., RunningEngine]


@pytest.fixture
def start_engine(workspace: Path) -> Iterator[StartEngine]:
    """Start engines; all are stopped, and joined, at the end."""
    started: list[RunningEngine] = []

    def start(*options: str, env: dict[str, str] | None = None) -> RunningEngine:
        started.append(serve(workspace, *options, env=env))
        return started[-1]

    yield start
    for engine in started:
        engine.stop()
        assert engine.process.stdout is not None
        engine.process.stdout.close()


@pytest.fixture(scope="module")
def shared_engine(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> Iterator[RunningEngine]:
    """Return one engine for all tests of a file."""
    folder = tmp_path_factory.mktemp("shared")
    workspace = new_workspace(folder, environments)
    engine = serve(workspace, env={"HOME": str(folder), "PYTHONPATH": os.pathsep.join(PACKAGES)})
    yield engine
    engine.stop()
    assert engine.process.stdout is not None
    engine.process.stdout.close()


@pytest.fixture
def unshaken_engine(shared_engine: RunningEngine) -> Iterator[RunningEngine]:
    """Return the engine that a file's tests share; it has to survive each of them, and not to fail within."""
    before = len(shared_engine.log())
    yield shared_engine
    assert shared_engine.process.poll() is None
    assert '"level": "error"' not in shared_engine.log()[before:]


@pytest.fixture
def engine(start_engine: StartEngine) -> RunningEngine:
    """Return a running engine with its default settings."""
    return start_engine()


@pytest.fixture
def play() -> Callable[[Awaitable[Any]], Any]:
    """Run a scenario to its end, within a deadline."""

    def run(scenario: Awaitable[Any]) -> Any:
        async def bounded() -> Any:
            return await asyncio.wait_for(scenario, SCENARIO_SECONDS)

        return asyncio.run(bounded())

    return run
