"""The kit's conda is a double, and does what the tests of provisioning, upgrades and old hosts rely on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.channel_server import ChannelServer

FORGE = ("--override-channels", "-c", "conda-forge")


def told(*words: object, code: int = 0) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def conda(miniconda: Callable[..., Path], channel: ChannelServer) -> Path:
    """Return the conda of a Miniconda in the home folder."""
    return miniconda()


def test_it_says_what_it_is_and_where_it_lies(conda: Path) -> None:
    assert told(conda, "-V") == "conda 26.7.1\n"
    info = json.loads(told(conda, "info", "--json"))
    assert info["a_double"] is True
    assert info["root_prefix"] == str(conda.parents[1])
    assert info["envs_dirs"] == [str(conda.parents[1] / "envs")]


def test_a_named_environment_is_made_listed_used_and_removed(conda: Path, home: Path) -> None:
    told(conda, "create", "-y", "-n", "imjoy", *FORGE, "python=3.11", "pip", "middle")
    folder = conda.parents[1] / "envs" / "imjoy"
    assert json.loads(told(conda, "env", "list", "--json"))["envs"] == [str(conda.parents[1]), str(folder)]
    assert str(folder) in (home / ".conda" / "environments.txt").read_text()
    listed = {
        each["name"]: each["version"] for each in json.loads(told(conda, "list", "-n", "imjoy", "--json"))
    }
    assert listed["small"] == "1.0"
    code = "import middle, sys; print(sys.prefix); sys.exit(7)"
    assert told(conda, "run", "-n", "imjoy", "python", "-c", code, code=7).strip() == str(folder)
    assert str(folder) in told(folder / "bin" / "pip", "--version")
    told(conda, "env", "remove", "-y", "-n", "imjoy")
    assert not folder.exists()
    assert str(folder) not in (home / ".conda" / "environments.txt").read_text()


def test_an_explicit_list_makes_what_it_lists_and_nothing_that_is_damaged(
    conda: Path, explicit_list: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "explicit.txt"
    file.write_text(explicit_list("python=3.11", "pip"))
    told(conda, "create", "-y", "-p", tmp_path / "one", *FORGE, "--file", file)
    assert str(tmp_path / "one") in told(tmp_path / "one" / "bin" / "python", "-m", "pip", "--version")
    again = told(conda, "list", "-p", tmp_path / "one", "--explicit", "--md5")
    assert sorted(again.split("@EXPLICIT")[1].split()) == sorted(file.read_text().split()[1:])
    url = explicit_list("small=2.0").split()[-1].partition("#")[0]
    file.write_text(f"@EXPLICIT\n{url}#{'0' * 32}\n")
    # What another test fetched is not fetched again, and so not looked at again.
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(tmp_path / "packages"))
    told(conda, "create", "-y", "-p", tmp_path / "two", *FORGE, "--file", file, code=1)


def test_the_base_is_brought_up_to_date_from_conda_forge(conda: Path) -> None:
    told(conda, "install", "-y", "-n", "base", *FORGE, "conda=26.9.0")
    assert told(conda, "-V") == "conda 26.9.0\n"


def test_nothing_is_asked_of_the_place_that_the_base_came_from(conda: Path, tmp_path: Path) -> None:
    for file in (conda.parents[1] / "conda-meta").glob("*.json"):
        document = json.loads(file.read_text())
        place = (tmp_path / "gone" / document["subdir"]).as_uri()
        file.unlink()  # shared with every other copy
        file.write_text(json.dumps({**document, "url": f"{place}/{document['fn']}"}))
    update = ("update", "-y", "-n", "base", *FORGE, "conda", "pip")
    actions = json.loads(told(conda, *update, "--dry-run", "--json"))["actions"]
    assert [(each["name"], each["version"]) for each in actions["LINK"]] == [("conda", "26.9.0")]
    told(conda, *update, "--download-only")
    told(conda, *update, "--offline")
    assert told(conda, "-V") == "conda 26.9.0\n"


def test_default_channels_are_refused_as_nobody_accepted_their_terms(conda: Path) -> None:
    assert "Terms of Service" in told(conda, "create", "-y", "-n", "x", "python", code=1)
    assert "At least one -c" in told(
        conda, "create", "-y", "-n", "x", "--override-channels", "python", code=1
    )


def test_what_does_not_exist_is_exit_1(conda: Path) -> None:
    assert "PackagesNotFound" in told(conda, "create", "-y", "-n", "x", *FORGE, "no-such-package", code=1)
    assert "EnvironmentLocationNotFound" in told(conda, "run", "-n", "none", "python", code=1)
