"""A machine that has no Python at all: the whole way from `install.sh` to an imjoy that answers, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.kit.mirror import Mirror
from tests.kit.standalone import Standalone

from .conftest import BASH, ROOT, Machine


@pytest.mark.slow
def test_it_gets_a_python_of_its_own_and_gives_all_of_it_back(
    machine: Machine, mirror: Mirror, standalone: Standalone, wheel: Path
) -> None:
    mirror.folder.rmdir()
    mirror.folder.symlink_to(standalone.file.parent)
    machine.variables["IMJOY_PYTHON_URL"] = f"{mirror.url}/ok/{standalone.file.name}"
    machine.variables["IMJOY_PYTHON_SHA256"] = standalone.sha256
    words = [BASH, ROOT / "install.sh", "--json", "--yes", "--distribution", "venv", "--from", wheel]
    done = machine.run(*words, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["action"] == "install"
    prefix = machine.home / "ImJoyApp"
    assert machine.run(prefix / "bin" / "imjoy", "--version").stdout.startswith("imjoy ")
    assert list(machine.temporary.iterdir()) == []

    # Its own Python serves from now on: nothing is fetched again.
    asked = sum(mirror.requests.values())
    done = machine.run(*words, timeout=600)
    assert json.loads(done.stdout)["action"] == "none", done.stdout + done.stderr
    assert sum(mirror.requests.values()) == asked

    done = machine.run(BASH, ROOT / "install.sh", "--uninstall", "--yes", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not prefix.exists()
    assert list(machine.temporary.iterdir()) == []
