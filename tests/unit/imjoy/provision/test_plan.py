"""What a plan makes of disks and links."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.kit.files import make_folder_link

from imjoy.context import Context
from imjoy.effects.tools.conda import Conda
from imjoy.provision.facts.install_script import InstallScript, read_install_script
from imjoy.provision.facts.machine import look_at_prefix
from imjoy.provision.facts.pythons import Python
from imjoy.provision.plan import Found, Plan, Wanted, look, make_plan


def plan_with_conda(
    wanted: Wanted,
    home: Path,
    *,
    takes_links: bool = True,
    conda_platform: str = "",
    platform: str = "linux-64",
) -> Plan:
    """Return the plan where a conda is here, and nothing else can be had."""
    found: Found = look(
        wanted,
        Context(home, {}),
        InstallScript(),
        works=lambda _: False,
        python_works=lambda _: False,
        use_conda=False,
    )
    found = replace(
        found,
        conda=Conda(home / "miniconda3" / "bin" / "conda", "26.7.1", conda_platform),
        machine=replace(found.machine, platform=platform),
        environment=look_at_prefix(home / "miniconda3" / "envs" / "imjoy"),
        prefix=replace(found.prefix, takes_links=takes_links),
        reach=lambda url: "nobody is reached",
    )
    return make_plan(wanted, found, better_prefix=home / "ImJoyApp")


def test_a_disk_without_links_has_an_install_of_its_own_and_says_why(home: Path) -> None:
    wanted = Wanted(home / "ImJoyApp", "auto")
    assert plan_with_conda(wanted, home, takes_links=True).distribution == "existing"
    plan = plan_with_conda(wanted, home, takes_links=False)
    assert plan.distribution == "venv"
    assert any(each.startswith(f"the disk of {home} takes no link") for each in plan.notices)


def test_a_conda_that_was_asked_for_is_refused_on_a_disk_without_links(home: Path) -> None:
    plan = plan_with_conda(Wanted(home / "ImJoyApp", "existing"), home, takes_links=False)
    assert plan.action == "refuse"
    assert "prefix.link" in [each.id for each in plan.problems]


def test_a_link_that_leads_nowhere_is_named_with_what_it_names(home: Path) -> None:
    prefix = home / "ImJoyApp"
    make_folder_link(prefix, home / "gone")
    plan = plan_with_conda(Wanted(prefix, "venv"), home, takes_links=True)
    [told] = [each.what for each in plan.problems if each.id == "prefix.not_a_folder"]
    assert told == f"{prefix} is a link to {prefix.readlink()}, which is not there"


@pytest.mark.parametrize(
    ("conda", "machine", "told"),
    [("osx-64", "osx-arm64", True), ("osx-arm64", "osx-arm64", False), ("", "osx-arm64", False)],
)
def test_a_conda_for_another_processor_is_told(home: Path, conda: str, machine: str, told: bool) -> None:
    plan = plan_with_conda(
        Wanted(home / "ImJoyApp", "existing"), home, conda_platform=conda, platform=machine
    )
    said = f"is for {conda} and this machine is {machine}: what it makes is translated, and slower"
    assert any(said in each for each in plan.notices) == told


def test_a_python_that_cannot_make_environments_is_told_with_what_it_lacks(home: Path) -> None:
    wanted = Wanted(home / "ImJoyApp", "venv")
    found = look(
        wanted,
        Context(home, {}),
        InstallScript(),
        works=lambda _: False,
        python_works=lambda _: False,
        use_conda=False,
    )
    lacking = Python("/usr/bin/python3", (3, 11, 2), "venv", "/usr/bin/python3")
    found = replace(
        found,
        python=lambda: (None, lacking),
        machine=replace(found.machine, platform="linux-64", libc="glibc", libc_version=(2, 36)),
    )
    alone = make_plan(wanted, replace(found, reach=lambda url: "nobody"), better_prefix=wanted.prefix)
    [problem] = [each for each in alone.problems if each.id == "host.venv"]
    assert problem.what == "/usr/bin/python3 is Python 3.11.2, which lacks venv"
    assert "python3.11-venv" in problem.fix
    helped = make_plan(wanted, replace(found, reach=lambda url: ""), better_prefix=wanted.prefix)
    assert helped.python_build is not None
    assert problem.what in helped.notices


def test_what_the_script_came_upon_is_in_the_plan(home: Path) -> None:
    notices = "/a/python3 did not start within 5 s\n/b/python3 does not start"
    # An older script, of which somebody has kept a copy, named a file by the second.
    told = {"IMJOY_DOOR_NOTICE_LINES": notices, "IMJOY_DOOR_NOTICES": "/tmp/notices"}
    script = read_install_script({"IMJOY_DOOR": "install.sh", **told})
    wanted = Wanted(home / "ImJoyApp", "venv")
    found = look(
        wanted,
        Context(home, {}),
        script,
        works=lambda _: False,
        python_works=lambda _: False,
        use_conda=False,
    )
    plan = make_plan(wanted, found, better_prefix=wanted.prefix)
    assert plan.notices[:2] == ("/a/python3 did not start within 5 s", "/b/python3 does not start")
    assert plan.as_json()["notices"] == list(plan.notices)
