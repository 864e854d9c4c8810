"""Where caches lie when the home takes none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from imjoy.effects.machine.home import usable_caches

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="homes of POSIX systems")
NAMES = {"UV_CACHE_DIR", "PIP_CACHE_DIR", "RATTLER_CACHE_DIR"}


def test_a_home_that_can_be_written_has_the_caches(tmp_path: Path) -> None:
    assert usable_caches({"HOME": str(tmp_path)}, tmp_path / "instead") == {}
    assert usable_caches({"HOME": "/proc", "XDG_CACHE_HOME": str(tmp_path / "c")}, tmp_path) == {}


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="needs a folder that nobody, not even root, can write"
)
def test_without_one_they_lie_in_the_workspace_and_those_that_were_named_stay(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for home in ("/proc/self", str(tmp_path / "file")):
        if os.access(home, os.W_OK) and Path(home).is_dir():
            continue
        moved = usable_caches({"HOME": home}, tmp_path / "instead")
        assert moved.keys() == NAMES
        assert moved["UV_CACHE_DIR"] == str(tmp_path / "instead" / "uv")
        assert "PIP_CACHE_DIR" not in usable_caches({"HOME": home, "PIP_CACHE_DIR": "/x"}, tmp_path)
