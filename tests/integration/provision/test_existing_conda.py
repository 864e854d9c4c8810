"""A conda that is here makes the environment `imjoy`, the prefix is a link to it, and that conda stays as it is."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.provision.entry_points import (
    ENTRY_POINTS,
    PLANNER,
    command,
    contents,
    every_step,
    install,
    run,
)
from tests.kit.channel_server import ChannelServer

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the doubles are for Linux")


@pytest.fixture
def conda(miniconda: Callable[..., Path], channel: ChannelServer) -> Path:
    """Return the folder of a Miniconda that was there before."""
    return miniconda().parents[1]


def uninstall(entry_point: str, prefix: Path) -> None:
    """Take an install away through the entry point that made it."""
    words = (
        [*command(entry_point), "--uninstall"]
        if entry_point == "install.sh"
        else [prefix / "bin" / "imjoy", "uninstall"]
    )
    done = run([*words, "--yes"])
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("entry_point", PLANNER)
def test_imjoy_lives_in_the_environment_imjoy_and_goes_without_a_trace(
    entry_point: str, home: Path, conda: Path, wheel: Path
) -> None:
    before = contents(conda)
    prefix, environment = home / "ImJoyApp", conda / "envs" / "imjoy"
    assert install(entry_point, "--from", wheel)["distribution"] == "existing"
    assert prefix.readlink() == environment
    names = {each.name for each in (prefix / "bin").iterdir()}
    assert {"python", "pip", "imjoy", "conda"} <= names
    assert run([prefix / "bin" / "conda", "-V"]).stdout == "conda 26.7.1\n"
    within = run([conda / "bin" / "conda", "run", "-n", "imjoy", "imjoy", "--version"])
    assert within.stdout.startswith("imjoy ")
    assert install(entry_point, "--from", wheel)["action"] == "none"
    doctor = run([prefix / "bin" / "imjoy", "doctor", "--offline", "--json"]).stdout
    assert [each["what"] for each in json.loads(doctor)["checks"] if each["status"] == "fail"] == []
    # What an older Python finds there, by conda's own list.
    assert (environment / ".imjoy" / "receipt.json").is_file()
    prefix.unlink()
    plan = install(entry_point, "--from", wheel, "--dry-run")
    assert (plan["action"], plan["distribution"]["environment"]) == ("upgrade", str(environment))
    prefix.symlink_to(environment)
    uninstall(entry_point, prefix)
    assert not prefix.is_symlink()
    assert contents(conda) == before
    assert not (home / ".conda").exists()


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_environment_imjoy_of_somebody_else_is_left_alone(
    entry_point: str, home: Path, conda: Path, wheel: Path
) -> None:
    mine = conda / "envs" / "imjoy" / "conda-meta" / "history"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    plan = install(entry_point, "--from", wheel, "--distribution", "existing", code=3)
    assert [each["id"] for each in plan["problems"]] == ["conda.foreign"]
    plan = install(entry_point, "--from", wheel, "--dry-run")
    assert plan["distribution"]["name"] == "venv"
    assert any("no install of imjoy made" in each for each in plan["notices"])
    assert [each.name for each in home.iterdir()] == ["miniconda3"]


# Each of its two halves is tried elsewhere: the failure with this conda, and what a failed effect leaves.
@every_step
@pytest.mark.parametrize("entry_point", PLANNER)
def test_a_conda_that_fails_leaves_nothing_behind(
    entry_point: str, home: Path, conda: Path, channel: ChannelServer, wheel: Path
) -> None:
    before = contents(conda)
    nowhere = channel.url.rpartition(":")[0] + ":9"
    install(
        entry_point,
        "--from",
        wheel,
        code=4,
        CONDA_CHANNEL_ALIAS=nowhere,
        CONDA_PKGS_DIRS=str(home.parent / "empty"),
    )
    assert not (home / "ImJoyApp").is_symlink()
    assert contents(conda) == before


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_an_environment_that_was_removed_is_made_again(
    entry_point: str, home: Path, conda: Path, wheel: Path
) -> None:
    (home / "ImJoyApp").symlink_to(conda / "envs" / "imjoy")
    plan = install(entry_point, "--from", wheel, "--dry-run")
    assert (plan["action"], plan["distribution"]["name"]) == ("install", "existing")
    uninstall(entry_point, Path(sys.prefix))
    assert not (home / "ImJoyApp").is_symlink()


def test_both_entry_points_plan_the_same(home: Path, conda: Path, wheel: Path) -> None:
    plans = [install(entry_point, "--from", wheel, "--dry-run") for entry_point in ENTRY_POINTS]
    for plan in plans:
        plan.pop("python", None)
    assert plans[0] == plans[1]
    shutil.rmtree(conda)
