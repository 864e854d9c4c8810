"""Where an environment begins, and what of it belongs on PATH, by where its Python lies."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from imjoy_engine.environments.builders.preparation import _run_command, commands_done
from imjoy_engine.environments.prefix import prefix_and_path_folders
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.launchers.local import plugin_environment

CONDA = ("", "\\Library\\mingw-w64\\bin", "\\Library\\usr\\bin", "\\Library\\bin", "\\Scripts", "\\bin")


@pytest.mark.parametrize(
    ("python", "prefix", "folders"),
    [
        (PurePosixPath("/lab/env/bin/python"), "/lab/env", ["/lab/env/bin"]),
        (PureWindowsPath("C:\\lab\\env\\Scripts\\python.exe"), "C:\\lab\\env", ["C:\\lab\\env\\Scripts"]),
        (
            PureWindowsPath("C:\\lab\\env\\python.exe"),
            "C:\\lab\\env",
            [f"C:\\lab\\env{each}" for each in CONDA],
        ),
    ],
)
def test_they_are_those_of_its_activation(python: PurePath, prefix: str, folders: list[str]) -> None:
    found, on_path = prefix_and_path_folders(python)
    assert str(found) == prefix
    assert [str(each) for each in on_path] == folders


@pytest.mark.parametrize("python", ["env/bin/python", "env/Scripts/python.exe", "env/python.exe"])
def test_what_was_run_in_an_environment_is_noted_inside_of_it(tmp_path: Path, python: str) -> None:
    spec = EnvironmentSpec(python=None, requirements=())
    assert commands_done(spec, tmp_path / python, tmp_path).is_relative_to(tmp_path / "env")


def test_a_plugin_finds_the_programs_of_its_environment_first(tmp_path: Path) -> None:
    python = tmp_path / "env" / "python.exe"
    found = plugin_environment({"PATH": "rest"}, python)["PATH"].split(os.pathsep)
    assert found[0] == str(tmp_path / "env") and found[-1] == "rest"
    assert str(tmp_path / "env" / "Library" / "bin") in found


@pytest.mark.skipif(os.name != "nt", reason="needs cmd.exe")
def test_a_command_of_windows_keeps_its_quotes(tmp_path: Path) -> None:
    said: list[str] = []
    command = f'"{sys.executable}" -c "print(chr(97) + \'b c\')" && echo "d e"'
    asyncio.run(_run_command(command, Path(sys.executable), tmp_path, {}, os.environ, said.append))
    assert [line.strip() for line in said[1:]] == ["ab c", '"d e"']
