"""What `imjoy` imports before it does anything: each of these is tens of milliseconds that a person would wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("unmeasured")


def imported(*arguments: str) -> set[str]:
    """Return the top-level modules that one command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "imjoy", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    times = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in times}


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--version"], {"click", "rich", "psutil", "requests", "asyncio", "aiohttp", "imjoy_engine"}),
        (["doctor", "--list"], {"rich", "psutil", "requests", "aiohttp", "imjoy_engine"}),
        (["--help"], {"rich", "psutil", "requests", "asyncio", "aiohttp", "imjoy_engine"}),
    ],
)
def test_a_command_imports_only_what_it_needs(arguments: list[str], unneeded: set[str]) -> None:
    assert not imported(*arguments) & unneeded


def test_start_imports_no_more_than_it_needs_to_start_an_engine(home: Path) -> None:
    try:
        unneeded = {"psutil", "requests", "http", "asyncio", "aiohttp", "imjoy_engine", "tempfile", "sqlite3"}
        assert not imported("start", "--port", "0", "--no-open", "--detach") & unneeded
    finally:
        subprocess.run([sys.executable, "-m", "imjoy", "stop"], capture_output=True, check=True)
