"""What machines of other kinds than this one take."""

from __future__ import annotations

import pytest
from packaging.tags import Tag

from imjoy_engine.environments.specs.spec import this_platform
from imjoy_engine.environments.specs.targets import UV_PLATFORMS, virtual_packages, wheel_tags

KINDS = [each for each in UV_PLATFORMS if each != this_platform()]


@pytest.mark.parametrize(
    ("platform", "wheel"),
    [
        ("linux-64", ("cp312", "cp312", "manylinux_2_28_x86_64")),
        ("linux-aarch64", ("cp312", "cp312", "manylinux2014_aarch64")),
        ("osx-64", ("cp312", "cp312", "macosx_10_13_x86_64")),
        ("osx-arm64", ("cp312", "cp312", "macosx_11_0_arm64")),
        ("osx-arm64", ("cp312", "cp312", "macosx_11_0_universal2")),
        ("win-64", ("cp312", "cp312", "win_amd64")),
        ("win-64", ("py3", "none", "any")),
        ("win-64", ("cp38", "abi3", "win_amd64")),
    ],
)
def test_each_kind_of_machine_takes_its_wheels(platform: str, wheel: tuple[str, str, str]) -> None:
    assert Tag(*wheel) in wheel_tags("3.12", platform)


@pytest.mark.parametrize("platform", KINDS)
def test_no_machine_takes_those_of_another(platform: str) -> None:
    names = {"linux-64": "x86_64", "linux-aarch64": "aarch64", "osx-64": "macosx", "osx-arm64": "macosx"}
    wanted = (names.get(platform, "win_amd64"), "any", "linux", "manylinux")
    tags = wheel_tags("3.12", platform)
    assert all(tag.platform.endswith(wanted) or tag.platform.startswith(wanted) for tag in tags)
    here = {tag for tag in wheel_tags("3.12", this_platform()) if tag.platform != "any"}
    assert not here & set(tags)


def test_an_old_python_takes_the_wheels_of_its_own_kind() -> None:
    assert Tag("cp37", "cp37m", "win_amd64") in wheel_tags("3.7", "win-64")
    assert Tag("cp38", "cp38", "win_amd64") in wheel_tags("3.8", "win-64")


@pytest.mark.parametrize("platform", UV_PLATFORMS)
def test_conda_is_told_what_such_machines_have(platform: str) -> None:
    system = {"linux": "__glibc", "osx": "__osx", "win": "__win"}[platform.partition("-")[0]]
    assert system in virtual_packages(platform)
