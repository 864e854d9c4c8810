"""What `imjoy` costs before it does anything, as multiples of an interpreter that does nothing, in the same run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 9


def seconds(arguments: list[str]) -> float:
    """Return how long one command takes."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def test_version_and_help_import_only_what_they_need() -> None:
    commands = {
        "pass": ["-c", "pass"],
        "version": ["-m", "imjoy", "--version"],
        "help": ["-m", "imjoy", "--help"],
    }
    # Interleaved, so that a busy moment of the machine strikes all of them.
    measured = [{name: seconds(arguments) for name, arguments in commands.items()} for _ in range(ROUNDS)]
    median = {name: statistics.median(each[name] for each in measured) for name in commands}
    assert median["version"] < 4 * median["pass"]
    assert median["help"] < 8 * median["pass"]
