"""The table of installers, and its copies in the scripts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from imjoy.provision.installers import NAMES, Name, distribution, version_numbers

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("name", NAMES)
def test_every_installer_has_a_whole_hash_and_a_version_in_its_name(name: Name) -> None:
    table = distribution(name)
    for platform, each in table.installers.items():
        assert re.fullmatch(r"[0-9a-f]{64}", each.sha256)
        assert table.version in each.file
        assert each.url.startswith("https://") and each.url.endswith("/" + each.file)
        assert each.file.endswith(".exe" if platform.startswith("win") else ".sh")


def test_no_two_installers_have_the_same_hash() -> None:
    hashes = [each.sha256 for name in NAMES for each in distribution(name).installers.values()]
    assert len(set(hashes)) == len(hashes)


def test_versions_are_compared_as_numbers() -> None:
    assert version_numbers("2.9") < version_numbers("2.28")
    assert version_numbers("2.31-0ubuntu9") == (2, 31)


def test_the_scripts_have_the_same_table() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "installer-tables"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
