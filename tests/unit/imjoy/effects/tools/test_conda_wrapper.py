"""A ``conda`` of ours among the commands of an environment runs another conda's."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from imjoy.effects.tools import conda
from imjoy.effects.tools.conda import root_of, write_wrapper

LAUNCHER = b"MZ a launcher of pip"


@pytest.fixture
def on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the module take this machine for Windows with a code page that lacks most letters."""
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(conda, "console_code_page", lambda: "cp437")


@pytest.mark.usefixtures("on_windows")
@pytest.mark.parametrize("of", ["environment", "Jörg 细"])
def test_on_windows_it_is_a_program_that_pip_makes(tmp_path: Path, of: str) -> None:
    command = tmp_path / "Jörg 细" / "Scripts" / "conda.exe"
    environment = tmp_path / "environment"
    (environment / "Scripts").mkdir(parents=True)
    (environment / "Scripts" / "conda.bat").touch()
    launcher = tmp_path / of / conda.LAUNCHER  # a new environment has no pip yet
    launcher.parent.mkdir(parents=True)
    launcher.write_bytes(LAUNCHER)
    made = write_wrapper(environment, command)
    assert [each.name for each in (environment / "Scripts").iterdir()] == ["conda.exe"]
    assert made.read_bytes().startswith(LAUNCHER + f'#!"{environment / "python.exe"}"\r\n'.encode())
    with zipfile.ZipFile(made) as archive:
        compile(archive.read(conda.PROGRAM), conda.PROGRAM, "exec")
    assert root_of(made) == command.parent.parent


@pytest.mark.usefixtures("on_windows")
@pytest.mark.parametrize("folder", ["Jörg 100%", "细胞"])
def test_without_pip_it_is_a_script_in_the_code_page_that_cmd_reads(tmp_path: Path, folder: str) -> None:
    command = tmp_path / folder / "Scripts" / "conda.exe"
    environment = tmp_path / "environment"
    (environment / "Scripts").mkdir(parents=True)
    made = write_wrapper(environment, command)
    assert made.name == "conda.bat"
    assert root_of(made) == command.parent.parent


@pytest.mark.skipif(sys.platform != "win32", reason="needs Windows")
def test_the_program_runs_what_it_names(tmp_path: Path) -> None:
    environment = tmp_path / "Jörg"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (environment / conda.LAUNCHER).parent.mkdir(parents=True)
    shutil.copy(Path(sys.base_prefix) / conda.LAUNCHER, environment / conda.LAUNCHER)
    made = write_wrapper(environment, Path(sys.executable))
    done = subprocess.run([made, "-c", "import sys; sys.exit(7)"], check=False)
    assert done.returncode == 7
