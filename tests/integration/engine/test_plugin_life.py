"""A plugin's life, from the first call to the last breath, however it goes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.worker.transport.websocket import SocketRefused, open_socket

from .conftest import RunningEngine, StartEngine

Play = Callable[[Any], Any]

ECHO = """
from imjoy import api

class ImJoyPlugin:
    def setup(self):
        pass

    def echo(self, value):
        return value

    def pid(self):
        import os
        return os.getpid()

api.export(ImJoyPlugin())
"""


@pytest.fixture
def engine(shared_engine: RunningEngine) -> RunningEngine:
    """Return the engine that these tests share; what ends it, or leaves a plugin in it, starts one of its own."""
    return shared_engine


def test_a_call_is_answered(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        async with await engine.open(ECHO) as plugin:
            await plugin.call("setup")
            value = {"text": "ümlaut", "numbers": [1, 2.5, None, True], "bytes": b"\x00\xff"}
            assert await plugin.call("echo", value) == value

    play(scenario())


@pytest.mark.parametrize(
    "spelling",
    ["from imjoy import api", "from imjoy_rpc import api", "import imjoy\napi = imjoy.api", "pass"],
)
def test_the_api_is_there_under_every_spelling_in_use(
    engine: RunningEngine, play: Play, spelling: str
) -> None:
    script = f"{spelling}\n\ndef ping():\n    return 'pong'\n\napi.export({{'ping': ping}})\n"

    async def scenario() -> None:
        async with await engine.open(script) as plugin:
            assert await plugin.call("ping") == "pong"

    play(scenario())


def test_the_constants_of_the_api_are_there_before_the_script_runs(engine: RunningEngine, play: Play) -> None:
    script = (
        "from imjoy import api\n"
        "seen = [api.TAG, api.WORKSPACE, api.ENGINE_URL, api.WORK_DIR, sorted(api.utils)]\n"
        "api.export({'seen': lambda: seen})\n"
    )

    async def scenario() -> list[Any]:
        async with await engine.open(script, tags=["CPU", "GPU"], tag="GPU") as plugin:
            return list(await plugin.call("seen"))

    tag, name, url, work_dir, utils = play(scenario())
    assert (tag, name, url) == ("GPU", "default", engine.url)
    assert Path(work_dir) == engine.workspace / "default"
    assert {"debounce", "kill", "ndarray", "set_interval"} <= set(utils)


def test_a_script_may_call_the_app_while_it_loads(engine: RunningEngine, play: Play) -> None:
    said: list[object] = []
    script = "from imjoy import api\napi.log('loading')\napi.export({'ping': lambda: 1})\n"

    async def scenario() -> None:
        async with await engine.open(script, {"log": said.append}) as plugin:
            await plugin.call("ping")

    play(scenario())
    assert said == ["loading"]


def test_the_app_is_called_and_answers(engine: RunningEngine, play: Play) -> None:
    script = """
async def ask():
    return "Hello " + await api.prompt("Who?")
api.export({"ask": ask})
"""

    async def scenario() -> None:
        async with await engine.open(script, {"prompt": lambda question: "Ada"}) as plugin:
            assert await plugin.call("ask") == "Hello Ada"

    play(scenario())


def test_callbacks_cross(engine: RunningEngine, play: Play) -> None:
    script = """
async def each(callback):
    return [await callback(number) for number in range(1)]
api.export({"each": each})
"""

    async def scenario() -> None:
        async with await engine.open(script) as plugin:
            assert await plugin.call("each", lambda number: number + 10) == [10]

    play(scenario())


def test_progress_is_shown_while_the_plugin_computes_without_a_pause(
    engine: RunningEngine, play: Play
) -> None:
    script = """
import os, time

def compute(marker):
    api.showStatus("working")
    deadline = time.monotonic() + 20
    while not os.path.exists(marker):
        if time.monotonic() > deadline:
            raise TimeoutError("nobody saw the status")
        time.sleep(0.01)
    return "done"

api.export({"compute": compute})
"""
    marker = engine.workspace / "seen"

    async def scenario() -> None:
        async with await engine.open(script, {"showStatus": lambda text: marker.touch()}) as plugin:
            assert await plugin.call("compute", str(marker)) == "done"

    play(scenario())


def test_a_thread_of_the_plugin_may_call_the_app(engine: RunningEngine, play: Play) -> None:
    script = """
import asyncio, threading

async def start():
    found = {}
    def work():
        found["answer"] = api.confirm("sure?").result(10)
    thread = threading.Thread(target=work)
    thread.start()
    await asyncio.get_event_loop().run_in_executor(None, thread.join)
    return found

api.export({"start": start})
"""

    async def scenario() -> None:
        async with await engine.open(script, {"confirm": lambda question: True}) as plugin:
            assert await plugin.call("start") == {"answer": True}

    play(scenario())


def test_arrays_cross_both_ways_and_can_be_written_to(engine: RunningEngine, play: Play) -> None:
    numpy = pytest.importorskip("numpy")
    script = """
import numpy as np

def double(array):
    array *= 2
    return array

api.export({"double": double})
"""

    async def scenario() -> None:
        async with await engine.open(script) as plugin:
            for array in (
                numpy.arange(6, dtype="int16").reshape(2, 3),
                numpy.arange(1 << 20, dtype="float32").reshape(-1, 4),
                numpy.zeros((0, 3)),
            ):
                doubled = await plugin.call("double", array)
                assert doubled.dtype == array.dtype
                assert doubled.shape == array.shape
                assert (doubled == array * 2).all()

    play(scenario())


def test_a_script_that_raises_fails_with_its_own_line_numbers(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> dict[str, Any]:
        plugin = await engine.start("import os\nraise ValueError('no such microscope')")
        with pytest.raises(ImJoyError) as caught:
            await engine.client.connect(plugin["id"], {})
        assert caught.value.id == "plugin.gone"
        return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert plugin["state"] == "failed"
    error = plugin["error"]
    assert error["id"] == "plugin.raised"
    assert "ValueError: no such microscope" in error["what"]
    assert 'File "test.imjoy.html", line 7' in error["why"]
    assert "raise ValueError('no such microscope')" in error["why"]


@pytest.mark.parametrize("when", ["load", "call"])
def test_a_plugin_that_exits_is_reported_with_its_exit_code(
    engine: RunningEngine, play: Play, when: str
) -> None:
    at_load = "import sys\nprint('good bye')\nsys.exit(4)"
    at_call = "import sys\ndef leave():\n    print('good bye')\n    sys.exit(4)\napi.export({'leave': leave})"

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(at_load if when == "load" else at_call)
        with pytest.raises(ImJoyError) as caught:
            connection = await engine.client.connect(plugin["id"], {})
            await connection.call("leave")
        assert caught.value.id == "plugin.gone"
        return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["exit_code"], plugin["error"]["id"]) == ("failed", 4, "plugin.died")
    assert "good bye" in plugin["error"]["output"]


@pytest.mark.parametrize(
    ("name", "why"), [("SIGSEGV", ""), ("SIGILL", "write `conda: tensorflow"), ("SIGKILL", "memory runs out")]
)
def test_a_plugin_that_dies_of_a_signal_is_reported_with_its_name(
    engine: RunningEngine, play: Play, name: str, why: str
) -> None:
    script = f"import os, signal\napi.export({{'crash': lambda: os.kill(os.getpid(), signal.{name})}})"

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(script)
        connection = await engine.client.connect(plugin["id"], {})
        with pytest.raises(ImJoyError, match="ended"):
            await connection.call("crash")
        return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["signal"]) == ("failed", name)
    assert name in plugin["error"]["what"]
    assert why in plugin["error"]["why"]


def test_a_method_that_raises_reports_it_and_the_plugin_goes_on(engine: RunningEngine, play: Play) -> None:
    script = """
def fail():
    raise RuntimeError("out of focus")

async def fail_later():
    raise RuntimeError("out of light")

api.export({"fail": fail, "fail_later": fail_later, "ping": lambda: "pong"})
"""

    async def scenario() -> None:
        async with await engine.open(script) as plugin:
            for name, reason in (("fail", "out of focus"), ("fail_later", "out of light")):
                with pytest.raises(ImJoyError) as caught:
                    await plugin.call(name)
                assert caught.value.id == "plugin.call-failed"
                assert caught.value.why.startswith("Traceback")
                assert 'File "test.imjoy.html"' in caught.value.why
                assert caught.value.why.rstrip().endswith(f"RuntimeError: {reason}")
            assert await plugin.call("ping") == "pong"

    play(scenario())


def test_a_flood_on_stderr_is_kept_within_bounds_and_disturbs_nobody(
    engine: RunningEngine, play: Play
) -> None:
    flood = """
import sys

def flood():
    for number in range(6000):
        sys.stderr.write("%05d %s\\n" % (number, "x" * 93))
    sys.stderr.flush()
    return "done"

api.export({"flood": flood})
"""

    async def scenario() -> None:
        plugin = await engine.start(flood)
        async with (
            await engine.client.connect(plugin["id"], {}) as flooding,
            await engine.open(ECHO) as other,
        ):
            call = asyncio.ensure_future(flooding.call("flood"))
            assert await other.call("echo", 1) == 1
            assert await call == "done"
        text = ""
        async for kind, data in engine.client.events(plugin["id"]):
            if kind == "log":
                text += data["text"]
        assert "05999" in text
        assert len(text) < 400_000

    play(scenario())


def test_a_plugin_ends_with_its_client_and_says_good_bye(engine: RunningEngine, play: Play) -> None:
    marker = engine.workspace / "left"
    script = f"""
class Plugin:
    def exit(self):
        open({str(marker)!r}, "w").close()

api.export(Plugin())
"""

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(script)
        async with await engine.client.connect(plugin["id"], {}):
            pass
        return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["exit_code"]) == ("exited", 0)
    assert marker.exists()


def test_a_plugin_that_will_not_go_is_killed_with_all_it_started(
    start_engine: StartEngine, play: Play
) -> None:
    engine = start_engine("--force-quit-timeout", "0.5")
    script = """
import signal, subprocess, sys

signal.signal(signal.SIGTERM, signal.SIG_IGN)
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", stubborn])

class Plugin:
    def child(self):
        return child.pid

    async def exit(self):
        import time
        time.sleep(600)

api.export(Plugin())
"""

    async def scenario() -> tuple[int, dict[str, Any]]:
        plugin = await engine.start(script)
        connection = await engine.client.connect(plugin["id"], {})
        child = await connection.call("child")
        await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
        return child, await engine.final(plugin["id"])

    child, plugin = play(scenario())
    assert (plugin["state"], plugin["signal"]) == ("exited", "SIGKILL")
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_an_engine_killed_outright_leaves_no_orphan(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine()
    script = "import os\napi.export({'pid': os.getpid})"

    async def scenario() -> int:
        connection = await engine.open(script)
        pid = int(await connection.call("pid"))
        engine.process.kill()
        engine.process.wait()
        return pid

    pid = play(scenario())
    with_deadline = psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    assert with_deadline[1] == []


def test_a_busy_plugin_is_no_orphan_either(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine()
    script = """
import os, time

def compute():
    api.log(os.getpid())
    while True:
        time.sleep(1)

api.export({"compute": compute})
"""
    pids: list[int] = []

    async def scenario() -> None:
        busy = asyncio.Event()

        def log(pid: int) -> None:
            pids.append(pid)
            busy.set()

        connection = await engine.open(script, {"log": log})
        call = asyncio.ensure_future(connection.call("compute"))
        await busy.wait()
        engine.process.kill()
        engine.process.wait()
        with pytest.raises(ImJoyError):
            await call

    play(scenario())
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    assert psutil.wait_procs(left, timeout=10)[1] == []


def test_single_instance_hands_out_the_running_plugin_to_the_same_client(
    start_engine: StartEngine, play: Play
) -> None:
    engine = start_engine()

    async def scenario() -> None:
        flags = ["single-instance"]
        first = await engine.start(ECHO, client="app", flags=flags)
        connection = await engine.client.connect(first["id"], {})
        second = await engine.start(ECHO, client="app", flags=flags)
        other = await engine.start(ECHO, client="another", flags=flags)
        assert (first["attached"], second["attached"], other["attached"]) == (False, True, False)
        assert second["id"] == first["id"] != other["id"]
        async with await engine.client.connect(second["id"], {}) as again:
            assert await again.call("pid") == await connection.call("pid")
        assert await connection.call("echo", "still here") == "still here"
        await connection.close()

    play(scenario())


def test_a_detached_plugin_lives_on_and_the_next_client_finds_it(engine: RunningEngine, play: Play) -> None:
    script = """
class Plugin:
    def __init__(self):
        self.count = 0

    def add(self):
        self.count += 1
        return self.count

    async def ask(self):
        return await api.prompt("who is there?")

api.export(Plugin())
"""

    async def scenario() -> None:
        flags = ["allow-detach"]
        first = await engine.start(script, client="monday", flags=flags)
        async with await engine.client.connect(first["id"], {"prompt": lambda _: "monday"}) as plugin:
            assert await plugin.call("add") == 1
            assert await plugin.call("ask") == "monday"
        second = await engine.start(script, client="tuesday", flags=flags)
        assert (second["id"], second["attached"]) == (first["id"], True)
        async with await engine.client.connect(second["id"], {"prompt": lambda _: "tuesday"}) as plugin:
            assert await plugin.call("add") == 2
            assert await plugin.call("ask") == "tuesday"
        await engine.client.request("DELETE", f"/api/v1/plugins/{first['id']}")
        assert (await engine.final(first["id"]))["state"] == "exited"

    play(scenario())


def test_a_client_that_leaves_before_the_plugin_is_ready_takes_it_along(
    engine: RunningEngine, play: Play
) -> None:
    async def scenario() -> dict[str, Any]:
        plugin = await engine.start("import time\ntime.sleep(600)")
        connecting = asyncio.ensure_future(engine.client.connect(plugin["id"], {}))
        await engine.state(plugin["id"], "starting")
        connecting.cancel()
        await asyncio.wait([connecting])
        await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}?grace=0")
        return await engine.final(plugin["id"])

    assert play(scenario())["state"] == "exited"


def test_a_plugin_sees_neither_our_secrets_nor_our_environment(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine(env={"LAB_PASSWORD": "hunter2", "IMJOY_ENGINE_TOKEN": "a-token-of-this-test"})
    script = """
import os, sys
api.export({"seen": lambda: [dict(os.environ), sys.argv, sys.path]})
"""

    async def scenario() -> tuple[list[Any], list[str]]:
        async with await engine.open(script) as plugin:
            pids = [child.pid for child in psutil.Process(engine.process.pid).children()]
            lines = [" ".join(psutil.Process(pid).cmdline()) for pid in pids]
            return list(await plugin.call("seen")), lines

    (environment, argv, path), command_lines = play(scenario())
    assert "LAB_PASSWORD" not in environment
    assert not any(name.startswith("IMJOY") for name in environment)
    assert engine.token == "a-token-of-this-test"
    assert engine.token not in str([environment, argv, command_lines])
    assert not any("imjoy_engine" in entry for entry in path)


def test_one_plugin_cannot_take_the_place_of_anothers_worker(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine()
    address = engine.url.replace("http", "ws") + "/api/v1"

    async def scenario() -> None:
        first = await engine.start(ECHO)
        second = await engine.start(ECHO)
        for secret in ("", engine.token, second["id"]):
            with pytest.raises(SocketRefused) as caught:
                await open_socket(f"{address}/workers/{first['id']}/control", secret, "imjoy.worker.v1")
            assert caught.value.status == 403

    play(scenario())


def test_the_engine_stops_its_plugins_first(start_engine: StartEngine, play: Play) -> None:
    engine = start_engine()

    async def scenario() -> int:
        connection = await engine.open(ECHO)
        pid = int(await connection.call("pid"))
        engine.process.send_signal(signal.SIGTERM)
        await connection.wait_ended()
        await connection.close()
        return pid

    pid = play(scenario())
    assert engine.process.wait(15) == 0
    assert not psutil.pid_exists(pid)
    assert not (engine.workspace / ".imjoy" / "engine.json").exists()


def test_a_plugin_that_is_not_known_is_said_to_be_gone(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        with pytest.raises(ImJoyError) as caught:
            await engine.client.request("GET", "/api/v1/plugins/0123456789abcdef")
        assert caught.value.id == "plugin.not-found"

    play(scenario())


def test_a_plugin_that_the_system_killed_is_told_with_a_word_about_memory(
    engine: RunningEngine, play: Play
) -> None:
    script = (
        "import os, signal\n"
        "api.export({'setup': lambda: None, 'leave': lambda: os.kill(os.getpid(), signal.SIGKILL)})"
    )

    async def scenario() -> dict[str, Any]:
        plugin = await engine.start(script)
        connection = await engine.client.connect(plugin["id"], {})
        with pytest.raises(ImJoyError):
            await connection.call("leave")
        return await engine.final(plugin["id"])

    plugin = play(scenario())
    assert (plugin["state"], plugin["signal"], plugin["error"]["id"]) == ("failed", "SIGKILL", "plugin.died")
    assert "memory runs out" in plugin["error"]["why"]
