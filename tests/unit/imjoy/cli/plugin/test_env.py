"""``imjoy env`` renders what the engine's own code says about environments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imjoy.cli import main

PLUGIN = """<config lang="json">
{
  "name": "Demo", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8", "tags": ["CPU", "GPU"],
  "env": ["conda create -n demo python=3.8 -c pytorch", {"type": "variable", "options": {"A": 1}}],
  "requirements": {"CPU": ["scipy"], "GPU": ["repo: https://me:hunter2@host/x models", "cmd: make", "conda: gdal"]}
}
</config>
<script lang="python">pass</script>
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "größe 1.imjoy.html"
    path.write_text(PLUGIN, encoding="utf-8")
    return path


def test_a_plan_is_printed_without_making_anything(
    plugin: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", "plan", str(plugin), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert (plan["python"], plan["channels"], plan["tag"]) == ("3.8", ["pytorch"], "CPU")
    assert "scipy" in plan["pip"]
    assert plan["variables"] == {"A": "1"}
    assert list(home.iterdir()) == []


def test_a_plan_in_words_is_for_the_tag_and_holds_no_password(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", "plan", str(plugin), "--tag", "GPU"]) == 0
    out = capsys.readouterr().out
    assert "  conda     gdal\n" in out
    assert "https://****@host/x in models" in out
    assert "  commands  make\n" in out
    assert "hunter2" not in out


def test_a_plan_names_the_plugins_that_one_builds_on(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = '"dependencies": {"GPU": ["oeway/ImJoy-Plugins:Viewer"]}, "tags"'
    plugin.write_text(PLUGIN.replace('"tags"', wanted), encoding="utf-8")
    assert main(["env", "plan", str(plugin), "--tag", "GPU"]) == 0
    assert "builds on other plugins: oeway/ImJoy-Plugins:Viewer." in capsys.readouterr().out
    assert main(["env", "plan", str(plugin)]) == 0
    assert "builds on" not in capsys.readouterr().out


def test_what_a_plan_refuses_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "old.imjoy.html"
    path.write_text(PLUGIN.replace("python=3.8", "python=2.7"), encoding="utf-8")
    assert main(["env", "plan", str(path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["id"] == "env.python"


def test_an_empty_workspace_has_no_environments(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["env"]) == 0
    assert "no environments yet" in capsys.readouterr().out
    assert main(["env", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["environments"] == []
    assert [each["name"] for each in listed["existing"]] == ["host"]
    assert not (Path.home() / "ImJoyWorkspace").exists()
    assert main(["env", "gc"]) == 0
    assert capsys.readouterr().out == "Nothing to remove.\n"


@pytest.mark.parametrize("action", ["show", "remove", "export"])
def test_an_environment_that_is_not_there_is_an_error(
    action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", action, "nothing", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["id"] == "env.not-found"
