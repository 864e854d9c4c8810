"""The entry points of an install: the script and the command, which do the same and say the same.

They find the uv of the tests, as a person's who has one: a pip that fetches one is half the work of an install.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from tests.kit.fixtures import Doubles
from tests.kit.mirror import Mirror
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[3]
CACHES = (".cache", ".rustup")
"""pip asks rustc for its version, which makes the second where rustup is."""
ENTRY_POINTS = ("install.sh", "imjoy install")
every_step = pytest.mark.skipif("IMJOY_EVERY_STEP" not in os.environ, reason="make every-step runs it")
second = pytest.mark.skipif(
    "IMJOY_EVERY_STEP" not in os.environ,
    reason="the script hands over to the same planner; make every-step tries both",
)
"""For `imjoy install` where the script has no part in what is looked at but to start what that is."""
PLANNER = (ENTRY_POINTS[0], pytest.param(ENTRY_POINTS[1], marks=second))
NOBODY_LISTENS = "http://127.0.0.1:9/ok"


def command(entry_point: str) -> list[str]:
    """Return the command of an entry point."""
    if entry_point == "install.sh":
        return ["bash", str(ROOT / "install.sh")]
    return [sys.executable, "-m", "imjoy", "install"]


def environ(**more: str) -> dict[str, str]:
    """Return the variables for an entry point: no conda but those that a test makes, and no server of Anaconda."""
    path = os.pathsep.join([os.environ["PATH"], str(folder_of_uv())])
    fixed = {"CONDA_EXE": "", "IMJOY_MIRROR": NOBODY_LISTENS, "PATH": path}
    return {**os.environ, **fixed, **more}


@lru_cache(maxsize=1)
def folder_of_uv() -> Path:
    """Return a folder that holds the uv of the tests, and nothing else."""
    folder = Path(tempfile.mkdtemp(prefix="uv-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "uv").symlink_to(find_uv_bin())
    return folder


def install(entry_point: str, *arguments: object, code: int = 0, **more: str) -> dict[str, Any]:
    """Install through an entry point with ``--json``, without a terminal, and return the document that it prints."""
    done = run([*command(entry_point), "--json", *map(str, arguments)], **more)
    assert done.returncode == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def run(words: Sequence[object], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        list(map(str, words)),
        env=environ(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )


def offer(mirror: Mirror, doubles: Doubles) -> str:
    """Let the mirror have the installers; return its address."""
    mirror.folder.rmdir()
    mirror.folder.symlink_to(doubles.folder)
    return f"{mirror.url}/ok"


def contents(folder: Path) -> dict[str, bytes]:
    """Return everything in a folder, byte for byte, but for what Python compiled there and caches that others share."""
    return {
        str(path.relative_to(folder)): (
            str(path.readlink()).encode()
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else b""
        )
        for path in sorted(folder.rglob("*"))
        if not {"__pycache__", *CACHES} & set(path.relative_to(folder).parts)
    }
