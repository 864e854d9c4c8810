"""The worker runs on every Python that published plugins use, in an environment with its three packages."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kit import old_hosts
from tests.kit.old_hosts import few

from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine import server
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.environments.store.store import Progress
from imjoy_engine.settings import Settings
from imjoy_engine.terminal.client import EngineClient

from .conftest import plugin_source

BETWEEN = ("3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
EACH_PYTHON = ["3.6", *(pytest.param(each, marks=few) for each in BETWEEN), "3.14"]
SCRIPT = """
import sys
from imjoy import api

class ImJoyPlugin:
    async def setup(self):
        await api.log("setting up")

    def version(self):
        return "%d.%d" % sys.version_info[:2]

    def echo(self, value):
        return value

    async def ask(self, question):
        return await api.prompt(question)

    def fail(self):
        raise ValueError("as asked")

    async def from_a_thread(self):
        import asyncio, threading
        thread = threading.Thread(target=lambda: api.showMessage("from a thread").result(20))
        thread.start()
        await asyncio.get_event_loop().run_in_executor(None, thread.join)
        return True

api.export(ImJoyPlugin())
"""


@pytest.fixture(scope="session", params=EACH_PYTHON)
def interpreter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter of each version with what the worker needs, installed by that version's own pip."""
    version: str = request.param
    python = old_hosts.interpreter(version)
    prefix = tmp_path_factory.mktemp(f"python-{version}-")
    subprocess.run([python, "-m", "venv", prefix], check=True)
    pip = [str(prefix / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if version == "3.6":
        subprocess.run([*pip, "--upgrade", "pip<22"], check=True)  # pip 18 does not know today's wheels
    subprocess.run([*pip, "imjoy-rpc>=0.5.59,<0.6", "msgpack", "websockets"], check=True)
    return prefix / "bin" / "python"


class DoubleStore:
    """Stands in for the environments: hands out one interpreter."""

    interpreter: Path

    def __init__(self, root: Path, *, freeze: bool, prefix: Path, compile_first: bool) -> None:
        pass

    async def ensure(self, spec: EnvironmentSpec, report: Callable[[Progress], None]) -> Path:
        return self.interpreter


@pytest.fixture
def client(interpreter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EngineClient]:
    """Return a client of an engine of this process whose workers run under ``interpreter``."""
    monkeypatch.setattr(DoubleStore, "interpreter", interpreter, raising=False)
    monkeypatch.setattr(server, "EnvironmentStore", DoubleStore)
    monkeypatch.setattr(server, "_stop_on_signals", lambda stop_wanted: None)  # not in the main thread here
    layout = Layout(prefix=tmp_path, workspace=tmp_path)
    started = threading.Event()
    found: list[server.Ready] = []

    def announce(ready: server.Ready) -> None:
        found.append(ready)
        started.set()

    thread = threading.Thread(
        target=lambda: asyncio.run(server.run(Settings(layout, port=0), None, announce))
    )
    thread.start()
    assert started.wait(20)
    client = EngineClient(found[0].url, layout.token_file.read_text(encoding="utf-8").strip())
    yield client
    client._request("POST", "/api/v1/stop", None)
    thread.join(20)
    assert not thread.is_alive()


def test_a_plugin_runs_on_this_python(client: EngineClient, interpreter: Path) -> None:
    said: list[Any] = []
    api = {"log": said.append, "prompt": lambda question: f"{question} yes", "showMessage": said.append}

    async def scenario() -> str:
        plugin = await client.start_plugin(source=plugin_source(SCRIPT), file="test.imjoy.html")
        async with await client.connect(plugin["id"], api, timeout=30) as connection:
            await connection.call("setup")
            value = {"text": "ümlaut", "list": [1, 2.5, None, {"deep": b"x" * 10}], "big": b"y" * 3_000_000}
            back = await connection.call("echo", value)
            assert (bytes(back.pop("big")), back) == (value.pop("big"), value)
            assert await connection.call("ask", "Really?") == "Really? yes"
            with pytest.raises(ImJoyError) as caught:
                await connection.call("fail")
            assert "as asked" in caught.value.why
            assert await connection.call("from_a_thread") is True
            return str(await connection.call("version"))

    version = asyncio.run(asyncio.wait_for(scenario(), 60))
    assert f"python-{version}-" in str(interpreter)
    assert said == ["setting up", "from a thread"]


SPAWNING = """
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from {module} import api

api.log("loaded as " + __name__)


class Sample:
    def __init__(self, value):
        self.value = value


def square(sample):
    return Sample(sample.value ** 2)


def where(_):
    return [api.WORK_DIR, __name__, sys.version_info[0]]


def call_the_app(_):
    api.showMessage("from a child")


class ImJoyPlugin:
    def pool(self, method):
        with multiprocessing.get_context(method).Pool(2) as pool:
            return [each.value for each in pool.map(square, [Sample(number) for number in range(5)])]

    def executor(self, method):
        multiprocessing.set_start_method(method, force=True)
        with ProcessPoolExecutor(2) as executor:
            return [each.value for each in executor.map(square, [Sample(number) for number in range(5)])]

    def where(self, method):
        with multiprocessing.get_context(method).Pool(1) as pool:
            return pool.map(where, [None])[0]

    def fail(self, method):
        with multiprocessing.get_context(method).Pool(1) as pool:
            return pool.map(call_the_app, [None])


api.export(ImJoyPlugin())
"""


@pytest.mark.parametrize("module", ["imjoy", "imjoy_rpc"])
def test_processes_that_a_plugin_spawns_find_its_functions_and_export_nothing(
    client: EngineClient, interpreter: Path, module: str, tmp_path: Path
) -> None:
    said: list[Any] = []
    # None is the default, which is forkserver on Linux from 3.14 on.
    methods = ("spawn", None) if "python-3.14-" in str(interpreter) else ("spawn", "forkserver")
    source = plugin_source(SPAWNING.replace("{module}", module))

    async def scenario() -> None:
        plugin = await client.start_plugin(source=source, file="test.imjoy.html")
        api = {"log": said.append, "showMessage": said.append}
        async with await client.connect(plugin["id"], api, timeout=30) as connection:
            for method in methods:
                for way in ("pool", "executor"):
                    assert await connection.call(way, method, timeout=60) == [0, 1, 4, 9, 16]
                where = await connection.call("where", method, timeout=60)
                assert where == [str(tmp_path / "default"), "__mp_main__", 3]
                with pytest.raises(ImJoyError) as caught:
                    await connection.call("fail", method, timeout=60)
                assert "works in the plugin's own process only" in caught.value.why
            assert (tmp_path / ".imjoy" / "running" / plugin["id"] / "plugin.py").exists()
        async for _ in client.events(plugin["id"]):
            pass
        assert not (tmp_path / ".imjoy" / "running" / plugin["id"]).exists()

    asyncio.run(asyncio.wait_for(scenario(), 150))
    assert said == ["loaded as __main__"]
