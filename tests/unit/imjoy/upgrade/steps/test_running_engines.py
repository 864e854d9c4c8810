"""Which engines run from an environment, by their own records: a command line may name another program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kit.mac_double import FRAMEWORK

from imjoy.effects.processes.process import birth_of
from imjoy.model.layout import Layout
from imjoy.upgrade.steps.running_engines import find_running

WAITS = "import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return an environment, by a way through a link, as /tmp and /var are on macOS."""
    (tmp_path / "private" / "environment" / "bin").mkdir(parents=True)
    (tmp_path / "way").symlink_to(tmp_path / "private")
    return tmp_path / "way" / "environment"


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """Return the paths of a workspace with what looks like an engine that runs on a framework's Python."""
    paths = Layout(tmp_path / "way" / "environment", tmp_path / "workspace")
    paths.private.mkdir(parents=True)
    argv = [FRAMEWORK, "-c", WAITS, "-m", "imjoy_engine", "serve", "--workspace", str(paths.workspace)]
    with subprocess.Popen(
        argv, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        state = {
            "pid": process.pid,
            "birth": birth_of(process.pid),
            "instance": "i",
            "secret": "s",
            "port": 1,
        }
        more = {"host": "127.0.0.1", "url": "http://127.0.0.1:1", "serve": False}
        paths.state_file.write_text(json.dumps({**state, **more}))
        yield paths
        process.stdin.close()


def note(layout: Layout, python: Path) -> None:
    state = json.loads(layout.state_file.read_text())
    layout.state_file.write_text(json.dumps({**state, "python": str(python)}))


@pytest.mark.skipif(sys.platform == "win32", reason="there argv[0] is what runs")
@pytest.mark.usefixtures("here_and_on_a_mac")
def test_an_engine_is_known_by_the_python_that_it_noted(
    environment: Path, layout: Layout, tmp_path: Path
) -> None:
    python = tmp_path / "private" / "environment" / "bin" / "python"
    note(layout, python)
    [found] = find_running(layout, environment)
    assert found.argv[0] == str(python), "what starts it again"
    assert found.argv[-1] == str(layout.workspace)
    # That of another workspace, too.
    elsewhere = Layout(layout.prefix, tmp_path / "another workspace")
    assert [each.layout.workspace for each in find_running(elsewhere, environment)] == [layout.workspace]
    note(layout, tmp_path / "other" / "bin" / "python")
    assert find_running(layout, environment) == []
