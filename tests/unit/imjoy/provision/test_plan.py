"""What a plan makes of disks and links."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from imjoy.context import Context
from imjoy.effects.conda import Conda
from imjoy.provision.door import Door
from imjoy.provision.machine import look_at_prefix
from imjoy.provision.plan import Found, Plan, Wanted, look, make_plan


def plan_with_conda(wanted: Wanted, home: Path, *, takes_links: bool) -> Plan:
    """Return the plan where a conda is here, and nothing else can be had."""
    found: Found = look(
        wanted,
        Context(home, {}),
        Door(),
        works=lambda _: False,
        python_works=lambda _: False,
        use_conda=False,
    )
    found = replace(
        found,
        conda=Conda(home / "miniconda3" / "bin" / "conda", "26.7.1"),
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
    try:
        prefix.symlink_to(home / "gone", target_is_directory=True)
    except OSError:
        pytest.skip("links cannot be made here")
    plan = plan_with_conda(Wanted(prefix, "venv"), home, takes_links=True)
    [told] = [each.what for each in plan.problems if each.id == "prefix.not_a_folder"]
    assert told == f"{prefix} is a link to {prefix.readlink()}, which is not there"
