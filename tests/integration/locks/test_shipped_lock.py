"""The lock of the environment `imjoy`: what conda-lock makes of it, and that nothing is missing in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rattler
import yaml

LOCKS = Path(__file__).resolve().parents[3] / "bootstrap" / "imjoy" / "locks"
PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")

# What `conda-lock --check-input-hash` asks before it solves; there is no command that only asks.
ACCEPTED_HASHES = """
import json, pathlib, sys
from conda_lock.content_hash import backwards_compatible_content_hashes
from conda_lock.src_parser import make_lock_spec
from conda_lock.virtual_package import default_virtual_package_repodata

spec = make_lock_spec(src_files=[pathlib.Path(sys.argv[1])], mapping_url="")
virtual = default_virtual_package_repodata()
with virtual:
    accepted = {each: sorted(backwards_compatible_content_hashes(spec, virtual, each)) for each in spec.platforms}
json.dump(accepted, sys.stdout)
"""


@pytest.fixture(scope="module")
def lock() -> dict[str, Any]:
    """The lock as conda-lock wrote it."""
    document: dict[str, Any] = yaml.safe_load((LOCKS / "conda-lock.yml").read_text(encoding="utf-8"))
    return document


def packages_for(lock: dict[str, Any], platform: str) -> dict[str, dict[str, Any]]:
    """Return the packages of one platform by name."""
    return {each["name"]: each for each in lock["package"] if each["platform"] == platform}


def test_conda_lock_renders_the_explicit_files_that_ship(tmp_path: Path) -> None:
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run(
        [sys.executable, "-m", "conda_lock", "render", *platforms, str(LOCKS / "conda-lock.yml")],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    rendered = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert rendered == {path.name: path.read_text() for path in LOCKS.glob("*.lock")}
    assert rendered.keys() == {f"conda-{platform}.lock" for platform in PLATFORMS}


def test_the_lock_answers_the_environment_file_of_today(lock: dict[str, Any]) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", ACCEPTED_HASHES, str(LOCKS / "environment.yml")],
        check=True,
        capture_output=True,
        text=True,
    )
    accepted = yaml.safe_load(asked.stdout)
    assert tuple(accepted) == PLATFORMS
    for platform, known in lock["metadata"]["content_hash"].items():
        assert known in accepted[platform], platform


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_closure_of_a_platform_is_complete_and_fits_together(lock: dict[str, Any], platform: str) -> None:
    packages = packages_for(lock, platform)
    assert {"python", "pip"} <= packages.keys()
    wanted = [
        (name, constraint, needed)
        for needed, package in packages.items()
        for name, constraint in package["dependencies"].items()
        if not name.startswith("__")  # the machine itself
    ]
    for name, constraint, needed in wanted:
        assert name in packages, f"{needed} needs {name}"
        version = rattler.Version(packages[name]["version"])
        # The lock has a build string behind some versions.
        fits = rattler.VersionSpec(constraint.split(" ")[0] or "*")
        assert fits.matches(version), f"{needed} needs {name} {constraint}, the lock has {version}"


def test_every_package_has_both_checksums_and_comes_from_conda_forge(lock: dict[str, Any]) -> None:
    for package in lock["package"]:
        assert len(package["hash"]["sha256"]) == 64, package["url"]
        assert len(package["hash"]["md5"]) == 32, package["url"]
        assert package["url"].startswith("https://conda.anaconda.org/conda-forge/"), package["url"]


def test_its_python_is_one_that_imjoy_runs_on(lock: dict[str, Any]) -> None:
    from imjoy import FLOOR

    for platform in PLATFORMS:
        version = packages_for(lock, platform)["python"]["version"]
        assert tuple(map(int, version.split(".")[:2])) >= FLOOR
