"""Runs the bats files as part of pytest, so that one run counts, reports and skips everything."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.shell.macos import doubles

#: A file's tests share one real install, so a file runs as a whole, when the first of its tests is asked for.
FILE_TIMEOUT_SECONDS = 1500
TEST_LINE = re.compile(r'^@test "(?P<name>.*)" \{$', re.MULTILINE)
#: TAP, as bats prints it: `ok 3 name`, `not ok 3 name`, `ok 3 name # skip reason`.
TAP_LINE = re.compile(r"^(?P<verdict>ok|not ok) (?P<number>\d+) .*?(?:# skip ?(?P<reason>.*))?$")


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    """Take ``*.bats`` files for test files."""
    if file_path.suffix == ".bats":
        return BatsFile.from_parent(parent, path=file_path)
    return None


def _path_with(folder: Path) -> str:
    """Return PATH; with TEST_MACOS the doubles of a Mac's commands, and the bash of TEST_BASH, come first on it."""
    path = os.environ["PATH"]
    if not os.environ.get("TEST_MACOS"):
        return path
    doubles.install(folder)
    if bash := os.environ.get("TEST_BASH"):
        (folder / "bash").symlink_to(bash)
    return f"{folder}{os.pathsep}{path}"


class BatsFailed(Exception):
    """A bats test failed; the message is what bats printed for it."""


class BatsFile(pytest.File):
    """One ``*.bats`` file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each ``@test``, in the order in which bats numbers them."""
        self._verdicts: dict[int, tuple[str, str]] | None = None
        for number, match in enumerate(TEST_LINE.finditer(self.path.read_text()), start=1):
            yield BatsTest.from_parent(self, name=match["name"].replace('\\"', '"'), number=number)

    def verdict(self, number: int) -> tuple[str, str]:
        """Return ``ok``, ``skip`` or ``not ok`` for a test, with the reason or the output. Runs the file once."""
        if self._verdicts is None:
            self._verdicts = self._run()
        return self._verdicts.get(number, ("not ok", "bats ended before this test"))

    def _run(self) -> dict[int, tuple[str, str]]:
        with tempfile.TemporaryDirectory(prefix="commands-of-a-mac-") as folder:
            done = subprocess.run(
                ["bats", "--tap", str(self.path)],
                # Doubles are made of the Python that has what imjoy needs.
                env={**os.environ, "TEST_PYTHON": sys.executable, "PATH": _path_with(Path(folder))},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=FILE_TIMEOUT_SECONDS,
                check=False,
            )
        verdicts: dict[int, tuple[str, str]] = {}
        number = 0
        for line in done.stdout.splitlines():
            if match := TAP_LINE.match(line):
                number = int(match["number"])
                if match["reason"] is not None:
                    verdicts[number] = ("skip", match["reason"])
                else:
                    verdicts[number] = (match["verdict"], "")
            elif number:
                verdict, output = verdicts[number]
                verdicts[number] = (verdict, output + line + "\n")
        return verdicts


class BatsTest(pytest.Item):
    """One ``@test``."""

    def __init__(self, *, number: int, **options: Any) -> None:
        super().__init__(**options)
        self.number = number
        self.add_marker(pytest.mark.timeout(FILE_TIMEOUT_SECONDS))

    def runtest(self) -> None:
        """Pass, skip or fail as bats said."""
        if shutil.which("bats") is None:
            pytest.skip("bats is not here")
        assert isinstance(self.parent, BatsFile)
        verdict, text = self.parent.verdict(self.number)
        if verdict == "skip":
            pytest.skip(text)
        if verdict == "not ok":
            raise BatsFailed(text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """Show what bats printed, without our own stack."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the test is and what it is called."""
        return self.path, 0, self.name
