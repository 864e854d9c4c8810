"""The table of installers, and its copies in the scripts."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from imjoy.provision.facts.installers import (
    NAMES,
    Name,
    distribution,
    python_build,
    python_platforms,
    version_numbers,
)

ROOT = Path(__file__).resolve().parents[5]


@pytest.mark.parametrize("name", NAMES)
def test_every_installer_has_a_whole_hash_and_a_version_in_its_name(name: Name) -> None:
    table = distribution(name)
    for platform, each in table.installers.items():
        assert re.fullmatch(r"[0-9a-f]{64}", each.sha256)
        assert table.version in each.file
        assert each.url.startswith("https://") and each.url.endswith("/" + each.file)
        assert each.file.endswith(".exe" if platform.startswith("win") else ".sh")


def test_every_build_of_python_has_a_whole_hash_and_its_version_and_release_in_its_name() -> None:
    expected = {"win-64", "win-arm64", "osx-64", "osx-arm64", "linux-64", "linux-aarch64"}
    assert set(python_platforms()) == expected | {"linux-64-musl", "linux-aarch64-musl"}
    for platform in python_platforms():
        build = python_build(platform)
        assert build is not None
        assert re.fullmatch(r"[0-9a-f]{64}", build.sha256)
        release = build.url.split("/")[-2]
        assert build.file.startswith(f"cpython-{build.version}+{release}-")
        assert build.file.endswith("-install_only_stripped.tar.gz")
        # A plus in a url's path is a blank to some servers.
        assert build.url.endswith("/" + build.file.replace("+", "%2B"))
        assert ("musl" in build.file) == platform.endswith("-musl")
    assert python_build("linux-s390x") is None


def test_the_table_is_read_from_inside_a_wheel(tmp_path: Path) -> None:
    wheel = tmp_path / "imjoy.whl"
    module = "provision/facts/installers"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (
            "__init__.py",
            "provision/__init__.py",
            "provision/facts/__init__.py",
            f"{module}.py",
            f"{module}.json",
        ):
            archive.write(ROOT / "bootstrap" / "imjoy" / name, f"imjoy/{name}")
    asked = (
        "import sys; sys.path.insert(0, sys.argv[1]); from imjoy.provision.facts.installers import python_build; "
        "print(python_build('osx-64').sha256)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", asked, str(wheel)], capture_output=True, text=True, check=True
    )
    build = python_build("osx-64")
    assert build is not None
    assert done.stdout.strip() == build.sha256


def test_no_two_files_have_the_same_hash() -> None:
    hashes = [each.sha256 for name in NAMES for each in distribution(name).installers.values()]
    hashes += [build.sha256 for platform in python_platforms() if (build := python_build(platform))]
    assert len(set(hashes)) == len(hashes)


def test_versions_are_compared_as_numbers() -> None:
    assert version_numbers("2.9") < version_numbers("2.28")
    assert version_numbers("2.31-0ubuntu9") == (2, 31)


def test_the_scripts_have_the_same_table() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "installer-tables"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
