"""The kit's fixtures; the docstring of the package says how they are used."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit import parts
from tests.kit.channel import CondaChannel
from tests.kit.channel_server import ChannelServer
from tests.kit.miniconda import CONDA_VERSION, Miniconda
from tests.kit.mirror import Mirror
from tests.kit.old_hosts import install_tools_of_2_7, make_environment, make_repository, run
from tests.kit.once import made_once
from tests.kit.standalone import Standalone

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Doubles:
    """A folder of installers that have the names of the real ones, and their SHA-256."""

    folder: Path
    sha256: str


@pytest.fixture(scope="session")
def conda_channel(tmp_path_factory: pytest.TempPathFactory) -> CondaChannel:
    """Return the channel of real packages, as a folder."""
    pytest.importorskip("rattler", reason="py-rattler is missing")
    if not sys.platform.startswith("linux"):
        pytest.skip("the packages of the kit are for Linux")
    try:
        return parts.make_channel(tmp_path_factory.mktemp("channel"))
    except parts.CannotBeMade as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def conda_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a package cache that all tests share, as a person's plugins do."""
    return tmp_path_factory.mktemp("pkgs")


@pytest.fixture
def channel(
    conda_channel: CondaChannel, conda_packages: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[ChannelServer]:
    """The channel over http; conda-forge is there too, for whoever does not name one."""
    with ChannelServer(conda_channel) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("CONDA_CHANNEL_ALIAS", server.url)
        monkeypatch.setenv("CONDA_PKGS_DIRS", str(conda_packages))
        monkeypatch.setenv("RATTLER_CACHE_DIR", str(tmp_path / "rattler"))
        link = conda_channel.folder / "conda-forge"
        if not link.exists():
            link.symlink_to(conda_channel.folder)
        yield server
        server.closing.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture
def explicit_list(channel: ChannelServer) -> Callable[..., str]:
    """Return a function that solves specs with the channel and returns the explicit list."""
    import rattler

    def solve(*specs: str) -> str:
        records = asyncio.run(
            rattler.solve(
                sources=[rattler.Channel(f"{channel.url}/conda-forge")],
                specs=list(specs),
                virtual_packages=rattler.VirtualPackage.detect(),
            )
        )
        lines = [f"{each.url}#{each.md5.hex()}" for each in records if each.md5]
        return "\n".join(["@EXPLICIT", *lines, ""])

    return solve


@pytest.fixture(scope="session")
def miniconda_base(conda_channel: CondaChannel) -> Miniconda:
    """Return the base environment that is copied."""
    try:
        return parts.base(conda_channel)
    except parts.CannotBeMade as error:
        pytest.skip(str(error))


@pytest.fixture
def miniconda(miniconda_base: Miniconda, home: Path) -> Callable[..., Path]:
    """Return a function that makes a Miniconda, in ``~/miniconda3`` or elsewhere, and returns its conda command."""

    def make(folder: Path | None = None, version: str = CONDA_VERSION) -> Path:
        return miniconda_base.copy_to(folder or home / "miniconda3", version)

    return make


@pytest.fixture(scope="session")
def doubles(miniconda_base: Miniconda, tmp_path_factory: pytest.TempPathFactory) -> Doubles:
    """Return doubles of Miniconda's and Miniforge's installers for Linux."""
    folder = tmp_path_factory.mktemp("installers")
    return Doubles(folder, parts.installers(folder, miniconda_base))


@pytest.fixture(scope="session")
def standalone() -> Standalone:
    """Return a double of python-build-standalone."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the Pythons of the kit are for Linux")
    try:
        return parts.standalone()
    except parts.CannotBeMade as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel of this checkout, built from a copy."""
    return made_once(tmp_path_factory, "wheel", _build_wheel)


def _build_wheel(folder: Path) -> Path:
    from imjoy.provision.facts.source import copy_checkout

    copy_checkout(ROOT, folder / "source")
    build = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder)]
    subprocess.run([*build, str(folder / "source")], check=True)
    return next(folder.glob("imjoy-*.whl"))


@pytest.fixture(scope="session")
def webapp_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the packages that the web app is made of, to link as a workspace's ``.imjoy/webapp``."""
    from imjoy.model.errors import ImJoyError

    try:
        return made_once(tmp_path_factory, "webapp", _fetch_webapp)
    except ImJoyError as error:
        pytest.skip(f"the web app's packages are missing: {error.why}")


def _fetch_webapp(folder: Path) -> Path:
    from imjoy_engine.webapp.fetch import ensure_webapp

    ensure_webapp(folder, lambda text, done, total: None, environ=os.environ)
    return folder


@pytest.fixture(scope="session")
def tools_of_2_7(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """Return a function that returns what makes environments of Python 2.7."""
    return lambda: made_once(tmp_path_factory, "tools-of-2.7", install_tools_of_2_7)


@pytest.fixture(scope="session")
def imjoy_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a git repository with one commit that holds this checkout's sources; nobody may move its branch."""
    return made_once(tmp_path_factory, "repository", lambda folder: make_repository(folder / "repository"))


@pytest.fixture(scope="session")
def imjoy_from_git(
    imjoy_repository: Path, tools_of_2_7: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return a function: an interpreter of that version, with imjoy installed into it from git; it stays as it is."""

    def make(folder: Path, number: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("PYTHONPATH", raising=False)
            patch.setenv("PIP_CONFIG_FILE", os.devnull)
            patch.delenv("PIP_FIND_LINKS", raising=False)
            patch.setenv("PYTHONWARNINGS", "ignore")
            patch.setenv("HOME", str(folder))
            python = make_environment(number, folder / "environment", tools_of_2_7)
            done = run(python, "-m", "pip", "install", "-q", f"git+file://{imjoy_repository}#egg=imjoy")
        assert done.returncode == 0, done.stdout
        return python

    return lambda number: made_once(
        tmp_path_factory, f"imjoy-on-{number}", lambda folder: make(folder, number)
    )


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """Return a server for a folder of its own."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    with Mirror(folder).served() as server:
        yield server
