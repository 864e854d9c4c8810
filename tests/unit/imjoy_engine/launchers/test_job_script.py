"""The script that a job runs, on a node where something is missing: its exit code says what."""

from __future__ import annotations

import asyncio
import base64
import marshal
import os
import subprocess
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.kit.pythons import movable_pythons

from imjoy_engine.certificates import passing_certificate
from imjoy_engine.launchers import WorkerSpec
from imjoy_engine.launchers.cluster import ClusterLauncher, NodeEndpoint, ScriptLines, worker_archive

from .test_cluster import Scheduler, Watcher

if sys.platform == "win32":
    pytest.skip("nodes have a POSIX sh", allow_module_level=True)

SECONDS = 60
PYTHONS = ["", "3.6", "3.13"]


class Submitted(Exception):
    """What was submitted."""


class Noting(Scheduler):
    """A double that notes the script and its variables, and takes no job."""

    async def submit(self, script: str, variables: Mapping[str, str], name: str, resources: object) -> str:
        raise Submitted(script, dict(variables))


def job(python: Path, tmp_path: Path, lines: ScriptLines) -> tuple[str, dict[str, str]]:
    certificate = passing_certificate(["127.0.0.1"], tmp_path)
    # Nobody listens on port 9.
    launcher = ClusterLauncher(Noting(), NodeEndpoint("https://127.0.0.1:9", certificate.pem), lines)
    start = WorkerSpec("id", "Plugin", python, (), {}, Path("/"))
    with pytest.raises(Submitted) as caught:
        asyncio.run(launcher.start(start, Watcher()))
    script, variables = caught.value.args
    return script, variables


def run(script: str, variables: Mapping[str, str], scratch: Path) -> int:
    """Return the exit code; nothing may be left in the temporary folder."""
    done = subprocess.run(
        ["/bin/sh"],
        input=script.encode(),
        env={**os.environ, **variables, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    assert not scratch.exists() or list(scratch.iterdir()) == []
    return done.returncode


@pytest.fixture(params=PYTHONS)
def python(request: pytest.FixtureRequest) -> Path:
    """Return an interpreter, of our version and of others, with no package of ours."""
    if not request.param:
        return Path(sys.executable)
    for version, prefix in movable_pythons().items():
        if version.startswith(request.param + "."):
            return prefix / "bin" / "python3"
    pytest.skip(f"no Python {request.param} is here")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_an_engine_that_is_not_there_is_told_by_every_python(
    python: Path, tmp_path: Path, scratch: Path
) -> None:
    script, variables = job(python, tmp_path, ScriptLines())
    assert run(script, variables, scratch) == 67


def test_files_that_arrive_broken_are_told_by_every_python(
    python: Path, tmp_path: Path, scratch: Path
) -> None:
    script, variables = job(python, tmp_path, ScriptLines())
    archive = worker_archive()
    for broken in ("", "x", archive[: len(archive) // 2], archive[:99].swapcase() + archive[99:]):
        assert run(script.replace(archive, broken), variables, scratch) == 68


def test_a_job_unpacks_the_worker_into_its_folder_wherever_bytecode_goes_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "elsewhere"))
    files = marshal.loads(zlib.decompress(base64.b64decode(worker_archive.__wrapped__())))
    assert f"rpc/__pycache__/peer.{sys.implementation.cache_tag}.pyc" in files
    assert not [name for name in files if Path(name).is_absolute()]
    assert not (tmp_path / "elsewhere").exists()


def test_a_missing_interpreter_and_a_missing_folder_are_told(tmp_path: Path, scratch: Path) -> None:
    script, variables = job(tmp_path / "no python", tmp_path, ScriptLines())
    assert run(script, variables, scratch) == 66
    assert run(script, variables, tmp_path / "nowhere") == 65


def test_a_prologue_may_end_a_job_and_words_come_before_the_interpreter(
    tmp_path: Path, scratch: Path
) -> None:
    script, variables = job(Path(sys.executable), tmp_path, ScriptLines(prologue="exit 9"))
    assert run(script, variables, scratch) == 9
    script, variables = job(Path(sys.executable), tmp_path, ScriptLines(wrapper=("env", "PATH=a b", "false")))
    assert run(script, variables, scratch) == 127
