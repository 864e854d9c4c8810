"""Where an old Python looks for a conda, in which order."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imjoy.legacy.where import COMMAND, conda_commands

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes commands of POSIX")


def make_conda(root: Path) -> str:
    """Write a conda command below a root; return its path."""
    command = root / COMMAND
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    return str(command)


def test_the_order_is_conda_exe_then_beside_the_interpreter_then_path_then_the_usual_folders(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, beside, on_path = (make_conda(tmp_path / name) for name in ("named", "beside", "path"))
    usual = make_conda(home / "miniconda3")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "beside" / "envs" / "py27"))
    monkeypatch.setenv("PATH", str(Path(on_path).parent))
    assert conda_commands({"CONDA_EXE": named})[:4] == [named, beside, on_path, usual]


def test_one_conda_under_two_names_is_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = make_conda(home / "miniconda3")
    link = tmp_path / "conda"
    link.symlink_to(usual)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert conda_commands({"CONDA_EXE": usual}).count(usual) == 1
    assert str(link) not in conda_commands({"CONDA_EXE": usual})
