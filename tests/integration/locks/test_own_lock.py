"""`imjoy lock` in a checkout re-solves the lock that imjoy ships."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml
from tests.kit.channel_server import ChannelServer
from tests.kit.old_hosts import make_repository

from imjoy_engine.environments.specs.spec import this_platform

from .conftest import OTHER_PLATFORM, Imjoy


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose lock is for two platforms."""
    folder = make_repository(tmp_path / "checkout")
    source = folder / "bootstrap" / "imjoy" / "locks" / "environment.yml"
    document = yaml.safe_load(source.read_text())
    document["platforms"] = [this_platform(), OTHER_PLATFORM]
    source.write_text(yaml.safe_dump(document))
    return folder


def test_it_is_solved_anew_rendered_and_the_changes_are_told(
    checkout: Path, two_platforms: ChannelServer, imjoy: Imjoy
) -> None:
    locks = checkout / "bootstrap" / "imjoy" / "locks"
    here = {"PYTHONPATH": os.pathsep.join([str(checkout / "bootstrap"), str(checkout / "engine")])}
    before = {file.name: file.read_text() for file in locks.iterdir()}
    dry = imjoy("lock", "--dry-run", "--json", **here)
    assert dry.returncode == 0, dry.stderr
    assert {file.name: file.read_text() for file in locks.iterdir()} == before

    done = imjoy("lock", **here)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == json.loads(dry.stdout)["changes"]
    assert f"{this_platform()}: python 3.1" in done.stdout
    assert {file.name for file in locks.glob("*.lock")} == {
        f"conda-{this_platform()}.lock",
        f"conda-{OTHER_PLATFORM}.lock",
    }
    packages = yaml.safe_load((locks / "conda-lock.yml").read_text())["package"]
    assert {each["name"] for each in packages} == {"python", "pip"}
    assert all(each["url"].startswith(two_platforms.url) for each in packages)

    again = imjoy("lock", "--json", **here)
    assert json.loads(again.stdout)["changes"] == []


def test_outside_a_checkout_it_asks_for_a_plugin(tmp_path: Path, imjoy: Imjoy) -> None:
    installed = tmp_path / "site-packages"
    root = Path(__file__).resolve().parents[3]
    shutil.copytree(root / "bootstrap" / "imjoy", installed / "imjoy")
    done = imjoy("lock", PYTHONPATH=str(installed))
    assert done.returncode == 2
    assert "lock.no-checkout" in done.stderr
