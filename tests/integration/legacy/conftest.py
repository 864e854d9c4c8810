"""A host with Python 2.7: imjoy is installed there once, and the lock that it carries names the kit's channel."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pytest
import rattler
from tests.kit.channel_server import ChannelServer
from tests.kit.files import link_or_copy
from tests.kit.locks import lock_of
from tests.kit.once import made_once

START_SECONDS = 500
NO_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1"}
"""An index that nobody serves: what has to come from one fails at once."""
FIXED_FOLDERS = (
    *(Path("/opt", name, "bin") for name in ("conda", "miniconda3", "miniforge3", "anaconda3", "homebrew")),
    Path("/Library/Frameworks/Python.framework/Versions/Current/bin"),
)
"""Where ``install.sh`` looks for a Python whatever the variables say."""


@dataclass(frozen=True)
class OldHost:
    """An interpreter that is too old, with imjoy installed into it; ``home`` has a Miniconda where one was made."""

    python: Path
    package: Path
    home: Path

    @property
    def prefix(self) -> Path:
        """Where the environment `imjoy` of its conda is to be."""
        return self.home / "miniconda3" / "envs" / "imjoy"

    def run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m imjoy WORDS`` to its end."""
        return subprocess.run(
            self.command(words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, **variables},
            timeout=START_SECONDS,
            check=False,
        )

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start ``python -m imjoy WORDS``, in a process group of its own."""
        return subprocess.Popen(
            self.command(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**os.environ, **variables},
            start_new_session=True,
        )

    def command(self, words: Sequence[str]) -> list[str]:
        """Return the argv of ``python -m imjoy``."""
        return [str(self.python), "-m", "imjoy", *words]

    @property
    def packed(self) -> Path:
        """The archive of imjoy's sources that lies beside it."""
        [archive] = (self.package / "legacy").glob("imjoy-*.zip")
        return archive

    def edit_lock(self, edit: Callable[[str, str], str]) -> None:
        """Change the files of the lock among the sources that it carries: ``edit`` gets each one's name and text."""
        changed = self.packed.with_suffix(".new")
        with zipfile.ZipFile(self.packed) as old, zipfile.ZipFile(changed, "w") as new:
            for member in old.infolist():
                content = old.read(member)
                if "/imjoy/locks/" in member.filename:
                    content = edit(Path(member.filename).name, content.decode()).encode()
                new.writestr(member, content)
        changed.replace(self.packed)

    def write_lock(self, server: ChannelServer) -> None:
        """Have the lock name what the channel of the kit has for a Python and pip."""
        files = lock_of(solve(server))
        self.edit_lock(lambda name, text: files.get(name, ""))


def solve(server: ChannelServer) -> list[rattler.RepoDataRecord]:
    """Return the packages of an environment with Python and pip."""
    return list(
        asyncio.run(
            rattler.solve(
                sources=[rattler.Channel(f"{server.url}/conda-forge")],
                specs=["python=3.12", "pip"],
                virtual_packages=rattler.VirtualPackage.detect(),
            )
        )
    )


@pytest.fixture(autouse=True)
def nothing_leaks_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have the interpreters import what pip installed, not this checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")


@pytest.fixture
def no_other_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the Pythons that are not on PATH, and skip where that cannot be done."""
    monkeypatch.delenv("CONDA_EXE", raising=False)
    monkeypatch.setenv("PYENV_ROOT", "/nowhere")
    for folder in FIXED_FOLDERS:
        if (folder / "python3").is_file():
            pytest.skip(f"{folder} has a Python, which cannot be hidden from install.sh")


@pytest.fixture(scope="session")
def old_python(
    imjoy_from_git: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Return a function: this process's own interpreter of that version, with imjoy installed into it from git."""
    made: dict[str, Path] = {}

    def make(number: str) -> Path:
        if number not in made:
            python = imjoy_from_git(number)
            folder = tmp_path_factory.mktemp("old") / "environment"
            shutil.copytree(python.parents[1], folder, symlinks=True, copy_function=share_or_copy)
            made[number] = folder / "bin" / "python"
        return made[number]

    return make


@pytest.fixture
def old_host(old_python: Callable[[str], Path], home: Path) -> OldHost:
    """Python 2.7, without a conda."""
    return host_of(old_python("2.7"), home)


def host_of(python: Path, home: Path) -> OldHost:
    """Return the host whose Python that is."""
    [package] = python.parent.parent.glob("lib/python*/site-packages/imjoy")
    return OldHost(python, package, home)


@pytest.fixture
def conda_host(
    old_host: OldHost,
    channel: ChannelServer,
    miniconda: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> OldHost:
    """Python 2.7 with a Miniconda in the usual folder, nothing in its cache, and a lock that names the channel."""
    miniconda()
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "pkgs"))
    old_host.write_lock(channel)
    return old_host


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of py-rattler that is installed here."""

    def download(folder: Path) -> Path:
        wanted = f"py-rattler=={version('py-rattler')}"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), wanted]
        subprocess.run(command, check=True)
        return folder

    return made_once(tmp_path_factory, "wheels-of-rattler", download)


def share_or_copy(source: str, target: str) -> None:
    """Share a file with the copy of an environment, but for what imjoy notes there, which is written in place."""
    if Path(source).parent.name == ".imjoy":
        shutil.copy2(source, target)
    else:
        link_or_copy(source, target)


@pytest.fixture
def finished_host(conda_host: OldHost, tmp_path_factory: pytest.TempPathFactory) -> OldHost:
    """A host on which the environment `imjoy` is ready: a copy, by hard links, of one that was made."""

    def make(folder: Path) -> Path:
        done = conda_host.run("doctor", "--list")
        assert done.returncode == 0, done.stderr
        return Path(
            shutil.copytree(conda_host.prefix, folder / "imjoy", symlinks=True, copy_function=share_or_copy)
        )

    kept = made_once(tmp_path_factory, "environment-of-an-old-host", make)
    if not conda_host.prefix.exists():
        shutil.copytree(kept, conda_host.prefix, symlinks=True, copy_function=share_or_copy)
        (conda_host.home / "ImJoyApp").symlink_to(conda_host.prefix)
    return conda_host


if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]
