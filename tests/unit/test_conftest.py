"""How many processes the tests run in, in which order, and what those that they start find."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from tests.conftest import LONG_FILES, pytest_collection_modifyitems

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("asked", "processors", "cores", "expected"),
    [
        ("auto", 64, 32, 96),
        ("auto", 2, 32, 6),
        ("auto", 1, None, 3),
        ("logical", 64, 32, 64),
        ("logical", 2, 32, 2),
    ],
)
def test_as_many_processes_as_this_one_has_processors_for(
    asked: str,
    processors: int,
    cores: int | None,
    expected: int,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.delenv("PYTEST_XDIST_AUTO_NUM_WORKERS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)), raising=False)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical=True: 64 if logical else cores)
    config = SimpleNamespace(option=SimpleNamespace(numprocesses=asked))
    assert request.config.hook.pytest_xdist_auto_num_workers(config=config) == expected


def test_the_processes_that_somebody_asks_for(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_AUTO_NUM_WORKERS", "7")
    config = SimpleNamespace(option=SimpleNamespace(numprocesses="auto"))
    assert request.config.hook.pytest_xdist_auto_num_workers(config=config) == 7


def test_the_files_that_take_long_are_there_and_begun_first() -> None:
    assert [each for each in LONG_FILES if not (ROOT / each).is_file()] == []
    names = [*reversed(LONG_FILES), "tests/unit/test_links.py"]
    items: Any = [SimpleNamespace(nodeid=f"{name}::test_{number}") for name in names for number in range(2)]
    pytest_collection_modifyitems(items)
    assert [each.nodeid for each in items] == [
        f"{name}::test_{number}" for name in (*LONG_FILES, "tests/unit/test_links.py") for number in range(2)
    ]


def test_what_a_test_starts_keeps_what_it_compiles(tmp_path: Path) -> None:
    (tmp_path / "module.py").touch()
    subprocess.run([sys.executable, "-c", "import module"], cwd=tmp_path, check=True)
    assert list((tmp_path / "__pycache__").glob("module.*.pyc"))
