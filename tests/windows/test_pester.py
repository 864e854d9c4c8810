"""install.Tests.ps1, in the PowerShells that there are."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.windows.conftest import COLOURS, ROOT, Windows

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
TESTS = ROOT / "tests" / "windows"
COUNTS = re.compile(r"Tests Passed: (\d+), Failed: (\d+), Skipped: (\d+)")


def line(folder: str) -> str:
    """Return what runs the tests of a folder, and ends with 1 when one fails."""
    return f"Import-Module Pester -MinimumVersion 5.0; Invoke-Pester -Path '{folder}' -Output Detailed -CI"


def check(said: str, least: int) -> None:
    """Fail unless at least so many tests passed, and none failed."""
    found = COUNTS.search(COLOURS.sub("", said))
    assert found and int(found[2]) == 0 and int(found[1]) >= least, said


def test_on_windows(windows: Windows, tmp_path: Path) -> None:
    done = windows.run("pwsh", "-NoProfile", "-Command", f"cd $env:TEMP; {line('C:/imjoy/tests/windows')}")
    check(done.said, 20)


def test_in_the_powershell_of_linux_as_far_as_that_goes(tmp_path: Path) -> None:
    program = os.environ.get("IMJOY_PWSH", "")
    if not program:
        pytest.skip("there is no PowerShell here: IMJOY_PWSH names none")
    environ = {**os.environ, "POWERSHELL_TELEMETRY_OPTOUT": "1"}
    done = subprocess.run(
        [program, "-NoProfile", "-Command", line(str(TESTS))],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ,
        check=False,
    )
    check(done.stdout, 10)
