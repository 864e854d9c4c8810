"""Environments that are really built, by uv and by pip, and what interrupts that."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.kit.ports import free_port

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.builders import compiling, venv_env
from imjoy_engine.environments.prefix import MARKER_NAME
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.spec import DEFAULT_ENVIRONMENT, EnvironmentSpec
from imjoy_engine.environments.store.store import EnvironmentStore

WriteWheel = Callable[..., Path]
StartBuilder = Callable[..., "subprocess.Popen[str]"]
GONE_SECONDS = 5.0


def ignore(progress: Progress) -> None:
    """Take progress and do nothing with it."""


def needs(*requirements: str) -> EnvironmentSpec:
    return EnvironmentSpec(None, requirements)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "environments"


@pytest.fixture
def store(root: Path) -> EnvironmentStore:
    return EnvironmentStore(root, freeze=False)


def output_of(python: Path, code: str) -> str:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def failure(store: EnvironmentStore, *requirements: str) -> ImJoyError:
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(store.ensure(needs(*requirements), ignore))
    assert store.ready(needs(*requirements)) is None
    assert not store.prefix(needs(*requirements)).exists()
    return caught.value


def processes_with(text: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(text in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_the_default_environment_has_its_packages_and_says_how_it_got_there(
    store: EnvironmentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Progress] = []

    python = asyncio.run(store.prepare_default(heard.append))

    names = "imjoy_rpc, msgpack, websockets, numpy, requests, six, psutil"
    assert Path(output_of(python, f"import sys, {names}; print(sys.prefix)")) == store.prefix(
        DEFAULT_ENVIRONMENT
    )
    assert output_of(python, "import sys; print(*sys.version_info[:3])") == " ".join(
        map(str, sys.version_info[:3])
    )

    fractions = [progress.fraction for progress in heard if progress.fraction is not None]
    assert fractions == sorted(fractions)
    assert {progress.phase for progress in heard} >= {"environment", "pip", "link"}
    assert any("Resolved" in progress.text for progress in heard)

    # Ready: no process, no lock, and quicker than anybody notices.
    async def no_process(*args: object, **kwargs: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", no_process)
    heard.clear()

    async def again() -> float:
        begin = time.perf_counter()
        assert await store.prepare_default(heard.append) == python
        return time.perf_counter() - begin

    assert min(asyncio.run(again()) for _ in range(5)) < 0.002
    assert heard == []


def test_the_packages_are_compiled_when_the_environment_is_ready(
    store: EnvironmentStore, wheelhouse: WriteWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse("foo")
    monkeypatch.setattr(compiling, "COMPILE_AFTER_SECONDS", 0.0)

    async def build_and_compile() -> Path:
        python = await store.ensure(needs("foo"), ignore)
        await asyncio.gather(*store._compiling)
        return python

    assert any(asyncio.run(build_and_compile()).parent.parent.rglob("__pycache__/foo.*.pyc"))


def test_for_machines_that_cannot_write_the_packages_are_compiled_before_the_environment_is_ready(
    root: Path, wheelhouse: WriteWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse("foo")
    monkeypatch.setattr(compiling, "COMPILE_AFTER_SECONDS", 3600.0)
    heard: list[Progress] = []
    store = EnvironmentStore(root, freeze=False, compile_first=True)
    python = asyncio.run(store.ensure(needs("foo"), heard.append))
    assert any(python.parent.parent.rglob("__pycache__/foo.*.pyc"))
    assert [progress.text for progress in heard].count("Compiling its packages") == 1


def test_what_pip_is_configured_to_use_is_what_is_installed(
    store: EnvironmentStore, wheelhouse: WriteWheel
) -> None:
    wheelhouse("bar")
    wheelhouse("foo", requires=("bar",))
    python = asyncio.run(store.ensure(needs("foo"), ignore))
    assert output_of(python, "import foo, bar; print(foo.version, bar.version)") == "1.0 1.0"


def test_different_requirements_make_different_environments(
    store: EnvironmentStore, wheelhouse: WriteWheel
) -> None:
    wheelhouse("foo", "1.0")
    wheelhouse("foo", "2.0")
    old = asyncio.run(store.ensure(needs("foo<2"), ignore))
    new = asyncio.run(store.ensure(needs("foo"), ignore))
    assert output_of(old, "import foo; print(foo.version)") == "1.0"
    assert output_of(new, "import foo; print(foo.version)") == "2.0"


def test_without_uv_pip_does_it(
    store: EnvironmentStore, wheelhouse: WriteWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse("foo")
    monkeypatch.setattr(venv_env, "find_uv", lambda: None)
    heard: list[Progress] = []
    python = asyncio.run(store.ensure(needs("foo"), heard.append))
    assert output_of(python, "import foo; print(foo.version)") == "1.0"
    assert any("foo" in progress.text for progress in heard)
    if "IMJOY_EVERY_STEP" in os.environ:
        error = failure(store, "no-such-package")
        assert error.id == "env.failed"
        assert "no-such-package" in error.why


@pytest.mark.parametrize("with_uv", [True, False], ids=["uv", "pip"])
def test_a_package_that_cannot_be_built_is_named_with_what_its_build_said(
    store: EnvironmentStore, wheelhouse: WriteWheel, monkeypatch: pytest.MonkeyPatch, with_uv: bool
) -> None:
    source = wheelhouse("other").with_name("fast-1.0.tar.gz")
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "PKG-INFO": "Metadata-Version: 2.1\nName: fast\nVersion: 1.0\n",
        "backend.py": "def build_wheel(*args):\n    raise SystemExit('there is no Fortran compiler')\n",
    }
    with tarfile.open(source, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"fast-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    if not with_uv:
        monkeypatch.setattr(venv_env, "find_uv", lambda: None)
    error = failure(store, "fast")
    assert error.id == "env.failed"
    assert "has to be built" in error.what
    assert "there is no Fortran compiler" in error.why
    assert "fast" in error.why


def test_variables_for_other_pythons_do_not_reach_a_build(
    store: EnvironmentStore, wheelhouse: WriteWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse("foo")
    decoys = tmp_path / "decoys"
    decoys.mkdir()
    called = tmp_path / "called"
    for name in ("uv", "python", "pip"):
        decoy = decoys / name
        decoy.write_text(f"#!/bin/sh\ntouch {called}\nexit 1\n")
        decoy.chmod(0o755)
    monkeypatch.setenv("PATH", str(decoys), prepend=os.pathsep)
    for name in (
        "PYTHONHOME",
        "PYTHONPATH",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PIP_TARGET",
        "PIP_PREFIX",
        "UV_PYTHON",
    ):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("UV_SYSTEM_PYTHON", "1")
    monkeypatch.setenv("UV_PROJECT_ENVIRONMENT", str(tmp_path / "elsewhere"))
    python = asyncio.run(store.ensure(needs("foo"), ignore))
    monkeypatch.undo()
    assert output_of(python, "import foo; print(foo.version)") == "1.0"
    assert not called.exists()
    assert not (tmp_path / "elsewhere").exists()


def test_a_configuration_in_the_current_folder_is_not_read(
    store: EnvironmentStore, wheelhouse: WriteWheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse("foo")
    (tmp_path / "uv.toml").write_text("this = is not valid")
    monkeypatch.chdir(tmp_path)
    assert asyncio.run(store.ensure(needs("foo"), ignore))


def test_a_package_that_does_not_exist_is_explained_and_nothing_is_left(
    store: EnvironmentStore, wheelhouse: WriteWheel
) -> None:
    error = failure(store, "no-such-package")
    assert error.id == "env.failed"
    assert "no-such-package" in error.why
    assert "requirements" in error.fix


def test_versions_that_do_not_go_together_are_explained(
    store: EnvironmentStore, wheelhouse: WriteWheel
) -> None:
    wheelhouse("bar", "1.0")
    wheelhouse("foo", requires=("bar>=2",))
    error = failure(store, "foo", "bar<2")
    assert "foo" in error.why
    assert "bar" in error.why


def test_without_a_network_the_failure_says_so_and_holds_no_password(
    store: EnvironmentStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = free_port()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://me:hunter2@127.0.0.1:{port}/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    error = failure(store, "six")
    assert (error.id, int(error.exit_code)) == ("env.offline", 4)
    assert "network" in error.fix
    assert "hunter2" not in str(error.as_json())

    monkeypatch.setenv("UV_OFFLINE", "1")
    assert "network" in failure(store, "six").fix


def test_a_password_in_a_requirement_is_neither_told_nor_kept(
    store: EnvironmentStore, root: Path, tmp_path: Path, wheelhouse: WriteWheel
) -> None:
    error = failure(store, "git+http://me:hunter2@127.0.0.1:9/x.git")
    assert "hunter2" not in str(error.as_json())

    wheel = wheelhouse("foo")
    port = 0
    port = free_port()
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "http.server",
            str(port),
            "--bind",
            "127.0.0.1",
            "--directory",
            str(wheel.parent),
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        url = f"http://me:hunter2@127.0.0.1:{port}/{wheel.name}"
        asyncio.run(store.ensure(needs(f"foo @ {url}"), ignore))
    finally:
        server.kill()
        server.communicate()
    kept = [path for path in root.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]
    assert kept == []


@pytest.mark.skipif(os.name != "posix", reason="the double is a shell script")
@pytest.mark.parametrize(
    ("said", "advice"),
    [("OSError: [Errno 28] No space left on device", "space"), ("Illegal instruction", "runs")],
)
def test_what_goes_wrong_before_any_package_is_not_blamed_on_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, advice: str
) -> None:
    monkeypatch.setattr(venv_env, "find_uv", lambda: None)
    broken_python_double = tmp_path / "python"
    broken_python_double.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    broken_python_double.chmod(0o755)
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(
            venv_env.build_venv(
                tmp_path / "new", (), python=broken_python_double, environ=os.environ, report=ignore
            )
        )
    assert caught.value.id == "env.failed"
    assert said in caught.value.why
    assert advice in caught.value.fix
    assert "requirements" not in caught.value.fix


@pytest.mark.skipif(shutil.which("git") is None, reason="git is missing")
def test_a_project_is_installed_from_git(store: EnvironmentStore, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text('[project]\nname = "fromgit"\nversion = "3.0"\n')
    (project / "fromgit.py").write_text("version = 3\n")
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(project), *arguments], check=True)
    python = asyncio.run(store.ensure(needs(f"git+file://{project}"), ignore))
    assert output_of(python, "import fromgit; print(fromgit.version)") == "3"


def test_an_environment_whose_python_is_gone_is_built_anew(
    store: EnvironmentStore, wheelhouse: WriteWheel
) -> None:
    wheelhouse("foo")
    python = asyncio.run(store.ensure(needs("foo"), ignore))
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert store.ready(needs("foo")) is None
    assert (
        output_of(asyncio.run(store.ensure(needs("foo"), ignore)), "import foo; print(foo.version)") == "1.0"
    )


def test_an_environment_without_its_marker_is_built_anew(
    store: EnvironmentStore, wheelhouse: WriteWheel
) -> None:
    wheelhouse("foo")
    python = asyncio.run(store.ensure(needs("foo"), ignore))
    prefix = store.prefix(needs("foo"))
    (prefix / MARKER_NAME).unlink()
    stale = prefix / "stale"
    stale.touch()
    assert store.ready(needs("foo")) is None
    assert asyncio.run(store.ensure(needs("foo"), ignore)) == python
    assert not stale.exists()


def test_two_callers_in_one_process_share_one_build(
    store: EnvironmentStore, wheelhouse: WriteWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse("foo")
    builds = []
    real_build = venv_env.build_venv

    async def counted_build(prefix: Path, *args: object, **kwargs: object) -> None:
        builds.append(prefix)
        await real_build(prefix, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(venv_env, "build_venv", counted_build)
    heard: list[list[Progress]] = [[], []]

    async def both() -> list[Path]:
        return await asyncio.gather(*(store.ensure(needs("foo"), one.append) for one in heard))

    first, second = asyncio.run(both())
    assert first == second
    assert len(builds) == 1
    assert heard[0]
    assert heard[1]


def test_a_cancelled_build_is_killed_and_cleared_away_at_once(
    store: EnvironmentStore, silent_index: socket.socket
) -> None:
    prefix = store.prefix(needs("foo"))

    async def cancel_it() -> float:
        build = asyncio.create_task(store.ensure(needs("foo"), ignore))
        connection, _ = await asyncio.to_thread(silent_index.accept)
        assert processes_with(str(prefix))
        assert not processes_with("hunter2")
        begin = time.monotonic()
        build.cancel()
        with pytest.raises(asyncio.CancelledError):
            await build
        connection.close()
        return time.monotonic() - begin

    assert asyncio.run(cancel_it()) < GONE_SECONDS
    assert not prefix.exists()
    assert not processes_with(str(prefix))


@pytest.mark.parametrize("moment", [0.0, 0.001, 0.01, 0.03, 0.1])
def test_a_build_leaves_no_process_whenever_it_is_cancelled(
    store: EnvironmentStore, silent_index: socket.socket, moment: float
) -> None:
    async def cancel_it() -> None:
        build = asyncio.create_task(store.ensure(needs("foo"), ignore))
        await asyncio.sleep(moment)
        build.cancel()
        with pytest.raises(asyncio.CancelledError):
            await build

    asyncio.run(cancel_it())
    prefix = store.prefix(needs("foo"))
    assert not processes_with(str(prefix))
    assert not prefix.exists()


def test_one_cancelled_caller_does_not_take_the_build_from_the_other(
    store: EnvironmentStore, wheelhouse: WriteWheel
) -> None:
    wheelhouse("foo")

    async def one_leaves() -> Path:
        begun = asyncio.Event()
        leaving = asyncio.create_task(store.ensure(needs("foo"), lambda _: begun.set()))
        staying = asyncio.create_task(store.ensure(needs("foo"), ignore))
        await begun.wait()
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert output_of(asyncio.run(one_leaves()), "import foo; print(foo.version)") == "1.0"


def test_who_comes_while_a_build_is_being_cancelled_gets_a_build_of_their_own(
    store: EnvironmentStore, wheelhouse: WriteWheel
) -> None:
    wheelhouse("foo")

    async def leave_and_come() -> Path:
        begun = asyncio.Event()
        leaving = asyncio.create_task(store.ensure(needs("foo"), lambda _: begun.set()))
        await begun.wait()
        leaving.cancel()
        await asyncio.sleep(0)
        return await store.ensure(needs("foo"), ignore)

    assert output_of(asyncio.run(leave_and_come()), "import foo; print(foo.version)") == "1.0"


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is a POSIX signal")
def test_a_builder_killed_with_9_leaves_no_process_and_nothing_that_looks_ready(
    store: EnvironmentStore,
    root: Path,
    silent_index: socket.socket,
    start_builder: StartBuilder,
    wheelhouse: WriteWheel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    prefix = store.prefix(needs("foo"))
    builder = start_builder(root, "foo")
    connection, _ = silent_index.accept()
    orphans = processes_with(str(prefix))
    assert orphans
    builder.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(orphans, timeout=GONE_SECONDS)
    connection.close()
    assert alive == []
    assert prefix.exists()
    assert store.ready(needs("foo")) is None

    wheelhouse("foo")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(root.parent / "wheels"))
    python = asyncio.run(store.ensure(needs("foo"), ignore))
    assert output_of(python, "import foo; print(foo.version)") == "1.0"


def test_of_two_processes_one_builds_and_the_other_waits_with_its_progress(
    root: Path, start_builder: StartBuilder, wheelhouse: WriteWheel
) -> None:
    wheelhouse("foo")
    outputs = [
        process.communicate(timeout=60)[0] for process in [start_builder(root, "foo") for _ in range(3)]
    ]
    assert [output.count("READY") for output in outputs] == [1, 1, 1]
    assert sum(output.count("BUILD") for output in outputs) == 1


def test_who_waits_for_another_process_hears_how_far_it_is(
    store: EnvironmentStore, root: Path, silent_index: socket.socket, start_builder: StartBuilder
) -> None:
    builder = start_builder(root, "foo")
    connection, _ = silent_index.accept()

    async def listen() -> Progress:
        heard: asyncio.Future[Progress] = asyncio.get_running_loop().create_future()

        def hear(progress: Progress) -> None:
            if not heard.done():
                heard.set_result(progress)

        waiting = asyncio.create_task(store.ensure(needs("foo"), hear))
        progress = await asyncio.wait_for(heard, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return progress

    assert asyncio.run(listen()).phase in ("environment", "pip")
    assert store.prefix(needs("foo")).exists(), "the builder's folder is not the listener's to remove"
    builder.kill()
    connection.close()


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = EnvironmentStore(tmp_path / "file" / "environments", freeze=False)
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(store.ensure(needs("six"), ignore))
    assert caught.value.id == "env.failed"
    assert str(tmp_path / "file") in caught.value.fix
