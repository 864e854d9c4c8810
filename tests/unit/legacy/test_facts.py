"""Facts that a file format makes us write down twice are the same in both places."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from pathlib import Path

import pytest
import yaml

from imjoy import FLOOR, PROJECT_URL, __version__
from imjoy.effects import conda, lock
from imjoy.legacy import claim, refusal, running, where
from imjoy.legacy import conda as old_conda
from imjoy.legacy.packages import locked_packages
from imjoy.legacy.sentence import install_line
from imjoy.model.errors import ExitCode
from imjoy.provision.conda_environment import RATTLER
from imjoy.provision.source import CHECKOUT_PARTS

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ROOT / "bootstrap" / "imjoy" / "locks"
FLOOR_TEXT = ".".join(map(str, FLOOR))


@pytest.mark.parametrize(
    ("file", "fact"),
    [
        ("pyproject.toml", f'requires-python = ">={FLOOR_TEXT}"'),
        ("pyproject.toml", f'python_version = "{FLOOR_TEXT}"'),
        ("pyproject.toml", f'  "{RATTLER}",'),
        ("pyproject.toml", f'target-version = "py{FLOOR[0]}{FLOOR[1]}"'),
        ("install.sh", f'FLOOR="{FLOOR_TEXT}"'),
        ("install.sh", f'VERSION="{__version__}"'),
        ("install.sh", f'PROJECT_URL="{PROJECT_URL}"'),
        ("CHANGELOG.md", f"## [{__version__}]"),
        ("README.md", install_line("linux")),
        ("docs/install.md", install_line("linux")),
        ("docs/install.md", install_line("win32")),
    ],
)
def test_a_copy_says_what_the_original_says(file: str, fact: str) -> None:
    assert fact in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    ["FAILED", "PREFLIGHT_REFUSED", "NETWORK_NEEDED", "CHECKSUM_MISMATCH", "LOCKED", "INTERRUPTED"],
)
def test_the_exit_codes_under_the_floor_are_the_documented_ones(name: str) -> None:
    assert getattr(refusal, name) == ExitCode[name]


def test_a_process_is_known_by_the_same_name_under_the_floor() -> None:
    assert claim.identity(os.getpid()) == lock.identity(os.getpid())


def test_conda_is_looked_for_and_spoken_to_in_the_same_way_under_the_floor() -> None:
    assert set(conda.USUAL_NAMES) == set(where.USUAL_FOLDERS)
    assert set(where.SYSTEM_FOLDERS) <= set(conda.SYSTEM_FOLDERS)
    assert tuple(old_conda.CHANNEL_ARGUMENTS) == conda.CHANNEL_ARGUMENTS


def test_what_is_solved_for_under_the_floor_is_what_the_lock_answers_down_to_the_floor() -> None:
    wanted = yaml.safe_load((LOCKS / "environment.yml").read_text())["dependencies"]
    highest = wanted[0].rpartition("<")[2]
    assert [f"python>={FLOOR_TEXT},<{highest}", *wanted[1:]] == old_conda.WANTED


@pytest.mark.parametrize("platform", ["linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"])
def test_the_lock_is_read_under_the_floor_as_a_parser_of_yaml_reads_it(platform: str) -> None:
    document = yaml.safe_load((LOCKS / "conda-lock.yml").read_text(encoding="utf-8"))
    known = {
        each["url"]: (each["hash"]["md5"], each["hash"]["sha256"])
        for each in document["package"]
        if each["platform"] == platform
    }
    assert {each.url: (each.md5, each.sha256) for each in locked_packages(platform)} == known
    assert locked_packages("linux-s390x") == []


def test_what_an_old_python_packs_is_what_an_install_copies() -> None:
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert ast.literal_eval(text.partition("SOURCES = ")[2].partition("\n")[0]) == CHECKOUT_PARTS


def test_a_checkout_is_what_an_imjoy_that_runs_from_one_installs() -> None:
    found = running.find_running()
    assert (found.what, found.editable) == (str(ROOT), True)


def test_no_document_tells_to_install_the_other_program_of_this_name() -> None:
    other = re.compile(r"pip3? install (-U |--upgrade )?imjoy\b")
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        assert not other.search(page.read_text(encoding="utf-8")), page


def installed(folder: Path, **noted: object) -> str:
    """Write what an old Python has of imjoy; return the package's folder."""
    (folder / "imjoy" / "legacy").mkdir(parents=True)
    (folder / "imjoy" / "legacy" / "imjoy-1.0.zip").write_bytes(b"sources")
    if noted:
        (folder / "imjoy-1.0.dist-info").mkdir()
        (folder / "imjoy-1.0.dist-info" / "direct_url.json").write_text(json.dumps(noted))
    return str(folder / "imjoy")


def test_an_imjoy_from_git_installs_its_commit_and_an_upgrade_follows_its_branch(tmp_path: Path) -> None:
    vcs = {"vcs": "git", "commit_id": "ab" * 20, "requested_revision": "main"}
    found = running.find_running(installed(tmp_path, url="https://host/imjoy", vcs_info=vcs))
    assert found.what == f"git+https://host/imjoy@{'ab' * 20}"
    assert (found.id, found.place) == (f"commit:{'ab' * 20}", "git+https://host/imjoy@main")


def test_without_git_the_sources_that_it_carries_stand_for_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    package = installed(tmp_path, url="https://host/imjoy", vcs_info={"commit_id": "ab" * 20})
    found = running.find_running(package)
    assert found.what == str(Path(package) / "legacy" / "imjoy-1.0.zip")
    assert found.id == f"commit:{'ab' * 20}"


def test_an_imjoy_from_a_folder_installs_the_sources_of_then_and_an_upgrade_follows_the_folder(
    tmp_path: Path,
) -> None:
    found = running.find_running(installed(tmp_path, url="file:///home/ada/my%20imjoy", dir_info={}))
    assert found.what.endswith("imjoy-1.0.zip")
    assert found.place == "/home/ada/my imjoy"
    assert found.id == f"sources:{hashlib.sha256(b'sources').hexdigest()}"


def test_an_imjoy_of_which_pip_noted_nothing_follows_the_project(tmp_path: Path) -> None:
    assert running.find_running(installed(tmp_path)).place == f"git+{PROJECT_URL}"
