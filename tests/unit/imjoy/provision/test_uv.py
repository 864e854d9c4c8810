"""Which uv of a machine is taken: one that is what its name says, and answers."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from imjoy.provision.facts import uv

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the doubles are scripts of a shell")

GOOD = "echo uv 0.9.1 '(abc 2026-01-01)'"


def double(folder: Path, does: str = GOOD, name: str = "uv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{does}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def beside_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that stands for the commands of the Python that runs this: it has a uv for the tests."""
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "scripts"))
    return tmp_path / "scripts"


@pytest.mark.parametrize("place", ["on PATH", "scripts", "home/.local/bin", "home/.cargo/bin"])
def test_a_uv_is_found_where_people_have_theirs(place: str, beside_python: Path, tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path / "on PATH")}
    assert uv.find_uv(environ, tmp_path / "home") is None
    file = double(tmp_path / place)
    assert uv.find_uv(environ, tmp_path / "home") == file


@pytest.mark.parametrize(
    "says", ["uv 0.4.30", "uv 1.0.0", "uvloop 0.9.1", "sleep 0.9", "", "uv 0.9.1; exit 1"]
)
def test_one_that_imjoy_could_not_run_on_is_passed_over(
    says: str, beside_python: Path, tmp_path: Path
) -> None:
    double(tmp_path / "bin", f"echo {says}")
    environ = {"PATH": str(tmp_path / "bin")}
    assert uv.find_uv(environ, tmp_path / "home") is None
    other = double(beside_python)
    assert uv.find_uv(environ, tmp_path / "home") == other


def test_one_that_hangs_ends_the_search(
    beside_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv, "ASK_SECONDS", 0.2)
    double(tmp_path / "bin", "exec /bin/sleep 600")
    double(beside_python)
    assert uv.find_uv({"PATH": str(tmp_path / "bin")}, tmp_path / "home") is None


def test_a_folder_and_a_shim_are_never_run(beside_python: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "folder" / "uv").mkdir(parents=True)
    double(tmp_path / "shims", f"touch {ran}; {GOOD}")
    manager = double(tmp_path / "manager", f"touch {ran}; {GOOD}", name="mise")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "uv").symlink_to(manager)
    for folder in ("folder", "shims", "links"):
        assert uv.find_uv({"PATH": str(tmp_path / folder)}, tmp_path / "home") is None
    assert not ran.exists()


def test_the_one_beside_the_python_that_runs_this_is_real(tmp_path: Path) -> None:
    found = uv.find_uv({"PATH": ""}, tmp_path)
    assert found is not None
    assert shutil.which("uv", path=str(found.parent)) == str(found)


def test_one_in_a_folder_that_somebody_happens_to_be_in_is_not_looked_for(
    beside_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = double(tmp_path / "downloads")
    # As it answers on Windows.
    monkeypatch.setattr("shutil.which", lambda name, path: str(here))
    assert uv.find_uv({"PATH": str(tmp_path / "bin")}, tmp_path / "home") is None
