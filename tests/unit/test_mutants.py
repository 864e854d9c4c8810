"""The mistakes that ``make mutants`` makes fit today's files, which it takes an hour to say itself."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = runpy.run_path(str(ROOT / "bench" / "mistakes.py"))
MISTAKES, TESTS = BENCH["MISTAKES"], BENCH["TESTS"]


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_fits_its_file_and_has_tests_that_are_there(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert [old for old, _ in MISTAKES[name] if old not in text] == []
    assert [test for test in TESTS[name].split() if not (ROOT / test).exists()] == []
