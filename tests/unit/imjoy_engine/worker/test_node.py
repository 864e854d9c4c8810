"""The supervisor on a cluster's node: what it tidies up of others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("nodes of a cluster are no Windows", allow_module_level=True)

from imjoy_engine.worker.node import DEAD_SECONDS, lock, sweep


def folder(parent: Path, name: str, age: float = 2 * DEAD_SECONDS) -> Path:
    made = parent / name
    made.mkdir()
    (made / "node.py").touch()
    then = made.stat().st_mtime - age
    os.utime(made, (then, then))
    return made


def test_what_killed_jobs_left_on_this_node_is_removed_and_nothing_else(tmp_path: Path) -> None:
    own = folder(tmp_path, "imjoy-job-n1-aaaaaaaa")
    dead = folder(tmp_path, "imjoy-job-n1-bbbbbbbb")
    lives = folder(tmp_path, "imjoy-job-n1-cccccccc")
    begins = folder(tmp_path, "imjoy-job-n1-dddddddd", age=0)
    others = [folder(tmp_path, name) for name in ("imjoy-job-n2-eeeeeeee", "imjoy-job-n1-2-ffffffff", "mine")]
    link = tmp_path / "imjoy-job-n1-gggggggg"
    link.symlink_to(others[-1])
    held = lock(str(lives))
    try:
        sweep(str(own))
    finally:
        os.close(held)
    assert not dead.exists()
    assert all((each / "node.py").exists() for each in (own, lives, begins, *others))
    assert link.is_symlink()
