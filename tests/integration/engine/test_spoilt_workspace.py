"""A workspace in which something is not what it should be: every command ends, says so, and the doctor repairs it."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imjoy.model.layout import Layout

pytestmark = pytest.mark.skipif(os.name != "posix", reason="named pipes and links of POSIX systems")
WAIT_SECONDS = 60
all_there_may_be = pytest.mark.skipif(
    "IMJOY_EVERY_STEP" not in os.environ,
    reason="whatever lies there is met by the same code; make every-step tries the others",
)


def imjoy(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run imjoy to its end."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        [sys.executable, "-m", "imjoy", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
        **options,
    )
    return done


def loop(path: Path) -> None:
    """Make a link that leads to itself."""
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("place", "spoil"),
    [
        ("token", os.mkfifo),
        pytest.param("token", os.mkdir, marks=all_there_may_be),
        pytest.param("token", loop, marks=all_there_may_be),
        ("engine.json", os.mkfifo),
        pytest.param("engine.json", os.mkdir, marks=all_there_may_be),
        ("logs", Path.touch),
        ("logs/engine.log", os.mkfifo),
        ("engine.lock", os.mkfifo),
        ("tls", Path.touch),
    ],
)
def test_every_command_ends_with_a_word_about_it_and_the_doctor_mends_it(
    home: Path, place: str, spoil: Callable[[Path], object]
) -> None:
    layout = Layout(home / "ImJoyApp", home / "ImJoyWorkspace")
    path = layout.private / place
    path.parent.mkdir(parents=True)
    spoil(path)
    for words in (["status"], ["stop"], ["token"], ["logs"], ["env", "list"]):
        done = imjoy(*words)
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stderr
    begun = imjoy("start", "--detach", "--port", "0", "--tls")
    try:
        assert begun.returncode in (0, 1, 2), begun.stderr
        assert "internal" not in begun.stderr
        if begun.returncode != 0:
            assert str(path) in begun.stderr
        else:
            assert (place, spoil) == ("engine.json", os.mkfifo), "a new one is renamed over it"
    finally:
        imjoy("stop")
    repaired = imjoy(
        "doctor", "--fix", "--yes", "--offline", "--only", "engine.files", "--only", "engine.token"
    )
    assert repaired.returncode == 0, repaired.stdout
    if place == "engine.json":
        imjoy("doctor", "--fix", "--yes", "--offline", "--only", "engine.state")
    try:
        again = imjoy("start", "--detach", "--port", "0", "--tls")
        assert again.returncode == 0, again.stderr
    finally:
        imjoy("stop")


def test_under_umask_000_the_workspace_is_its_owner_s(home: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'umask 000; exec "$0" -m imjoy start --detach --port 0', sys.executable],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
    imjoy("stop")
    assert done.returncode == 0, done.stderr
    workspace = home / "ImJoyWorkspace"
    open_to_others = [
        each for each in (workspace, *workspace.rglob("*")) if stat.S_IMODE(each.stat().st_mode) & 0o022
    ]
    assert open_to_others == []
    assert stat.S_IMODE(workspace.stat().st_mode) == 0o700


def test_a_workspace_that_others_may_write_to_is_found_and_closed(home: Path) -> None:
    workspace = home / "ImJoyWorkspace"
    (workspace / ".imjoy").mkdir(parents=True)
    workspace.chmod(0o777)
    found = imjoy("doctor", "--offline", "--only", "engine.files")
    assert "Other users of this machine can write" in found.stdout
    assert imjoy("doctor", "--fix", "--yes", "--offline", "--only", "engine.files").returncode == 0
    assert stat.S_IMODE(workspace.stat().st_mode) == 0o755
