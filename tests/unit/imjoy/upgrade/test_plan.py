"""Whose matter an upgrade is, what is newer, and what there is to upgrade to."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.upgrade.facts.origin import Manager, Origin
from imjoy.upgrade.facts.target import ARCHIVE, Target, is_pinned, short
from imjoy.upgrade.plan import command_for, is_newer, older_requirement, refuse_foreign, refuse_pinned

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")

ONE, OTHER = "a" * 40, "b" * 40


def origin(
    manager: Manager = "pip", source: str = "git+https://example.org/imjoy", id: str = f"commit:{ONE}"
) -> Origin:
    here = Path("/env")
    return Origin("1.0", here, here / "bin/python", here / "site", here / "bin", manager, source, id)


def target(id: str, *, moves: bool = True) -> Target:
    return Target("git", "https://example.org/imjoy", "HEAD", id, moves)


@pytest.mark.parametrize(
    ("manager", "requirement", "command"),
    [
        ("pip", "", "imjoy upgrade"),
        ("pipx", "", "pipx install --force git+https://example.org/imjoy"),
        ("pipx", "git+https://example.org/imjoy@x", "pipx install --force git+https://example.org/imjoy@x"),
        ("uv", "", "uv tool upgrade imjoy"),
        ("uv", "imjoy==2.0", "uv tool install --force imjoy==2.0"),
        (
            "user",
            "",
            f"{Path('/env/bin/python')} -m pip install --user --force-reinstall git+https://example.org/imjoy",
        ),
        (
            "system",
            "",
            "curl -fsSL https://github.com/oeway/ImJoy-Engine/raw/HEAD/install.sh | bash -s -- --start",
        ),
    ],
)
def test_each_way_of_installing_has_a_command_of_its_own(
    manager: Manager, requirement: str, command: str
) -> None:
    assert command_for(origin(manager), requirement, platform="linux") == command


def test_a_checkout_with_a_space_in_its_name_can_be_pulled() -> None:
    mine = origin("editable", "/my code")
    assert command_for(mine, platform="linux") == "git -C '/my code' pull"
    assert command_for(mine, "v2", platform="linux") == "git -C '/my code' checkout v2"


@pytest.mark.parametrize(
    ("manager", "source", "command"),
    [
        (
            "pipx",
            "git+https://example.org/imjoy@main",
            "pipx install --force git+https://example.org/imjoy@COMMIT",
        ),
        ("uv", "", "uv tool install --force imjoy==VERSION"),
        ("checkout", "/code", "git -C /code checkout COMMIT"),
    ],
)
def test_another_tool_is_asked_for_an_older_one_by_its_name(
    manager: Manager, source: str, command: str
) -> None:
    installed = origin(manager, source)
    assert command_for(installed, older_requirement(installed), platform="linux") == command


@pytest.mark.parametrize("manager", ["pipx", "uv", "editable", "checkout", "system", "user"])
def test_another_tool_s_installation_is_refused_with_exit_3(manager: Manager) -> None:
    with pytest.raises(ImJoyError) as caught:
        refuse_foreign(origin(manager), "", platform="linux")
    assert (caught.value.id, caught.value.exit_code) == ("upgrade.managed", ExitCode.PREFLIGHT_REFUSED)


def test_pip_s_installation_is_ours() -> None:
    refuse_foreign(origin(), "", platform="linux")


@pytest.mark.parametrize(
    ("installed", "there", "newer"),
    [
        (f"commit:{ONE}", f"commit:{ONE}", False),
        (f"commit:{ONE}", f"commit:{OTHER}", True),
        (f"commit:{ONE}", "", None),
        ("", f"commit:{OTHER}", None),
        ("tree:12 34", f"tree:{'c' * 64}", None),
        ("version:1.0", "version:1.0.1", True),
    ],
)
def test_commits_are_compared_and_what_cannot_be_compared_is_not(
    installed: str, there: str, newer: bool | None
) -> None:
    assert is_newer(origin(id=installed), target(there)) is newer


def test_a_commit_or_a_tag_is_a_pin_and_a_branch_is_not() -> None:
    assert is_pinned(f"git+https://example.org/imjoy@{ONE}")
    assert not is_pinned("git+https://example.org/imjoy@a-branch")
    assert not is_pinned("git+ssh://git@example.org/imjoy")
    with pytest.raises(ImJoyError, match="one commit or tag"):
        refuse_pinned(origin(), target(f"commit:{ONE}", moves=False))
    refuse_pinned(origin(), target(f"commit:{ONE}"))


def test_an_archive_of_a_forge_is_its_repository() -> None:
    found = ARCHIVE.fullmatch("https://github.com/oeway/ImJoy-Engine/archive/HEAD.zip")
    assert found and (found["url"], found["ref"]) == ("https://github.com/oeway/ImJoy-Engine", "HEAD")


def test_an_id_is_shown_short() -> None:
    assert [short(f"commit:{ONE}"), short("version:1.2"), short("tree:abc")] == ["a" * 7, "1.2", ""]
