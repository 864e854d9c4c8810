"""Facts that a file format makes us write down twice are the same in both places."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imjoy import FLOOR, PROJECT_URL, __version__
from imjoy.legacy import PREFLIGHT_REFUSED
from imjoy.legacy.sentence import install_line
from imjoy.model.errors import ExitCode

ROOT = Path(__file__).resolve().parents[3]
FLOOR_TEXT = ".".join(map(str, FLOOR))


@pytest.mark.parametrize(
    ("file", "fact"),
    [
        ("pyproject.toml", f'requires-python = ">={FLOOR_TEXT}"'),
        ("pyproject.toml", f'python_version = "{FLOOR_TEXT}"'),
        ("pyproject.toml", f'target-version = "py{FLOOR[0]}{FLOOR[1]}"'),
        ("install.sh", f'FLOOR="{FLOOR_TEXT}"'),
        ("install.sh", f'VERSION="{__version__}"'),
        ("install.sh", f'PROJECT_URL="{PROJECT_URL}"'),
        ("CHANGELOG.md", f"## [{__version__}]"),
        ("README.md", install_line("linux")),
        ("docs/install.md", install_line("linux")),
        ("docs/install.md", install_line("win32")),
    ],
)
def test_a_copy_says_what_the_original_says(file: str, fact: str) -> None:
    assert fact in (ROOT / file).read_text(encoding="utf-8")


def test_the_exit_code_under_the_floor_is_the_documented_one() -> None:
    assert ExitCode.PREFLIGHT_REFUSED == PREFLIGHT_REFUSED


def test_no_document_tells_to_install_the_other_program_of_this_name() -> None:
    other = re.compile(r"pip3? install (-U |--upgrade )?imjoy\b")
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        assert not other.search(page.read_text(encoding="utf-8")), page
