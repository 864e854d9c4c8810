"""The manual page that the wheel brings. IMJOY_WRITE_GOLDEN=1 writes it anew."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from imjoy.cli import main
from imjoy.cli.group import VERBS, verbs
from imjoy.cli.man import man_page

FILE = Path(__file__).resolve().parents[4] / "bootstrap" / "imjoy.1"


def test_the_page_of_the_wheel_is_that_of_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    page = man_page(verbs)
    if os.environ.get("IMJOY_WRITE_GOLDEN"):
        FILE.write_text(page, encoding="utf-8")
    assert page == FILE.read_text(encoding="utf-8")
    for verb in VERBS:
        assert f'.SS "imjoy {verb}' in page


def test_without_a_terminal_help_man_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "--man"]) == 0
    assert capsys.readouterr().out == man_page(verbs)


def test_the_page_has_no_mistake_that_a_formatter_finds() -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is missing")
    done = subprocess.run(
        [groff, "-man", "-ww", "-z", "-Kutf8", str(FILE)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
