"""What an install script has fetched is what is installed, and is known by where it came from."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from imjoy.context import Context
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.facts.source import find_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def fetched(tmp_path: Path) -> Path:
    """Return a folder that looks like a checkout of imjoy."""
    folder = tmp_path / "fetched"
    (folder / "bootstrap" / "imjoy").mkdir(parents=True)
    (folder / "bootstrap" / "imjoy" / "__init__.py").touch()
    (folder / "engine").mkdir()
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        (folder / name).touch()
    return folder


def test_a_folder_that_a_script_unpacked_is_a_checkout_and_no_repository(
    fetched: Path, tmp_path: Path
) -> None:
    context = Context(tmp_path, {})
    found = find_source("/home/ada/imjoy", context, None, InstallScript(source=fetched))
    assert (found.kind, found.place, found.local) == ("checkout", "/home/ada/imjoy", str(fetched))
    (fetched / "README.md").write_text("changed")
    assert find_source("/home/ada/imjoy", context, None, InstallScript(source=fetched)).id != found.id


@pytest.mark.parametrize("ref", ["", "@wip/main"])
def test_the_commit_of_an_archive_is_the_one_that_git_wrote_into_it(
    fetched: Path, tmp_path: Path, ref: str
) -> None:
    archive = tmp_path / "source.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.comment = COMMIT.encode()
    script = InstallScript(source=fetched, archive=archive)
    found = find_source(f"git+https://example.org/a/b{ref}", Context(tmp_path, {}), None, script)
    assert (found.kind, found.place, found.id) == ("git", "git+https://example.org/a/b", f"commit:{COMMIT}")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git_s_own_tar_tells_its_commit_too(fetched: Path, tmp_path: Path) -> None:
    git = ["git", "-C", str(fetched), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "x"]):
        subprocess.run([*git, *words], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    archive = tmp_path / "source.tar.gz"
    subprocess.run([*git, "archive", "--format=tar.gz", f"--output={archive}", "HEAD"], check=True)
    (fetched / ".git").rename(tmp_path / "git")
    script = InstallScript(source=fetched, archive=archive)
    found = find_source("git+https://example.org/a/b", Context(tmp_path, {}), None, script)
    assert found.id == f"commit:{commit.strip()}"
