"""Plugins in environments that somebody else made: real interpreters, and not a byte of them changed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.kit.old_hosts import interpreter

from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine.environments.existing.records import ExistingEnvironments

from .conftest import RunningEngine, StartEngine, plugin_source
from .test_worker_pythons import EACH_PYTHON

Play = Callable[[Awaitable[Any]], Any]
SCRIPT = """
import sys
import tissue
from imjoy import api

class Plugin:
    async def setup(self):
        await api.log("setting up")

    def where(self):
        import imjoy_rpc, msgpack
        return [sys.version.split()[0], sys.prefix, tissue.__file__, imjoy_rpc.__file__, msgpack.__file__, sys.path[-1]]

    def echo(self, value):
        return value

    async def ask(self, question):
        return await api.prompt(question)

    def fail(self):
        raise ValueError("as asked")

    def variable(self, name):
        import os
        return os.environ.get(name)

    async def from_a_thread(self):
        import asyncio, threading
        thread = threading.Thread(target=lambda: api.showMessage("from a thread").result(20))
        thread.start()
        await asyncio.get_event_loop().run_in_executor(None, thread.join)
        return True

api.export(Plugin())
"""
NOTHING = '<config lang="json">{"name": "Nothing", "type": "native-python"}</config><script lang="python">1</script>'


def tree_hash(folder: Path) -> str:
    """Return what changes with any byte, name, mode or time in a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        digest.update(f"{path} {status.st_mode} {status.st_size} {status.st_mtime_ns}\n".encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def make_venv(folder: Path, python: Path | None = None) -> Path:
    """Make a venv with one package, which nobody has compiled; return its folder of packages."""
    subprocess.run([python or sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    add_package(packages, "tissue", "1.4")
    return packages


def add_package(packages: Path, name: str, version: str, code: str = "") -> None:
    (packages / f"{name}.py").write_text(code)
    metadata = packages / f"{name}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def existing_in(workspace: Path) -> ExistingEnvironments:
    return ExistingEnvironments(Layout(prefix=workspace, workspace=workspace).existing_environments)


async def said_by(engine: RunningEngine, plugin_id: str) -> str:
    """Return what the engine told about a plugin until it ended."""
    return "".join(
        [
            data["text"]
            async for kind, data in engine.client.events(plugin_id)
            if kind == "log" and data["stream"] == "engine"
        ]
    )


@pytest.mark.parametrize("version", EACH_PYTHON)
def test_a_venv_of_each_python_runs_a_plugin_and_stays_as_it_was(
    version: str, engine: RunningEngine, workspace: Path, tmp_path: Path, play: Play
) -> None:
    mine = tmp_path / "mine"
    packages = make_venv(mine, interpreter(version))
    before = tree_hash(mine)
    existing_in(workspace).add("mine", mine / "bin" / "python")
    said: list[Any] = []
    api = {"log": said.append, "prompt": lambda question: f"{question} yes", "showMessage": said.append}

    async def scenario() -> list[str]:
        plugin = await engine.client.start_plugin(
            source=plugin_source(SCRIPT), file="t.imjoy.html", env="mine"
        )
        async with await engine.client.connect(plugin["id"], api, timeout=30) as connection:
            await connection.call("setup")
            value = {"text": "ümlaut", "list": [1, 2.5, None, {"deep": b"x" * 10}], "big": b"y" * 3_000_000}
            back = await connection.call("echo", value)
            assert (bytes(back.pop("big")), back) == (value.pop("big"), value)
            assert await connection.call("ask", "Really?") == "Really? yes"
            with pytest.raises(ImJoyError) as caught:
                await connection.call("fail")
            assert "as asked" in caught.value.why
            assert await connection.call("from_a_thread") is True
            where: list[str] = await connection.call("where")
        final = await engine.final(plugin["id"])
        assert (final["state"], final["exit_code"]) == ("exited", 0)
        assert "Traceback" not in "".join(str(event) for event in said)
        return where

    number, prefix, tissue, rpc, packed, last = play(scenario())
    assert number.startswith(f"{version}.")
    assert (prefix, Path(tissue).parent) == (str(mine), packages)
    ours = str(workspace / ".imjoy" / "worker-packages")
    assert [place.startswith(ours) for place in (rpc, packed, last)] == [True, True, True]
    assert said == ["setting up", "from a thread"]
    assert tree_hash(mine) == before


def test_what_is_there_wins_where_it_is_new_enough_and_only_there(
    engine: RunningEngine, workspace: Path, tmp_path: Path, play: Play
) -> None:
    mine = tmp_path / "mine"
    packages = make_venv(mine)
    # A msgpack that would do, and an imjoy-rpc of years ago, which has nothing that a worker needs.
    import msgpack

    (packages / "msgpack").symlink_to(Path(msgpack.__file__).parent)
    (packages / "msgpack-1.0.8.dist-info").mkdir()
    (packages / "imjoy_rpc").mkdir()
    (packages / "imjoy_rpc" / "__init__.py").write_text("raise SystemExit('too old')")
    (packages / "imjoy_rpc-0.2.1.dist-info").mkdir()
    existing_in(workspace).add("mine", mine / "bin" / "python")

    async def scenario() -> list[str]:
        plugin = await engine.client.start_plugin(
            source=plugin_source(SCRIPT), file="t.imjoy.html", env="mine"
        )
        async with await engine.client.connect(plugin["id"], {}, timeout=30) as connection:
            where: list[str] = await connection.call("where")
            return where

    _, _, _, rpc, packed, _ = play(scenario())
    assert rpc.startswith(str(workspace))
    assert Path(packed).parent == packages / "msgpack"


def test_what_is_missing_is_listed_with_the_command_and_refused_unless_anyway(
    engine: RunningEngine, workspace: Path, tmp_path: Path, play: Play
) -> None:
    mine = tmp_path / "mine"
    make_venv(mine)
    existing_in(workspace).add("mine", mine / "bin" / "python")
    before = tree_hash(mine)
    source = plugin_source(
        SCRIPT, requirements=["tissue>=2", "no-such-thing<3", "late; python_version < '3.5'"]
    )

    async def refused() -> dict[str, Any]:
        plugin = await engine.client.start_plugin(source=source, file="t.imjoy.html", env="mine")
        error: dict[str, Any] = (await engine.final(plugin["id"]))["error"]
        return error

    async def allowed() -> list[str]:
        plugin = await engine.client.start_plugin(source=source, file="t.imjoy.html", env="mine", anyway=True)
        async with await engine.client.connect(plugin["id"], {}, timeout=30) as connection:
            where: list[str] = await connection.call("where")
            return where

    error = play(refused())
    assert (error["id"], error["exit_code"]) == ("env.lacks", 3)
    assert error["what"] == (
        "mine (yours) lacks what Test plugin asks for: tissue>=2 (there is 1.4), no-such-thing<3."
    )
    assert f"{mine}/bin/python -m pip install 'tissue>=2' 'no-such-thing<3'" in error["why"]
    assert "--anyway" in error["fix"]
    assert play(allowed())[1] == str(mine)
    assert tree_hash(mine) == before


def test_the_default_is_used_by_plugins_that_ask_for_none_where_it_fits(
    start_engine: StartEngine, workspace: Path, tmp_path: Path, play: Play
) -> None:
    mine = tmp_path / "mine"
    make_venv(mine)
    existing_in(workspace).add("mine", mine / "bin" / "python")
    engine = start_engine("--env", "mine", "--freeze")

    async def prefix_of(**config: Any) -> object:
        connection = await engine.open(
            "import sys\nfrom imjoy import api\napi.export({'p': lambda: sys.prefix})", **config
        )
        async with connection:
            return await connection.call("p")

    async def its_own(chosen: str | None, **config: object) -> str:
        plugin = await engine.client.start_plugin(
            source=plugin_source("from imjoy import api", **config), file="t.imjoy.html", env=chosen
        )
        state = await engine.final(plugin["id"]) if config else {}
        if not state:
            await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
        return await said_by(engine, plugin["id"]) + str(state.get("error"))

    assert play(prefix_of()) == str(mine)
    assert play(prefix_of(requirements=["tissue"])) == str(mine)
    # It lacks something: the plugin has to have one of its own, which a frozen engine does not build.
    told = play(its_own(None, requirements=["tissue>=9"]))
    assert "mine (yours) is not used, as it lacks tissue>=9 (there is 1.4)" in told
    assert "env.frozen" in told
    # It asks for one.
    assert "env.frozen" in play(its_own(None, env="conda create -n x python=3.8"))
    # A person says so.
    assert "mine" not in play(its_own(""))


def test_conda_activate_means_one_of_yours_where_it_is_known(
    engine: RunningEngine, workspace: Path, tmp_path: Path, play: Play
) -> None:
    mine = tmp_path / "mine"
    make_venv(mine)
    script = "import sys\nfrom imjoy import api\napi.export({'prefix': lambda: sys.prefix})"

    async def prefix() -> tuple[object, str]:
        plugin = await engine.start(script, env="conda activate cells")
        async with await engine.client.connect(plugin["id"], {}, timeout=30) as connection:
            found = await connection.call("prefix")
        return found, await said_by(engine, plugin["id"])

    found, told = play(prefix())
    assert str(workspace) in os.path.realpath(str(found)) or "environments" in str(found)
    assert "no environment of yours is called cells" in told
    existing_in(workspace).add("cells", mine / "bin" / "python")
    found, told = play(prefix())
    assert found == str(mine)
    assert "cells (yours)" in told


def test_one_that_changed_is_noticed_and_one_that_is_gone_is_said(
    engine: RunningEngine, workspace: Path, tmp_path: Path, play: Play
) -> None:
    mine = tmp_path / "mine"
    packages = make_venv(mine)
    existing_in(workspace).add("mine", mine / "bin" / "python")
    (packages / "tissue-1.4.dist-info").rename(packages / "tissue-1.5.dist-info")
    add_package(packages, "cells", "0.1")

    async def start() -> tuple[str, dict[str, Any]]:
        plugin = await engine.client.start_plugin(source=NOTHING, file="t.imjoy.html", env="mine")
        state = (
            await engine.state(plugin["id"], "starting")
            if mine.exists()
            else await engine.final(plugin["id"])
        )
        await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
        return await said_by(engine, plugin["id"]), state

    told, _ = play(start())
    assert "mine (yours) has changed since it was last used: cells 0.1 is new, tissue 1.4 -> 1.5." in told
    told, _ = play(start())
    assert "has changed" not in told
    mine.rename(tmp_path / "elsewhere")
    told, state = play(start())
    assert state["error"]["id"] == "env.gone"
    assert "imjoy env forget mine" in state["error"]["fix"]


def test_commands_of_a_plugin_are_not_run_in_one_of_yours(
    engine: RunningEngine, workspace: Path, tmp_path: Path, play: Play
) -> None:
    mine = tmp_path / "mine"
    make_venv(mine)
    existing_in(workspace).add("mine", mine / "bin" / "python")
    done = tmp_path / "done"
    source = plugin_source(SCRIPT, requirements=[f"cmd: touch {done}"])

    async def start() -> str:
        plugin = await engine.client.start_plugin(source=source, file="t.imjoy.html", env="mine")
        async with await engine.client.connect(plugin["id"], {}, timeout=30) as connection:
            await connection.call("where")
        return await said_by(engine, plugin["id"])

    assert f"Not run, as it may change the environment: touch {done}" in play(start())
    assert not done.exists()


def test_a_name_that_nobody_gave_is_refused_at_once(engine: RunningEngine, play: Play) -> None:
    with pytest.raises(ImJoyError) as caught:
        play(engine.client.start_plugin(source=NOTHING, file="t.imjoy.html", env="nowhere"))
    assert caught.value.id == "env.unknown"


def test_the_python_that_imjoy_runs_in_needs_no_adding(engine: RunningEngine, play: Play) -> None:
    script = "import sys\nfrom imjoy import api\napi.export({'prefix': lambda: sys.prefix})"

    async def scenario() -> object:
        plugin = await engine.client.start_plugin(
            source=plugin_source(script), file="t.imjoy.html", env="host"
        )
        async with await engine.client.connect(plugin["id"], {}, timeout=30) as connection:
            return await connection.call("prefix")

    assert play(scenario()) == sys.prefix


def test_the_plugins_that_one_builds_on_are_named_before_anything_fails(
    engine: RunningEngine, play: Play
) -> None:
    async def start() -> str:
        plugin = await engine.start("from imjoy import api", dependencies=["oeway/ImJoy-Plugins:Viewer"])
        await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}")
        return await said_by(engine, plugin["id"])

    assert "builds on other plugins: oeway/ImJoy-Plugins:Viewer." in play(start())
