"""The unit tests, on Windows."""

from __future__ import annotations

import re

import pytest

from tests.windows.conftest import Windows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
LEAST = 1500
TEST_SECONDS = 600
"""A machine that is busy may take long for what is quick, and a test that takes too long ends them all."""


def test_none_of_them_fails_there(windows: Windows) -> None:
    if not windows.path("C:\\imjoy\\tests").is_dir():
        pytest.skip("the bench was made without tests (WITH_TESTS=1)")
    done = windows.run("wintests", "tests/unit", "-q", "--timeout", str(TEST_SECONDS), seconds=2300)
    found = re.search(r"(\d+) passed", done.said)
    assert done.code == 0 and found and int(found[1]) >= LEAST, done.said[-4000:]
