"""The tests that run on Windows itself: the unit tests, and a fault at each effect of an install."""

from __future__ import annotations

import os
import re

import pytest

from tests.windows.conftest import ROOT, Windows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
LEAST = 1500
TEST_SECONDS = 600
"""A machine that is busy may take long for what is quick."""


def run(windows: Windows, *words: str) -> int:
    """Run tests there, and return how many passed; fail unless all did."""
    if not windows.path("C:\\imjoy\\tests").is_dir():
        pytest.skip("the bench was made without tests (WITH_TESTS=1)")
    # In a worker: one that hangs is named then, and the others go on. What pytest is told here holds for here alone.
    line = ("wintests", *words, "-q", "-rf", "-n", "1", "--timeout", str(TEST_SECONDS))
    done = windows.run(*line, environ={"PYTEST_ADDOPTS": ""}, seconds=2300)
    found = re.search(r"(\d+) passed", done.said)
    assert done.code == 0 and found, done.said[-4000:]
    return int(found[1])


def test_the_tests_that_the_workflow_runs_on_windows_can_be_imported_there(windows: Windows) -> None:
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    files = set(re.findall(r"tests/windows/\w+\.py", workflow))
    assert files
    done = windows.run("wintests", "--collect-only", "-q", *files, environ={"PYTEST_ADDOPTS": ""})
    assert done.code == 0, done.said[-4000:]


def test_none_of_the_unit_tests_fails_there(windows: Windows) -> None:
    # What it imports is the same everywhere, and the bench lacks what draws it.
    assert run(windows, "tests/unit", "--ignore=tests/unit/test_architecture.py") >= LEAST


def test_after_a_fault_at_any_effect_of_an_install_the_next_run_works_there(windows: Windows) -> None:
    chosen = "first_install and brought and (kill or stop)"
    if os.environ.get("IMJOY_EVERY_STEP"):
        chosen = "test"
    assert run(windows, "tests/integration/provision/test_every_effect.py", "-k", chosen) >= 2
