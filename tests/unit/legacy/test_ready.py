"""What an old Python sees of an install, and of the imjoy that it carries."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from pathlib import Path

import pytest

from imjoy import PROJECT_URL
from imjoy.legacy import ready
from imjoy.legacy.ready import Running, find_running, is_ready, note_origin, unpack

ROOT = Path(__file__).resolve().parents[3]
RUNNING = Running("git+https://host/imjoy", "commit:1")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="lays out a prefix of POSIX")


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """A prefix that is finished and whole, of a Python of conda."""
    folder = tmp_path / "ImJoyApp"
    write(folder / ".imjoy" / "receipt.json", "{}")
    write(folder / "bin" / "python", "")
    write(folder / "lib" / "libpython.so", "")
    write(folder / "conda-meta" / "python-3.13.14-0.json", json.dumps({"files": ["lib/libpython.so"]}))
    site = folder / "lib" / "python3.13" / "site-packages"
    for name, requires in (
        ("imjoy", "Requires-Dist: Click>=8\nRequires-Dist: tomli; python_version < '3.11'\n"),
        ("click", ""),
    ):
        info = site / f"{name}-1.0.dist-info"
        write(info / "METADATA", f"Name: {name}\n{requires}")
        write(site / name / "__init__.py", "")
        write(
            info / "RECORD",
            f'{name}/__init__.py,sha256=x,0\n{name}/gone.pyc,,\n"{name}-1.0.dist-info/RECORD",,\n',
        )
    return folder


def write(file: Path, text: str) -> None:
    """Write a file, in a folder that is made where it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_an_install_that_is_finished_and_whole_is_ready(prefix: Path) -> None:
    assert is_ready(str(prefix), RUNNING)
    assert is_ready(str(prefix), None)


@pytest.mark.parametrize(
    "gone",
    [
        ".imjoy/receipt.json",
        "bin/python",
        "lib/libpython.so",
        "lib/python3.13/site-packages/imjoy/__init__.py",
        "lib/python3.13/site-packages/click/__init__.py",
        "lib/python3.13/site-packages/click-1.0.dist-info/RECORD",
    ],
)
def test_one_that_has_lost_a_file_is_not(prefix: Path, gone: str) -> None:
    (prefix / gone).unlink()
    assert not is_ready(str(prefix), RUNNING)


@pytest.mark.parametrize(
    "mark", [".imjoy/state/record.json", "../.ImJoyApp.imjoy/record.json", ".imjoy/incomplete"]
)
def test_one_that_is_being_changed_is_not(prefix: Path, mark: str) -> None:
    write(prefix / mark, "")
    assert not is_ready(str(prefix), RUNNING)


def test_the_mark_lies_beside_what_the_prefix_is_a_link_to(prefix: Path, tmp_path: Path) -> None:
    link = tmp_path / "home" / "ImJoyApp"
    link.parent.mkdir()
    real = tmp_path / "envs" / "imjoy"
    real.parent.mkdir()
    prefix.rename(real)
    link.symlink_to(real)
    assert is_ready(str(link), RUNNING)
    write(real.parent / ".imjoy.imjoy" / "record.json", "")
    assert not is_ready(str(link), RUNNING)


def test_another_imjoy_of_an_old_python_is_brought_along_and_any_other_is_left(prefix: Path) -> None:
    assert is_ready(str(prefix), RUNNING)  # nobody of an old Python has installed it
    note_origin(str(prefix), RUNNING)
    assert is_ready(str(prefix), RUNNING)
    assert not is_ready(str(prefix), Running("git+https://host/imjoy", "commit:2"))


def installed(folder: Path, **noted: object) -> str:
    """Write what an old Python has of imjoy; return the package's folder."""
    (folder / "imjoy" / "legacy").mkdir(parents=True)
    with zipfile.ZipFile(folder / "imjoy" / "legacy" / "imjoy-1.0.zip", "w") as archive:
        archive.writestr("imjoy-1.0/pyproject.toml", "")
        archive.writestr("imjoy-1.0/bootstrap/imjoy/__init__.py", "")
    if noted:
        (folder / "imjoy-1.0.dist-info").mkdir()
        (folder / "imjoy-1.0.dist-info" / "direct_url.json").write_text(json.dumps(noted))
    return str(folder / "imjoy")


def test_a_checkout_is_what_an_imjoy_that_runs_from_one_installs() -> None:
    found = find_running()
    assert (found.place, found.packed) == (str(ROOT), "")
    assert unpack(found, "/nowhere") == (str(ROOT), {})


def test_an_imjoy_from_git_installs_the_sources_of_its_commit_and_an_upgrade_follows_its_branch(
    tmp_path: Path,
) -> None:
    vcs = {"vcs": "git", "commit_id": "ab" * 20, "requested_revision": "main"}
    found = find_running(installed(tmp_path, url="https://host/imjoy", vcs_info=vcs))
    assert (found.id, found.place) == (f"commit:{'ab' * 20}", "git+https://host/imjoy@main")
    place, told = unpack(found, str(tmp_path))
    assert place == told["IMJOY_DOOR_SOURCE"] == str(tmp_path / "imjoy-1.0")
    with zipfile.ZipFile(told["IMJOY_DOOR_ARCHIVE"]) as archive:
        assert archive.comment == b"ab" * 20
    with zipfile.ZipFile(found.packed) as archive:
        assert archive.comment == b""


@pytest.mark.parametrize("before", ["file://", "file:", "file://localhost"])
def test_an_imjoy_from_a_folder_installs_the_sources_of_then_and_an_upgrade_follows_the_folder(
    before: str, tmp_path: Path
) -> None:
    found = find_running(installed(tmp_path, url=f"{before}/home/ada/my%20imjoy", dir_info={}))
    assert found.place == "/home/ada/my imjoy"
    assert found.id == f"sources:{hashlib.sha256(Path(found.packed).read_bytes()).hexdigest()}"


def test_an_imjoy_of_which_pip_noted_nothing_follows_the_project(tmp_path: Path) -> None:
    assert find_running(installed(tmp_path)).place == f"git+{PROJECT_URL}"


def test_a_prefix_is_where_the_variable_says_or_in_the_home(home: Path) -> None:
    assert ready.find_prefix({}) == str(home / "ImJoyApp")
    assert ready.find_prefix({"IMJOY_PREFIX": "~/x"}) == str(home / "x")
