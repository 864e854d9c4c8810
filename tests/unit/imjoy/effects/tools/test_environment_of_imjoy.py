"""Where a conda that is here keeps the environment ``imjoy``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from imjoy.effects.tools.conda import Conda, environment_of_imjoy


def a_conda(*folders: Path) -> Conda:
    """Return a conda that keeps environments in these folders."""
    return Conda(Path("/c/bin/conda"), "24.9.0", envs_dirs=folders)


def test_the_environment_is_in_the_first_folder_that_can_be_written_to(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    last = tmp_path / "home" / ".conda" / "envs"
    (tmp_path / "file").touch()
    missing = Path("Q:\\lab\\envs") if sys.platform == "win32" else Path("/dev/null/envs")
    folders = [missing, tmp_path / "file" / "envs", closed / "envs", last]
    if sys.platform == "win32" or os.geteuid() == 0:
        del folders[2]  # nothing is closed to root, nor by a mode on Windows
    assert environment_of_imjoy(a_conda(*folders)) == last / "imjoy"


def test_an_environment_of_ours_is_found_in_any_of_the_folders(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    (second / "imjoy" / ".imjoy").mkdir(parents=True)
    assert environment_of_imjoy(a_conda(first, second)) == second / "imjoy"


def test_a_conda_without_a_folder_for_environments_has_no_place(tmp_path: Path) -> None:
    assert environment_of_imjoy(a_conda()) is None
