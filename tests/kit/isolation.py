"""What keeps tests apart: a home for each, and which processes are nobody's alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
REAL_HOME = Path.home()
# They decide where tools keep caches or settings, or whether a browser opens; tests set what they need.
SETTINGS_OF_THE_MACHINE = (
    "BROWSER",
    "CI",
    "DISPLAY",
    "FORCE_COLOR",
    "IMJOY_ENGINE_TOKEN",
    "IMJOY_PREFIX",
    "IMJOY_WORKSPACE",
    "NO_COLOR",
    "WAYLAND_DISPLAY",
)
END_SECONDS = 30
_SHARED: set[int] = set()


def path_without_shims(path: str) -> str:
    """Return a PATH with the Python that runs the tests where pyenv's shims are: one of them starts ten processes."""
    python = str(Path(sys.base_prefix) / "bin")
    folders = [python if _is_of_pyenv(Path(each)) else each for each in path.split(os.pathsep)]
    return os.pathsep.join(dict.fromkeys(folders))


def _is_of_pyenv(folder: Path) -> bool:
    return folder.name == "shims" and (folder / "python").exists() and (folder.parent / "versions").is_dir()


def move_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a folder be the home; nothing that the real one, or this machine's terminal, sets is left."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder))
    for name, part in (
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_DATA_HOME", ".local/share"),
        ("XDG_STATE_HOME", ".local/state"),
        ("APPDATA", "AppData/Roaming"),
        ("LOCALAPPDATA", "AppData/Local"),
    ):
        monkeypatch.setenv(name, str(folder / part))
    for name in SETTINGS_OF_THE_MACHINE:
        monkeypatch.delenv(name, raising=False)
    # What pip compiles in a test is seldom imported twice. A falsy value it is that says no.
    monkeypatch.setenv("PIP_NO_COMPILE", "0")
    packages = [str(ROOT / "bootstrap"), str(ROOT / "engine")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(packages))
    # The caches of pip, uv, npm and pyenv stay the machine's: they hold nothing of the person's, and cost minutes.
    monkeypatch.setenv("UV_CACHE_DIR", os.environ.get("UV_CACHE_DIR", str(REAL_HOME / ".cache" / "uv")))
    monkeypatch.setenv("PIP_CACHE_DIR", os.environ.get("PIP_CACHE_DIR", str(REAL_HOME / ".cache" / "pip")))
    monkeypatch.setenv("NPM_CONFIG_CACHE", os.environ.get("NPM_CONFIG_CACHE", str(REAL_HOME / ".npm")))
    monkeypatch.setenv("PYENV_ROOT", os.environ.get("PYENV_ROOT", str(REAL_HOME / ".pyenv")))


@contextmanager
def shared(start: AbstractContextManager[T]) -> Iterator[T]:
    """Enter a context that starts processes which several tests use; fail where one outlives it, and end that."""
    us = psutil.Process()
    before = set(us.children(recursive=True))
    with start as value:
        started = set(us.children(recursive=True)) - before
        _SHARED.update(each.pid for each in started)
        yield value
        started |= {child for each in started if each.is_running() for child in each.children(recursive=True)}
    left = psutil.wait_procs(started, timeout=END_SECONDS)[1]
    _SHARED.difference_update(each.pid for each in started)
    for each in left:
        each.kill()
    if left:
        pytest.fail(f"shared processes left behind: {left}")


def is_shared(*family: int) -> bool:
    """Whether a process, named with all that it descends from, is one that several tests use, or of one's starting."""
    return not _SHARED.isdisjoint(family)
