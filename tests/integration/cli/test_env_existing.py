"""`imjoy env add`, `list`, `find`, `forget` and `imjoy run --env`, with environments that were there before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.integration.engine.test_existing_environments import make_venv, tree_hash

Imjoy = Callable[..., CompletedProcess[str]]
PLUGIN = """
<config lang="json">{"name": "Where", "type": "native-python", "requirements": ["tissue"]}</config>
<script lang="python">
import sys, os, tissue
from imjoy import api
api.export({"run": lambda ctx: [sys.prefix, os.environ.get("CELLS"), os.environ.get("MODEL")]})
</script>
"""


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    file = tmp_path / "Where.imjoy.html"
    file.write_text(PLUGIN)
    return str(file)


@pytest.mark.slow
def test_a_venv_is_added_used_removed_around_and_forgotten_as_it_was(
    imjoy: Imjoy, plugin: str, tmp_path: Path, workspace: Path
) -> None:
    mine = tmp_path / "mine"
    make_venv(mine)
    before = tree_hash(mine)
    added = imjoy("env", "add", "cells", "--python", str(mine))
    assert added.returncode == 0, added.stderr
    done = imjoy("run", "--env", "cells", plugin)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, json.dumps([str(mine), None, None])), (
        done.stderr
    )
    assert "Where runs in cells (yours)" in done.stderr
    assert imjoy("env", "gc").stdout == "Nothing to remove.\n"
    assert imjoy("env", "remove", "cells").returncode == 1
    (listed,) = [
        each
        for each in json.loads(imjoy("env", "list", "--json").stdout)["existing"]
        if each["name"] == "cells"
    ]
    assert (listed["state"], listed["packages"]) == ("ready", {"tissue": "1.4"})
    forgotten = imjoy("env", "forget", "cells")
    assert forgotten.stdout == f"cells is forgotten. {mine} was not touched.\n"
    assert imjoy("run", "--env", "cells", plugin).returncode == 2
    assert tree_hash(mine) == before


@pytest.mark.slow
def test_a_conda_environment_is_used_as_if_it_were_activated(
    imjoy: Imjoy, plugin: str, miniconda: Callable[..., Path], channel: object
) -> None:
    conda = miniconda()
    made = subprocess.run(
        [conda, "create", "-y", "-n", "cellpose", "--override-channels", "-c", "conda-forge", "python=3.12"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    prefix = conda.parent.parent / "envs" / "cellpose"
    (packages,) = prefix.glob("lib/python3.12/site-packages")
    (packages / "tissue.py").touch()
    (packages / "tissue-2.0.dist-info").mkdir()
    scripts = prefix / "etc" / "conda" / "activate.d"
    scripts.mkdir(parents=True)
    (scripts / "cells.sh").write_text('export CELLS="$CONDA_PREFIX/share/cells"\n')
    (prefix / "conda-meta" / "state").write_text('{"version": 1, "env_vars": {"MODEL": "nuclei"}}')
    before = tree_hash(prefix)
    added = imjoy("env", "add", "cells", "--conda", "cellpose")
    assert added.returncode == 0, added.stderr
    done = imjoy("run", "--env", "cells", plugin)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [str(prefix), f"{prefix}/share/cells", "nuclei"]
    assert tree_hash(prefix) == before


def test_what_is_no_python_is_told_and_nothing_is_noted(
    imjoy: Imjoy, tmp_path: Path, workspace: Path
) -> None:
    wrong = tmp_path / "python"
    wrong.write_text("#!/bin/sh\necho no\n")
    wrong.chmod(0o755)
    assert "env.no-python" in imjoy("env", "add", "x", "--python", str(wrong)).stderr
    assert "env.no-python" in imjoy("env", "add", "x", "--python", str(tmp_path / "nowhere")).stderr
    assert "env.no-conda-env" in imjoy("env", "add", "x", "--conda", "nowhere").stderr
    assert "env.name" in imjoy("env", "add", "host", "--python", sys.executable).stderr
    old = sorted(Path(os.environ["PYENV_ROOT"]).glob("versions/2.7.*/bin/python"))
    if old:
        assert "env.old-python" in imjoy("env", "add", "x", "--python", str(old[-1])).stderr
    assert not workspace.exists()


def test_thirty_environments_are_found_with_little_work(imjoy: Imjoy, home: Path, tmp_path: Path) -> None:
    first = home / "venvs" / "mine-0"
    packages = make_venv(first)
    (packages / "torch-2.1.0.dist-info").mkdir()
    for number in range(1, 15):
        subprocess.run(["cp", "-r", first, first.with_name(f"mine-{number}")], check=True)
    for number in range(15):
        prefix = home / "miniforge3" / "envs" / f"conda-{number}"
        (prefix / "bin").mkdir(parents=True)
        (prefix / "conda-meta").mkdir()
        (prefix / "conda-meta" / "python-3.9.18-h1_0.json").touch()
        (prefix / "conda-meta" / "pytorch-2.2.0-py39_0.json").touch()
        (prefix / "bin" / "python").symlink_to(sys.executable)
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "cells"
    kernel.mkdir(parents=True)
    work = tmp_path / "work"
    make_venv(work)
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": [str(work / "bin" / "python"), "-m", "ipykernel"]})
    )
    begin = os.times()
    done = imjoy("env", "find", "--json")
    end = os.times()
    found = {each["prefix"]: each for each in json.loads(done.stdout)["found"]}
    mine = found[str(first)]
    assert (mine["kind"], mine["packages"]["torch"], mine["version"].count(".")) == ("venv", "2.1.0", 2)
    conda = found[str(home / "miniforge3" / "envs" / "conda-3")]
    assert (conda["name"], conda["version"], conda["packages"]) == ("conda-3", "3.9.18", {"torch": "2.2.0"})
    assert str(work) in found
    assert len([place for place in found if place.startswith(str(home))]) == 30
    assert mine["bytes"] > 10_000
    # Of a processor, not of the clock, which tells what else the machine does. It takes half a second.
    used = end.children_user + end.children_system - begin.children_user - begin.children_system
    assert used < 2, f"{used:.2f} s"
