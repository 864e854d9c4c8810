"""Conda environments that are really solved, downloaded and linked, from a channel on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.builders import conda_env
from imjoy_engine.environments.builders.preparation import prepare
from imjoy_engine.environments.prefix import MARKER_NAME
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.planning import plan_environment
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.environments.store.inventory import collect
from imjoy_engine.environments.store.store import EnvironmentStore
from imjoy_engine.plugin_files.manifest import parse_plugin

if TYPE_CHECKING:
    from tests.kit.channel_server import ChannelServer

pytest.importorskip("rattler", reason="py-rattler is missing")
CANCELLED_SECONDS = 2.0


def ignore(progress: Progress) -> None:
    """Take progress and do nothing with it."""


def conda(
    python: str = "3.11", *packages: str, channels: tuple[str, ...] = ("conda-forge",)
) -> EnvironmentSpec:
    return EnvironmentSpec(python, (), channels=channels, conda=packages)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "environments"


@pytest.fixture
def store(root: Path, channel: ChannelServer) -> EnvironmentStore:
    return EnvironmentStore(root, freeze=False)


def output_of(python: Path, code: str) -> str:
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def failure(store: EnvironmentStore, spec: EnvironmentSpec) -> ImJoyError:
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(store.ensure(spec, ignore))
    assert store.ready(spec) is None
    assert not store.prefix(spec).exists()
    return caught.value


def test_where_the_login_node_has_no_gpu_a_person_says_what_the_nodes_have(
    store: EnvironmentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = conda("3.11", "computes")
    # As conda has it: set to nothing, there is none.
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "")
    assert "__cuda" in failure(store, spec).why
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    python = asyncio.run(store.ensure(spec, ignore))
    assert output_of(python, "import computes; print(computes.version)") == "1.0"


def test_a_conda_environment_is_built_with_progress_and_then_needs_nobody(
    store: EnvironmentStore, channel: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Progress] = []
    spec = conda("3.11", "middle")
    python = asyncio.run(store.ensure(spec, heard.append))
    assert output_of(
        python, "import sys, middle, small; print(sys.prefix, sys.version[:4], small.version)"
    ) == (f"{store.prefix(spec)} 3.11 1.0")
    phases = [progress.phase for progress in heard]
    assert phases.index("environment") < phases.index("link") < phases.index("pip")
    assert any("conda packages fit together" in progress.text for progress in heard)
    fractions = [progress.fraction for progress in heard if progress.fraction is not None]
    assert fractions == sorted(fractions)
    asked = len(channel.asked)
    assert asyncio.run(store.ensure(spec, ignore)) == python
    assert len(channel.asked) == asked


def test_downloads_are_told_in_bytes(
    store: EnvironmentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "empty cache"))
    heard: list[Progress] = []
    asyncio.run(store.ensure(conda("3.11", "small"), heard.append))
    told = [progress.text for progress in heard if progress.phase == "download"]
    assert told
    assert all(text.endswith("MB") for text in told)


@pytest.mark.parametrize("version", ["3.6", "3.8"])
def test_an_old_python_gets_a_worker_that_runs_there(
    store: EnvironmentStore, channel: ChannelServer, version: str
) -> None:
    from imjoy_engine.environments.specs.spec import BASE_REQUIREMENTS

    if not channel.channel.has_python(version):
        pytest.skip(f"Python {version} is not installed (pyenv)")
    spec = EnvironmentSpec(version, tuple(sorted(BASE_REQUIREMENTS)), channels=("conda-forge",))
    python = asyncio.run(store.ensure(spec, ignore))
    names = "imjoy_rpc, msgpack, websockets, numpy, requests, six, psutil"
    assert output_of(python, f"import sys, {names}; print(sys.version[:3])") == version


def test_python_and_packages_come_in_the_versions_that_are_asked_for(store: EnvironmentStore) -> None:
    python = asyncio.run(store.ensure(conda("3.8", "small=1.0"), ignore))
    assert output_of(python, "import sys, small; print(sys.version[:3], small.version)") == "3.8 1.0"


def test_channels_come_in_their_order_and_conda_forge_only_where_they_lack_something(
    store: EnvironmentStore, channel: ChannelServer
) -> None:
    from tests.kit.channel import CondaChannel

    own = channel.channel.folder / "own"
    if not own.exists():
        CondaChannel(own).add_module("small", "0.1")
    python = asyncio.run(store.ensure(conda("3.11", "small", channels=("own",)), ignore))
    assert output_of(python, "import small; print(small.version)") == "0.1"
    again = conda("3.11", "conda-forge::small=2", channels=("own",))
    assert output_of(asyncio.run(store.ensure(again, ignore)), "import small; print(small.version)") == "2.0"


def test_a_package_that_does_not_exist_is_named_with_what_to_do(store: EnvironmentStore) -> None:
    error = failure(store, conda("3.11", "no-such-package"))
    assert error.id == "env.unsolvable"
    assert "There is no package no-such-package" in error.what
    assert "pip: no-such-package" in error.fix


def test_versions_that_do_not_go_together_are_explained(store: EnvironmentStore) -> None:
    error = failure(store, conda("3.6", "modern"))
    assert error.id == "env.unsolvable"
    assert "modern" in error.why
    assert "python" in error.why
    error = failure(store, conda("3.11", "middle", "modern"))
    assert "small" in error.why


def test_a_channel_that_does_not_exist_is_named(store: EnvironmentStore, channel: ChannelServer) -> None:
    error = failure(store, conda("3.11", channels=("no-such-channel",)))
    assert error.id == "env.channel"
    assert "no-such-channel" in error.what


def test_a_package_that_is_not_what_the_channel_says_is_not_installed(
    store: EnvironmentStore, channel: ChannelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.kit.channel import CondaChannel

    forged = channel.channel.folder / "forged"
    archive = CondaChannel(forged).add_module("small", "9.0")
    archive.write_bytes(archive.read_bytes() + b"\0")
    error = failure(store, conda("3.11", "small", channels=("forged",)))
    assert error.id == "env.checksum"
    assert error.exit_code == ExitCode.CHECKSUM_MISMATCH


def test_a_package_that_has_lost_files_in_the_cache_is_fetched_again(
    store: EnvironmentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "pkgs"))
    asyncio.run(store.ensure(conda("3.11", "small"), ignore))
    for lost in (tmp_path / "pkgs").glob("small-2.0-*/site-packages/small.py"):
        lost.unlink()
    python = asyncio.run(store.ensure(conda("3.11", "small=2"), ignore))
    assert output_of(python, "import small; print(small.version)") == "2.0"


def test_without_a_network_what_is_cached_still_builds_and_the_rest_says_what_is_missing(
    root: Path, channel: ChannelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EnvironmentStore(root, freeze=False)
    asyncio.run(store.ensure(conda("3.11", "small"), ignore))
    channel.shutdown()
    channel.server_close()
    cached = asyncio.run(store.ensure(conda("3.11", "small=2"), ignore))
    assert output_of(cached, "import small; print(small.version)") == "2.0"
    error = failure(store, conda("3.11", channels=("never-seen",)))
    assert error.id == "env.offline"
    assert error.exit_code == ExitCode.NETWORK_NEEDED
    assert "never-seen" in error.what
    assert "Python" in error.why or "python" in error.why


def test_a_cancelled_download_ends_at_once_and_leaves_the_cache_usable(
    store: EnvironmentStore, channel: ChannelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "fresh"))
    channel.stall.set()
    spec = conda("3.11", "small")

    async def cancel_it() -> float:
        building = asyncio.create_task(store.ensure(spec, ignore))
        assert await asyncio.to_thread(channel.stalled.wait, 20)
        begin = time.monotonic()
        building.cancel()
        with pytest.raises(asyncio.CancelledError):
            await building
        return time.monotonic() - begin

    assert asyncio.run(cancel_it()) < CANCELLED_SECONDS
    assert not store.prefix(spec).exists()
    channel.stall.clear()
    channel.closing.set()
    assert output_of(asyncio.run(store.ensure(spec, ignore)), "import small; print(small.version)") == "2.0"


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is a POSIX signal")
def test_a_builder_killed_with_9_leaves_nothing_that_looks_ready_and_the_cache_usable(
    store: EnvironmentStore,
    root: Path,
    channel: ChannelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "fresh"))
    spec = conda("3.11", "small")
    code = (
        "import asyncio, sys; from pathlib import Path;"
        "from imjoy_engine.environments.specs.spec import EnvironmentSpec;"
        "from imjoy_engine.environments.store.store import EnvironmentStore;"
        "spec = EnvironmentSpec('3.11', (), channels=('conda-forge',), conda=('small',));"
        "tell = lambda progress: print(progress.phase, flush=True);"
        f"asyncio.run(EnvironmentStore(Path({str(root)!r}), freeze=False).ensure(spec, tell))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        # In the middle of it: some packages are linked, the others are being unpacked.
        next(line for line in builder.stdout if line == "link\n")
        builder.send_signal(signal.SIGKILL)
    assert store.ready(spec) is None
    assert not (store.prefix(spec) / MARKER_NAME).exists()
    assert output_of(asyncio.run(store.ensure(spec, ignore)), "import small; print(small.version)") == "2.0"


@pytest.fixture
def no_rattler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine find no py-rattler; the conda command brings its own."""

    async def none() -> None:
        return None

    monkeypatch.setattr(conda_env, "_load_rattler", none)


def test_without_py_rattler_and_conda_it_is_said_what_to_install(
    store: EnvironmentStore, no_rattler: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert failure(store, conda("3.11")).id == "env.no-conda"


def test_where_py_rattler_is_missing_the_conda_command_makes_the_environment(
    store: EnvironmentStore,
    no_rattler: None,
    miniconda: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONDA_EXE", str(miniconda()))
    spec = replace(conda("3.11", "middle"), requirements=("six",))
    python = asyncio.run(store.ensure(spec, ignore))
    said = output_of(python, "import sys, middle, small, six; print(sys.prefix, small.version)")
    assert said == f"{store.prefix(spec)} 1.0"
    error = failure(store, conda("3.11", "no-such-package"))
    assert error.id == "env.failed"
    assert "no-such-package" in error.why


@pytest.fixture
def with_a_command(store: EnvironmentStore) -> EnvironmentSpec:
    """An environment that was made once and removed, with a command of pip's."""
    spec = replace(conda("3.11", "small"), requirements=("charset-normalizer", "six"))
    asyncio.run(store.ensure(spec, ignore))
    shutil.rmtree(store.prefix(spec))
    return spec


def texts_of(store: EnvironmentStore, spec: EnvironmentSpec) -> str:
    heard: list[Progress] = []
    asyncio.run(store.ensure(spec, heard.append))
    return " | ".join(progress.text for progress in heard)


def test_what_pip_adds_is_linked_with_the_rest_the_second_time(
    store: EnvironmentStore, with_a_command: EnvironmentSpec
) -> None:
    assert "was linked as well" in texts_of(store, with_a_command)
    prefix = store.prefix(with_a_command)
    said = subprocess.run([prefix / "bin" / "normalizer", "--version"], capture_output=True, check=True)
    assert b"Python 3.11" in said.stdout
    names = (
        "import charset_normalizer, six, small; from importlib.metadata import version; print(version('six'))"
    )
    assert output_of(prefix / "bin" / "python", names)
    assert not list(prefix.glob("conda-meta/imjoy-*"))
    other = replace(with_a_command, requirements=("six",))
    assert "was linked as well" not in texts_of(store, other)
    assert not list(store.prefix(other).glob("lib/python3.11/site-packages/charset*"))


def test_what_was_changed_in_what_pip_added_is_not_linked(
    store: EnvironmentStore, root: Path, with_a_command: EnvironmentSpec
) -> None:
    [kept] = root.glob("pip-parts/*/lib/python3.11/site-packages/six.py")
    text = kept.read_bytes()
    kept.unlink()
    kept.write_bytes(text.replace(b"import", b"IMPORT"))
    assert "was linked as well" not in texts_of(store, with_a_command)
    assert output_of(store.prefix(with_a_command) / "bin" / "python", "import six") == ""
    asyncio.run(collect(root, os.environ, None))
    assert not list(root.glob("pip-parts"))


def test_an_environment_file_of_a_repository_is_built(
    store: EnvironmentStore, tmp_path: Path, channel: ChannelServer
) -> None:
    work_dir = tmp_path / "work"
    (work_dir / "project").mkdir(parents=True)
    (work_dir / "project" / "environment.yml").write_text(
        "name: project\nchannels: [conda-forge]\ndependencies: [python=3.8, middle, pip: [six]]\n"
        "variables: {LEVEL: 3}\n"
    )
    spec = plan_environment(
        parse_plugin(
            '<config lang="json">{"name": "P", "type": "native-python", "version": "1", "api_version": "0.1.8",'
            ' "env": "conda env create -f project/environment.yml"}</config>'
            '<script lang="python">pass</script>',
            file="P.imjoy.html",
        ).manifest,
        "",
    )
    prepared = asyncio.run(
        prepare(spec, work_dir, store, environ=os.environ, report=ignore, say=lambda text: None)
    )
    said = output_of(prepared.python, "import sys, small, middle, six; print(sys.version[:3], small.version)")
    assert (said, prepared.variables) == ("3.8 1.0", {"LEVEL": "3"})


def test_a_workspace_with_a_space_and_an_umlaut_in_its_name_takes_environments(
    channel: ChannelServer, tmp_path: Path
) -> None:
    store = EnvironmentStore(tmp_path / "größe 1" / "environments", freeze=False)
    spec = replace(conda("3.11", "small"), requirements=("six", "psutil"))
    python = asyncio.run(store.ensure(spec, ignore))
    assert output_of(python, "import sys, small, six, psutil; print(sys.prefix)") == str(store.prefix(spec))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a file system of a given size can be mounted by root alone")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("full", ["environments", "packages"])
def test_a_full_disk_is_named_and_nothing_half_made_is_left(
    full: str, channel: ChannelServer, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_PKGS_DIRS", str((small_disk if full == "packages" else tmp_path) / "pkgs"))
    store = EnvironmentStore(
        (small_disk if full == "environments" else tmp_path) / "environments", freeze=False
    )
    error = failure(store, conda("3.11"))
    assert error.id == "env.failed"
    assert "not enough space" in error.what
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "enough"))
    roomy = EnvironmentStore(tmp_path / "roomy", freeze=False)
    assert asyncio.run(roomy.ensure(conda("3.11"), ignore)).exists()


@pytest.mark.parametrize("damage", [b"", b"version = '6.0'\n"], ids=["emptied", "overwritten"])
def test_a_package_that_was_changed_in_the_cache_is_fetched_again(
    store: EnvironmentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "pkgs"))
    asyncio.run(store.ensure(conda("3.11", "small"), ignore))
    for changed in (tmp_path / "pkgs").glob("small-2.0-*/site-packages/small.py"):
        changed.write_bytes(damage)
    python = asyncio.run(store.ensure(conda("3.11", "small=2"), ignore))
    assert output_of(python, "import small; print(small.version)") == "2.0"


def test_the_environments_show_in_condas_own_list_when_there_is_a_conda(
    store: EnvironmentStore, home: Path, miniconda: Callable[..., Path]
) -> None:
    listed = home / ".conda" / "environments.txt"
    asyncio.run(store.ensure(conda("3.11"), ignore))
    assert not listed.exists()
    listed.parent.mkdir()
    listed.write_text("/other\n")
    asyncio.run(store.ensure(conda("3.11", "small"), ignore))
    assert listed.read_text() == f"/other\n{store.prefix(conda('3.11', 'small'))}\n"
    done = subprocess.run([miniconda(), "env", "list"], capture_output=True, text=True, check=True)
    assert str(store.prefix(conda("3.11", "small"))) in done.stdout
