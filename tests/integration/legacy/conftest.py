"""A host with Python 2.7 and a conda: imjoy is installed there once, and its lock names the kit's channel."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import rattler
from tests.kit.channel_server import ChannelServer
from tests.kit.old_hosts import make_environment, make_repository

from imjoy_engine.environments.spec import this_platform

START_SECONDS = 170
NO_INDEX = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "1"}
"""An index that nobody serves: what has to come from one fails at once."""


@dataclass(frozen=True)
class OldHost:
    """An interpreter that is too old, with imjoy installed into it; ``home`` has a Miniconda where one was made."""

    python: Path
    package: Path
    home: Path

    @property
    def prefix(self) -> Path:
        """Where the environment `imjoy` is to be."""
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

    def write_lock(self, server: ChannelServer) -> None:
        """Have the lock name what the channel of the kit has for a Python and pip."""
        write_lock(self.package / "locks", solve(server))


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


def write_lock(folder: Path, records: Sequence[rattler.RepoDataRecord]) -> None:
    """Write a lock as conda-lock does, and its rendered file for this platform; no other platform has one."""
    for file in folder.glob("*.lock"):
        file.unlink()
    entries, lines = ["version: 1", "package:"], ["@EXPLICIT"]
    for record in records:
        assert record.md5 and record.sha256
        entries += [
            f"- name: {record.name.normalized}",
            f"  url: {record.url}",
            "  hash:",
            f"    md5: {record.md5.hex()}",
            f"    sha256: {record.sha256.hex()}",
        ]
        lines.append(f"{record.url}#{record.md5.hex()}")
    (folder / "conda-lock.yml").write_text("\n".join(entries) + "\n")
    (folder / f"conda-{this_platform()}.lock").write_text("\n".join(lines) + "\n")


@pytest.fixture(autouse=True)
def nothing_leaks_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have the interpreters import what pip installed, not this checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository of this checkout."""
    return make_repository(tmp_path_factory.mktemp("sources") / "repository")


@pytest.fixture(scope="session")
def old_python(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Return a function: the interpreter of that version, with imjoy installed into it from git."""
    made: dict[str, Path] = {}

    def make(version: str) -> Path:
        if version not in made:
            folder = tmp_path_factory.mktemp(f"python{version}")
            with pytest.MonkeyPatch.context() as patch:
                patch.delenv("PYTHONPATH", raising=False)
                patch.setenv("PIP_CONFIG_FILE", os.devnull)
                patch.delenv("PIP_FIND_LINKS", raising=False)
                patch.setenv("PYTHONWARNINGS", "ignore")
                patch.setenv("HOME", str(folder))
                python = make_environment(version, folder)
                done = subprocess.run(
                    [python, "-m", "pip", "install", "-q", f"git+file://{repository}#egg=imjoy"],
                    capture_output=True,
                    text=True,
                    check=False,
                )
            assert done.returncode == 0, done.stderr
            made[version] = python
        return made[version]

    yield make


@pytest.fixture
def old_host(old_python: Callable[[str], Path], home: Path) -> OldHost:
    """Python 2.7, without a conda."""
    return host_of(old_python("2.7"), home)


def host_of(python: Path, home: Path) -> OldHost:
    """Return the host whose Python that is."""
    [package] = python.parent.parent.glob("lib/python*/site-packages/imjoy")
    return OldHost(python, package, home)


@pytest.fixture
def conda_host(old_host: OldHost, channel: ChannelServer, miniconda: Callable[..., Path]) -> OldHost:
    """Python 2.7 with a Miniconda in the usual folder, and a lock that names the channel."""
    miniconda()
    old_host.write_lock(channel)
    return old_host


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Where the environment of the first test that made one is kept for the others."""
    return {"folder": tmp_path_factory.mktemp("made")}


def link_or_copy(source: str, target: str) -> None:
    """Share a file with the copy of an environment, but for what imjoy notes there, which is written in place."""
    if Path(source).parent.name == ".imjoy":
        shutil.copy2(source, target)
    else:
        os.link(source, target)


@pytest.fixture
def finished_host(conda_host: OldHost, made_once: dict[str, Path]) -> OldHost:
    """A host on which the environment `imjoy` is ready: a copy, by hard links, of one that was made."""
    kept = made_once["folder"] / "imjoy"
    if not kept.exists():
        done = conda_host.run("status")
        done = conda_host.run("doctor", "--list") if done.returncode == 3 else done
        assert done.returncode == 0, done.stderr
        shutil.copytree(conda_host.prefix, kept, symlinks=True, copy_function=link_or_copy)
    if not conda_host.prefix.exists():
        shutil.copytree(kept, conda_host.prefix, symlinks=True, copy_function=link_or_copy)
    return conda_host


if sys.platform == "win32":
    collect_ignore_glob = ["test_*.py"]
