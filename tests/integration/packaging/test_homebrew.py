"""Homebrew's formula: what the release workflow writes into it, with Apple's sed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.shell.macos import doubles

from imjoy import PROJECT_URL, __version__

FOLDER = Path(__file__).resolve().parents[3] / "utils" / "homebrew"
URL = f"{PROJECT_URL}/archive/refs/tags/v9.8.7.tar.gz"
HASH = "0123456789abcdef" * 4

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the workflow runs on a Mac")


@pytest.fixture
def formula(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "homebrew")) / "imjoy.rb"


def name_sources(formula: Path, url: str, sha256: str) -> int:
    commands = formula.parent / "commands"
    commands.mkdir()
    doubles.install(commands)
    environ = {"PATH": f"{commands}:{os.environ['PATH']}"}
    return subprocess.run(
        [formula.parent / "name-sources", url, sha256], env=environ, capture_output=True, check=False
    ).returncode


def test_it_is_ruby_in_lines_that_brew_style_takes(formula: Path) -> None:
    """Layout/LineLength of Library/.rubocop.yml in Homebrew/brew: 118 letters."""
    assert [line for line in formula.read_text().splitlines() if len(line) > 118] == []
    ruby = shutil.which("ruby")
    if ruby is None:
        pytest.skip("ruby is missing")
    done = subprocess.run([ruby, "-wc", formula], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Syntax OK\n", "")


def test_it_names_the_release_that_this_is(formula: Path) -> None:
    assert f'  url "{PROJECT_URL}/archive/refs/tags/v{__version__}.tar.gz"\n' in formula.read_text()


def test_the_release_s_sources_and_their_hash_are_written_and_nothing_else(formula: Path) -> None:
    before = formula.read_text()
    assert name_sources(formula, URL, HASH) == 0
    after = formula.read_text()
    assert f'  url "{URL}"\n  sha256 "{HASH}"\n' in after
    assert re.sub(r'(url|sha256) ".*"', "", after) == re.sub(r'(url|sha256) ".*"', "", before)


@pytest.mark.parametrize("wrong", ["", "abc", HASH.upper(), HASH + "0"])
def test_what_is_no_hash_is_not_written(wrong: str, formula: Path) -> None:
    before = formula.read_text()
    assert name_sources(formula, URL, wrong) == 2
    assert formula.read_text() == before
