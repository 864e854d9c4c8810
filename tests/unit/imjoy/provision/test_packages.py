"""How imjoy is built and installed: by uv where pip can have it, else by pip alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from imjoy.provision import packages

ROOT = Path(__file__).resolve().parents[4]
Runs = Callable[..., list[list[str]]]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Return a call of ``main`` that runs nothing; it returns what would have run, those ``failing`` with code 1."""

    def call(*arguments: str, failing: Sequence[str] = ()) -> list[list[str]]:
        commands: list[list[str]] = []

        def run(command: Sequence[str], **_: object) -> SimpleNamespace:
            assert list(command[:3]) == [sys.executable, "-I", "-m"]
            commands.append(list(command[3:]))
            return SimpleNamespace(returncode=int(" ".join(commands[-1][:2]) in failing))

        monkeypatch.setattr(subprocess, "run", run)
        code = packages.main(arguments)
        assert code == int(" ".join(commands[-1][:2]) in failing)
        return commands

    return call


@pytest.fixture
def wheel(tmp_path: Path) -> str:
    """Return a wheel of which only the words about uv are there."""
    file = tmp_path / "imjoy-9-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(
            "imjoy-9.dist-info/METADATA", "Name: imjoy\nRequires-Dist: click\nRequires-Dist: uv<1,>=0.5\n"
        )
    return str(file)


def test_sources_are_built_by_the_uv_that_they_require(runs: Runs, tmp_path: Path) -> None:
    first, second = runs(str(ROOT), "--build", str(tmp_path), "--offline", "/wheels")
    local = ["--no-index", "--find-links", "/wheels"]
    assert first == ["pip", "install", "--upgrade", *local, "uv>=0.5,<1"]
    assert second[:5] == ["uv", "build", "--wheel", "--out-dir", str(tmp_path)]
    assert second[-4:] == [*local, str(ROOT)]


@pytest.mark.parametrize("failing", ["pip install", "uv build"])
def test_where_uv_cannot_be_had_or_fails_pip_builds(runs: Runs, tmp_path: Path, failing: str) -> None:
    built = runs(str(ROOT), "--build", str(tmp_path), failing=[failing])[-1]
    assert built == ["pip", "wheel", "--no-deps", "-w", str(tmp_path), str(ROOT)]


def test_what_lies_in_a_repository_is_built_by_pip(runs: Runs, tmp_path: Path) -> None:
    place = "git+https://example.org/imjoy@main"
    assert runs(place, "--build", str(tmp_path)) == [
        ["pip", "wheel", "--no-deps", "-w", str(tmp_path), place]
    ]


def test_a_wheel_is_installed_by_the_uv_that_built_it(runs: Runs, wheel: str) -> None:
    assert [each[:2] for each in runs(wheel)] == [["uv", "--version"], ["uv", "pip"]]


def test_without_a_uv_pip_brings_it_first(runs: Runs, wheel: str) -> None:
    commands = runs(wheel, failing=["uv --version"])
    assert commands[1] == ["pip", "install", "--upgrade", "uv<1,>=0.5"]
    assert commands[2][:3] == ["uv", "pip", "install"]


def test_a_repair_brings_uv_up_to_date_before_it_runs(runs: Runs, wheel: str) -> None:
    commands = runs(wheel, "--again")
    assert [each[:2] for each in commands] == [["pip", "install"], ["uv", "pip"]]
    assert "--reinstall" in commands[1]


def test_where_uv_fails_pip_installs(runs: Runs, wheel: str) -> None:
    commands = runs(wheel, "--again", failing=["uv pip"])
    assert commands[-1] == ["pip", "install", "--upgrade", "--force-reinstall", wheel]
