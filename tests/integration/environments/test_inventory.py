"""What ``imjoy env`` sees and removes: environments that are really there, and a plugin that really runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from filelock import FileLock

from imjoy.cli import main
from imjoy.model.layout import Layout
from imjoy_engine.environments.prefix import MARKER_NAME
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.environments.store.store import EnvironmentStore
from imjoy_engine.environments.store.usage import note_use

if TYPE_CHECKING:
    from tests.kit.channel_server import ChannelServer

WriteWheel = Callable[..., Path]
PLUGIN = """<config lang="json">
{"name": "Old timer", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8",
 "env": ["conda create -n old python=3.8", {"type": "variable", "options": {"GREETING": "hello"}}],
 "requirements": ["conda: middle", "cmd: echo from a command", "pip: six"]}
</config>
<script lang="python">
import os, sys
import middle, small
from imjoy import api

class Plugin:
    def setup(self):
        pass

    def run(self, ctx):
        return [sys.version[:3], small.version, os.environ["GREETING"]]

api.export(Plugin())
</script>
"""


def ignore(progress: Progress) -> None:
    """Take progress and do nothing with it."""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workspace"
    monkeypatch.setenv("IMJOY_WORKSPACE", str(folder))
    return folder


@pytest.fixture
def root(workspace: Path) -> Path:
    return Layout(prefix=workspace, workspace=workspace).environments


def build(root: Path, *requirements: str) -> Path:
    return asyncio.run(
        EnvironmentStore(root, freeze=False).ensure(EnvironmentSpec(None, requirements), ignore)
    )


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code = main(["env", *words, "--json"])
    document = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert code == (document["error"]["exit_code"] if "error" in document else 0)
    return document


def test_environments_are_listed_with_their_size_and_users_shown_and_removed(
    root: Path, wheelhouse: WriteWheel, capsys: pytest.CaptureFixture[str]
) -> None:
    wheelhouse("foo")
    python = build(root, "foo")
    note_use(python, "Mine", "", "default")
    [found] = asked(capsys, "list")["environments"]
    assert found["id"] == python.parent.parent.name
    assert found["ready"]
    assert not found["in_use"]
    assert found["bytes"] > 1000
    assert [use["name"] for use in found["plugins"]] == ["Mine"]
    assert main(["env"]) == 0
    assert "Mine" in capsys.readouterr().out
    for name in (found["id"], found["id"][:6], "Mine"):
        assert asked(capsys, "show", name)["environment"]["spec"]["pip"] == ["foo"]
    assert main(["env", "remove", "--dry-run", "Mine"]) == 0
    assert f"Would be removed: {found['id']}" in capsys.readouterr().out
    assert python.exists()
    assert [each["id"] for each in asked(capsys, "remove", "Mine")["removed"]] == [found["id"]]
    assert not python.parent.parent.exists()
    assert asked(capsys, "list")["environments"] == []


def test_a_plugin_that_changes_its_requirements_leaves_the_old_environment_until_gc(
    root: Path, wheelhouse: WriteWheel, capsys: pytest.CaptureFixture[str]
) -> None:
    wheelhouse("foo", "1.0")
    wheelhouse("foo", "2.0")
    old, new, shared = build(root, "foo<2"), build(root, "foo"), build(root)
    note_use(old, "Changing", "", "default")
    note_use(shared, "Other", "GPU", "default")
    note_use(new, "Changing", "", "default")
    assert old.exists()
    assert len(asked(capsys, "list")["environments"]) == 3
    would = asked(capsys, "gc", "--dry-run")
    assert ([each["id"] for each in would["removed"]], would["dry_run"]) == ([old.parent.parent.name], True)
    assert old.exists()
    assert [each["id"] for each in asked(capsys, "gc")["removed"]] == [old.parent.parent.name]
    assert new.exists()
    assert shared.exists()
    assert asked(capsys, "gc")["removed"] == []
    assert len(asked(capsys, "gc", "--unused-days", "0")["removed"]) == 2


def test_what_was_never_finished_is_collected_but_not_what_is_being_built(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a" * 24, "b" * 24):
        (root / name).mkdir(parents=True)
    with FileLock(root / f"{'b' * 24}.lock"):
        assert [each["id"] for each in asked(capsys, "gc")["removed"]] == ["a" * 24]
        assert asked(capsys, "remove", "bbb")["error"]["id"] == "env.in-use"
    assert (root / ("b" * 24)).exists()


def test_an_environment_in_which_a_plugin_runs_stays(
    root: Path, wheelhouse: WriteWheel, capsys: pytest.CaptureFixture[str]
) -> None:
    wheelhouse("foo")
    python = build(root, "foo")
    with subprocess.Popen([python, "-c", "input()"], stdin=subprocess.PIPE) as running:
        assert asked(capsys, "list")["environments"][0]["in_use"]
        assert asked(capsys, "remove", python.parent.parent.name)["error"]["id"] == "env.in-use"
        assert asked(capsys, "gc")["removed"] == []
        running.communicate(b"\n")
    assert (python.parent.parent / MARKER_NAME).exists()


def test_a_name_that_could_be_several_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("c" * 24, "c" * 23 + "d"):
        (root / name).mkdir(parents=True)
    assert "Several" in asked(capsys, "show", "cc")["error"]["what"]


def test_a_conda_plugin_runs_with_imjoy_run_and_its_environment_can_be_exported(
    root: Path, workspace: Path, channel: ChannelServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rattler", reason="py-rattler is missing")
    if not any(path.name.startswith("python-3.8.") for path in channel.channel.folder.glob("*/*.conda")):
        pytest.skip("Python 3.8 is not installed (pyenv)")
    plugin = tmp_path / "old timer.imjoy.html"
    plugin.write_text(PLUGIN, encoding="utf-8")
    run = [sys.executable, "-m", "imjoy", "run", str(plugin), "--json"]
    for times in range(2):
        done = subprocess.run(run, capture_output=True, text=True, timeout=90, check=False)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        results = [event["value"] for event in events if event["event"] == "result"]
        assert results == [["3.8", "1.0", "hello"]], done.stdout + done.stderr
        phases = {event["phase"] for event in events if event["event"] == "progress"}
        assert phases >= {"environment", "link", "pip", "command"} if times == 0 else not phases
        said = "".join(event["text"] for event in events if event["event"] == "log")
        assert ("from a command" in said) == (times == 0)
    text = asked(capsys, "export", "Old timer")["file"]
    exported = yaml.safe_load(text)
    assert exported["name"] == "old"
    assert "middle=1.0=py_0" in exported["dependencies"]
    assert any(each.startswith("python=3.8.") for each in exported["dependencies"] if isinstance(each, str))
    assert any(each.startswith("six==") for each in exported["dependencies"][-1]["pip"])
