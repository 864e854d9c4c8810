"""Repositories, commands, files and GPUs, with the real git and the real shell."""

from __future__ import annotations

import asyncio
import http.server
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.builders import preparation
from imjoy_engine.environments.builders.preparation import Prepared, prepare
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.spec import EnvironmentSpec, GpuRequest, Repository
from imjoy_engine.environments.store.store import EnvironmentStore

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is missing")
posix = pytest.mark.skipif(os.name != "posix", reason="commands for a POSIX shell")
WriteWheel = Callable[..., Path]


@pytest.fixture
def work_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "work größe 1"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path: Path) -> EnvironmentStore:
    return EnvironmentStore(tmp_path / "environments", freeze=False)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "model.txt").write_text("1")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "x")
    return folder


def make(
    store: EnvironmentStore, spec: EnvironmentSpec, work_dir: Path, said: list[str] | None = None
) -> Prepared:
    heard: list[Progress] = []
    tell = said.append if said is not None else lambda text: None
    return asyncio.run(prepare(spec, work_dir, store, environ=os.environ, report=heard.append, say=tell))


def refused(store: EnvironmentStore, spec: EnvironmentSpec, work_dir: Path) -> ImJoyError:
    with pytest.raises(ImJoyError) as caught:
        make(store, spec, work_dir)
    return caught.value


@needs_git
def test_a_repository_is_cloned_and_then_brought_up_to_date(
    store: EnvironmentStore, work_dir: Path, origin: Path
) -> None:
    spec = EnvironmentSpec(None, (), repos=(Repository(f"file://{origin}", "data/größe 1"),))
    make(store, spec, work_dir)
    model = work_dir / "data" / "größe 1" / "model.txt"
    assert model.read_text() == "1"
    (origin / "model.txt").write_text("2")
    git(origin, "commit", "-qam", "y")
    make(store, spec, work_dir)
    assert model.read_text() == "2"


@needs_git
def test_a_clone_that_cannot_be_updated_is_used_as_it_is(
    store: EnvironmentStore, work_dir: Path, origin: Path
) -> None:
    spec = EnvironmentSpec(None, (), repos=(Repository(f"file://{origin}", "x"),))
    make(store, spec, work_dir)
    (work_dir / "x" / "model.txt").write_text("mine")
    shutil.rmtree(origin)
    said: list[str] = []
    make(store, spec, work_dir, said)
    assert (work_dir / "x" / "model.txt").read_text() == "mine"
    assert any("used as it is" in text for text in said)


@needs_git
def test_a_repository_that_does_not_exist_is_explained_and_leaves_nothing(
    store: EnvironmentStore, work_dir: Path, tmp_path: Path
) -> None:
    spec = EnvironmentSpec(None, (), repos=(Repository(f"file://{tmp_path}/none", "x"),))
    error = refused(store, spec, work_dir)
    assert error.id == "env.repo"
    assert "none" in error.why
    assert list(work_dir.iterdir()) == []


@needs_git
def test_without_a_network_the_address_is_named_and_the_network_is_to_blame(
    store: EnvironmentStore, work_dir: Path
) -> None:
    url = "http://127.0.0.1:9/x.git"
    error = refused(store, EnvironmentSpec(None, (), repos=(Repository(url, "x"),)), work_dir)
    assert (error.id, error.exit_code) == ("env.offline", ExitCode.NETWORK_NEEDED)
    assert url in error.what
    assert "network" in error.fix
    assert list(work_dir.iterdir()) == []


class AsksForAPassword(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append(self.headers.get("Authorization"))  # type: ignore[attr-defined]
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def locked_server() -> Iterator[http.server.HTTPServer]:
    with http.server.HTTPServer(("127.0.0.1", 0), AsksForAPassword) as server:
        server.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join(10)


@needs_git
def test_a_repository_that_asks_for_a_password_fails_without_asking(
    store: EnvironmentStore, work_dir: Path, locked_server: http.server.HTTPServer
) -> None:
    url = f"http://127.0.0.1:{locked_server.server_port}/x"
    begin = time.monotonic()
    error = refused(store, EnvironmentSpec(None, (), repos=(Repository(url, "x"),)), work_dir)
    assert error.id == "env.repo"
    assert "password" in error.fix
    assert time.monotonic() - begin < 10


@needs_git
def test_a_password_goes_to_the_server_and_nowhere_else(
    store: EnvironmentStore, work_dir: Path, locked_server: http.server.HTTPServer
) -> None:
    url = f"http://me:hunter2@127.0.0.1:{locked_server.server_port}/x"
    error = refused(store, EnvironmentSpec(None, (), repos=(Repository(url, "x"),)), work_dir)
    assert "Basic bWU6aHVudGVyMg==" in locked_server.seen  # type: ignore[attr-defined]
    assert "hunter2" not in str(error.as_json())


@needs_git
def test_a_folder_that_holds_something_else_is_left_alone(
    store: EnvironmentStore, work_dir: Path, origin: Path, tmp_path: Path
) -> None:
    (work_dir / "x").mkdir()
    (work_dir / "x" / "precious").write_text("mine")
    spec = EnvironmentSpec(None, (), repos=(Repository(f"file://{origin}", "x"),))
    assert refused(store, spec, work_dir).id == "env.repo"
    assert (work_dir / "x" / "precious").read_text() == "mine"
    make(store, EnvironmentSpec(None, (), repos=(Repository(f"file://{origin}", "y"),)), work_dir)
    other = EnvironmentSpec(None, (), repos=(Repository("file:///another", "y"),))
    assert "another one" in refused(store, other, work_dir).what


@needs_git
@posix
def test_a_link_does_not_lead_a_repository_out_of_the_work_folder(
    store: EnvironmentStore, work_dir: Path, origin: Path, tmp_path: Path
) -> None:
    (tmp_path / "outside").mkdir()
    (work_dir / "link").symlink_to(tmp_path / "outside")
    spec = EnvironmentSpec(None, (), repos=(Repository(f"file://{origin}", "link/x"),))
    assert refused(store, spec, work_dir).id == "env.folder"
    assert list((tmp_path / "outside").iterdir()) == []


@posix
def test_a_command_is_announced_and_runs_once_in_the_work_folder_with_the_environment_on_path(
    store: EnvironmentStore, work_dir: Path
) -> None:
    spec = EnvironmentSpec(
        None,
        (),
        commands=("python -c 'import sys; print(sys.prefix)' && pwd && echo $A >> times",),
        variables=(("A", "1"),),
    )
    said: list[str] = []
    prepared = make(store, spec, work_dir, said)
    assert said[0].startswith("$ python -c")
    assert said[1:] == [str(prepared.python.parent.parent), str(work_dir)]
    assert prepared.variables == {"A": "1"}
    make(store, spec, work_dir)
    assert (work_dir / "times").read_text() == "1\n"


@posix
def test_a_command_that_fails_says_how_and_is_run_again(store: EnvironmentStore, work_dir: Path) -> None:
    spec = EnvironmentSpec(None, (), commands=("echo about to fail >&2; exit 3",))
    for _ in range(2):
        error = refused(store, spec, work_dir)
        assert error.id == "env.command"
        assert "exit code 3" in error.what
        assert "about to fail" in error.why


@posix
def test_a_command_that_hangs_is_ended_with_all_it_started(
    store: EnvironmentStore, work_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "COMMAND_SECONDS", 0.5)
    # A time of its own, so that nobody else's sleep is taken for it.
    own = f"4711.{os.getpid()}"
    error = refused(store, EnvironmentSpec(None, (), commands=(f"sleep {own} & sleep {own}",)), work_dir)
    assert "did not end within" in error.what
    left = [each for each in psutil.process_iter(["cmdline"]) if own in (each.info["cmdline"] or [])]
    assert not left or not psutil.wait_procs(left, timeout=5)[1]


@posix
@needs_git
def test_frozen_runs_and_fetches_nothing_but_uses_what_is_there(
    store: EnvironmentStore, work_dir: Path, origin: Path, tmp_path: Path
) -> None:
    frozen = EnvironmentStore(tmp_path / "environments", freeze=True)
    spec = EnvironmentSpec(None, (), repos=(Repository(f"file://{origin}", "x"),), commands=("touch ran",))
    assert refused(frozen, spec, work_dir).id == "env.frozen"
    assert list(work_dir.iterdir()) == []
    make(store, EnvironmentSpec(None, (), commands=("touch first",)), work_dir)
    other = work_dir.with_name("other")
    other.mkdir()
    assert refused(frozen, EnvironmentSpec(None, (), commands=("touch first",)), other).id == "env.frozen"
    assert list(other.iterdir()) == []
    make(store, spec, work_dir)
    (work_dir / "ran").unlink()
    make(frozen, spec, work_dir)
    assert not (work_dir / "ran").exists()


@needs_git
def test_a_project_of_the_repository_is_installed_editable(
    store: EnvironmentStore, work_dir: Path, origin: Path
) -> None:
    (origin / "pyproject.toml").write_text(
        '[project]\nname = "ours"\nversion = "3.0"\n[tool.setuptools]\npy-modules = ["ours"]\n'
    )
    (origin / "ours.py").write_text("version = 3\n")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "z")
    spec = EnvironmentSpec(None, (), repos=(Repository(f"file://{origin}", "x"),), local=("-e ./x",))
    python = make(store, spec, work_dir).python
    code = "import ours; print(ours.__file__)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == work_dir / "x" / "ours.py"
    assert refused(store, EnvironmentSpec(None, (), local=("-e ./none",)), work_dir).id == "env.file"


def test_an_environment_file_that_is_not_there_is_explained(store: EnvironmentStore, work_dir: Path) -> None:
    assert refused(store, EnvironmentSpec(None, (), files=("x/environment.yml",)), work_dir).id == "env.file"


@posix
def test_a_free_gpu_is_chosen_or_a_note_says_that_there_is_none(
    store: EnvironmentStore, work_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    spec = EnvironmentSpec(None, (), gpu=GpuRequest())
    said: list[str] = []
    if shutil.which("nvidia-smi") is None:
        assert make(store, spec, work_dir, said).variables == {}
        assert "no NVIDIA driver" in said[-1]
    nvidia_smi_double = tmp_path / "bin" / "nvidia-smi"
    nvidia_smi_double.parent.mkdir()
    nvidia_smi_double.write_text("#!/bin/sh\necho '0, 97, 10000, 11000'\necho '1, 3, 100, 11000'\n")
    nvidia_smi_double.chmod(0o755)
    monkeypatch.setenv("PATH", str(nvidia_smi_double.parent), prepend=os.pathsep)
    assert make(store, spec, work_dir, said).variables["CUDA_VISIBLE_DEVICES"] == "1"
