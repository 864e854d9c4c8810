"""Causes and cures of engines that end before they are ready."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.engines.boot_failures import explain_boot


def last_words(code: str) -> tuple[int, str]:
    """Return how a real Python ends that runs ``code``."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import no_such_package.part", "no_such_package is missing"),
        ("from os import no_such_name", "do not fit together"),
        ("raise OSError(28, 'No space left on device')", "disk is full"),
        ("raise MemoryError", "not enough memory"),
        ("raise PermissionError(13, 'Permission denied', '/x')", "refuses"),
        ("raise OSError(24, 'Too many open files')", "Too many files"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
        ("raise KeyError('something new')", "KeyError: 'something new'"),
    ],
)
def test_a_cause_is_told_with_a_command_and_without_a_traceback(code: str, cause: str) -> None:
    failure = explain_boot(*last_words(code))
    assert cause in failure.why
    assert failure.fix
    assert "Traceback" not in failure.why + failure.fix


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "damaged.py").write_text("def half(\n")
    failure = explain_boot(*last_words(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import damaged"))
    assert failure.why == f"{tmp_path / 'damaged.py'} is damaged."


def test_an_engine_that_says_nothing_has_an_exit_code_at_least() -> None:
    assert explain_boot(9, "").why == "exit code 9"
