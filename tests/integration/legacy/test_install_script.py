"""`install.sh` on a host whose only Python is 2.7: it needs none where a conda is, and says so where nothing is."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.channel_server import ChannelServer

from .conftest import NO_INDEX, OldHost

ROOT = Path(__file__).resolve().parents[3]
PYTHONS = ("python", "pypy")


@pytest.fixture
def old_path(old_host: OldHost, tmp_path: Path) -> str:
    """A PATH with the commands of this machine, but for every Python and conda except Python 2.7."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(os.pathsep)):
        for command in Path(place).glob("*"):
            link = folder / command.name
            if not command.name.startswith((*PYTHONS, "conda", "uv", "pip")) and not link.is_symlink():
                link.symlink_to(command)
    (folder / "python").symlink_to(old_host.python)
    return str(folder)


def install(path: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script with that PATH."""
    bash = shutil.which("bash")
    assert bash
    return subprocess.run(
        [bash, str(ROOT / "install.sh"), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PATH": path, "PYENV_ROOT": "/nowhere", **variables},
        timeout=170,
        check=False,
    )


def test_with_a_conda_it_has_that_make_the_environment_imjoy(
    old_path: str, old_host: OldHost, channel: ChannelServer, miniconda: Callable[..., Path], wheel: Path
) -> None:
    miniconda()
    done = install(old_path, "--yes", "--from", str(wheel))
    assert done.returncode == 0, done.stderr
    command = old_host.home / "ImJoyApp" / "bin" / "imjoy"
    assert subprocess.run([command, "--version"], check=False).returncode == 0
    assert command.resolve().is_relative_to(old_host.prefix)

    # The old Python finds the same environment, and goes on in it.
    same = old_host.run("status")
    assert (same.returncode, same.stderr) == (1, "")


def test_with_nothing_to_go_by_it_names_the_old_python_and_changes_nothing(
    old_path: str, old_host: OldHost, no_other_python: None
) -> None:
    before = sorted(old_host.home.rglob("*"))
    done = install(old_path, "--mirror", "http://127.0.0.1:9/", **NO_INDEX)
    assert done.returncode == 4, done.stderr
    assert "there is no Python 3.9 or newer here" in done.stderr
    assert "/commands/python is older" in done.stderr
    assert sorted(old_host.home.rglob("*")) == before
