"""What can go wrong on an old Python, and what a person then reads."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.kit.channel_server import ChannelServer
from tests.kit.mirror import Mirror
from tests.kit.old_hosts import few

from .conftest import NO_INDEX, OldHost

ROOT = Path(__file__).resolve().parents[3]
WAIT_SECONDS = 180
pytestmark = pytest.mark.timeout(600)


def content(folder: Path) -> dict[str, bytes]:
    """Return what is in a folder."""
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def only_old(
    old_host: OldHost, no_other_python: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> OldHost:
    """A host on which Python 2.7 is all there is."""
    folder = tmp_path / "commands"
    folder.mkdir()
    scripts_need = (
        "bash",
        "mktemp",
        "mkdir",
        "rm",
        "wc",
        "tar",
        "gzip",
        "sleep",
        "chmod",
        "sha256sum",
        "getconf",
    )
    for name in ("sh", "git", "curl", "uname", "df", *scripts_need):
        for place in ("/bin", "/usr/bin"):
            if Path(place, name).exists() and not (folder / name).exists():
                (folder / name).symlink_to(Path(place, name))
    monkeypatch.setenv("PATH", str(folder))
    return old_host


def test_without_a_python_and_a_network_it_says_so_and_changes_nothing(only_old: OldHost) -> None:
    before = content(only_old.home)
    done = only_old.run("start", "--port", "0", IMJOY_MIRROR="http://127.0.0.1:9")
    assert done.returncode == 4, done.stderr
    assert "there is no Python 3.9 or newer here" in done.stderr
    assert content(only_old.home) == before


def test_without_a_bash_it_says_so_and_changes_nothing(only_old: OldHost) -> None:
    Path(os.environ["PATH"], "bash").unlink()
    before = content(only_old.home)
    done = only_old.run("start", "--json")
    assert done.returncode == 3, done.stderr
    error = json.loads(done.stdout)["error"]
    assert (error["id"], error["fix"]) == (
        "host.command",
        "have bash on PATH",
    )
    assert content(only_old.home) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_a_python_comes_it_leaves_nothing(
    only_old: OldHost, tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (mirror.folder / "python.tar.gz").write_bytes(b"never whole")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    url = f"{mirror.url}/stall/python.tar.gz"
    with only_old.start("install", IMJOY_PYTHON_URL=url, IMJOY_PYTHON_SHA256="0") as script:
        assert script.stderr is not None
        assert "fetching one" in script.stderr.readline()
        # A terminal tells all of the group of Ctrl-C, whoever sends TERM tells one process.
        os.killpg(script.pid, number) if number == signal.SIGINT else script.send_signal(number)
        said = script.stderr.read()
        assert script.wait(60) == 130, said
    assert "nothing was left behind" in said
    assert list(scratch.iterdir()) == []


def test_one_that_is_good_enough_for_the_planner_runs_it(only_old: OldHost) -> None:
    # The interpreter here stands for a Python 3.9 that is not on PATH.
    code = "import sys; from imjoy.legacy import bootstrap; sys.exit(bootstrap.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "install", "--dry-run", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT / "bootstrap"), "IMJOY_DISTRIBUTION": "venv", **NO_INDEX},
        timeout=WAIT_SECONDS,
        check=False,
    )
    plan = json.loads(done.stdout)
    assert (plan["kind"], "fetching" in done.stderr) == ("plan", False), done.stderr


def test_it_answers_in_the_words_of_imjoy(conda_host: OldHost) -> None:
    done = conda_host.run("install", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: imjoy install " in done.stdout
    done = conda_host.run("uninstall", "--help")
    assert "usage: imjoy uninstall " in done.stdout
    done = conda_host.run("install", "--bogus", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["id"]) == (2, "usage")


def test_the_refusal_is_also_a_document(only_old: OldHost) -> None:
    done = only_old.run("start", "--json", IMJOY_MIRROR="http://127.0.0.1:9")
    assert done.returncode == 4
    document = json.loads(done.stdout)
    assert (document["schema"], document["kind"]) == (1, "failure")
    assert (document["error"]["id"], document["error"]["exit_code"]) == ("network.python", 4)


def test_a_conda_that_does_not_answer_is_passed_over_and_named(conda_host: OldHost, tmp_path: Path) -> None:
    conda = tmp_path / "conda"
    conda.write_text("#!/bin/sh\nexit 7\n")
    conda.chmod(0o755)
    done = conda_host.run("install", "--dry-run", CONDA_EXE=str(conda))
    assert done.returncode == 0, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{conda} is ignored: `conda info --json` fails with exit code 7" in said
    assert "with conda 26.7.1 (~/miniconda3/bin/conda" in said


@pytest.mark.parametrize("variable", ["CONDA_EXE", "PATH"])
def test_conda_is_found_where_it_says_it_is(conda_host: OldHost, tmp_path: Path, variable: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (conda_host.home / "miniconda3").rename(elsewhere)
    command = elsewhere / "bin" / "conda"
    lines = command.read_text().split("\n", 1)
    command.unlink()
    command.write_text(f"#!{elsewhere}/bin/python\n{lines[1]}")
    command.chmod(0o755)
    value = str(command) if variable == "CONDA_EXE" else f"{elsewhere}/bin:{os.environ['PATH']}"
    done = conda_host.run("install", "--dry-run", **{variable: value})
    assert f"{elsewhere}/envs/imjoy" in done.stdout + done.stderr


def test_a_package_that_is_not_what_the_lock_says_stops_everything(conda_host: OldHost) -> None:
    # The lock names other checksums than the channel's packages have.
    conda_host.edit_lock(lambda name, text: re.sub(r"sha256: [0-9a-f]{64}", "sha256: " + "0" * 64, text))
    done = conda_host.run("start", "--json")
    assert done.returncode == 6
    # What the planner refuses is a document, too.
    assert json.loads(done.stdout)["error"]["id"] == "download.checksum"
    assert "0" * 64 in done.stdout
    assert not conda_host.prefix.exists()
    assert not (conda_host.home / "ImJoyApp").is_symlink()


def test_a_channel_that_cannot_be_reached_at_all_is_a_matter_of_the_network(
    conda_host: OldHost, channel: ChannelServer, tmp_path: Path
) -> None:
    conda_host.edit_lock(lambda name, text: text.replace(channel.url, "http://127.0.0.1:9"))
    # What other tests have fetched would do.
    empty = str(tmp_path / "empty")
    done = conda_host.run("start", CONDA_CHANNEL_ALIAS="http://127.0.0.1:9", CONDA_PKGS_DIRS=empty)
    assert done.returncode == 4, done.stderr
    assert "having conda make the environment" in done.stderr
    assert not conda_host.prefix.exists()


@pytest.mark.parametrize(
    "fault", [pytest.param("no lock for this platform", marks=few), "a package that is gone"]
)
def test_where_the_lock_cannot_serve_a_conda_that_knows_new_pythons_solves(
    conda_host: OldHost, wheels: Path, fault: str, tmp_path: Path
) -> None:
    if fault == "no lock for this platform":
        conda_host.edit_lock(lambda name, text: "" if name.startswith("conda-linux") else text)
    else:
        conda_host.edit_lock(lambda name, text: text.replace("/conda-forge/", "/elsewhere/"))
    empty = str(tmp_path / "empty")
    done = conda_host.run("start", **NO_INDEX, PIP_FIND_LINKS=str(wheels), CONDA_PKGS_DIRS=empty)
    assert "having conda make the environment" in done.stderr
    assert "building imjoy" in done.stderr  # so the Python that was solved for runs


def test_an_environment_of_somebody_else_is_left_as_it_is(conda_host: OldHost) -> None:
    (conda_host.prefix / "conda-meta").mkdir(parents=True)
    (conda_host.prefix / "conda-meta" / "history").write_text("theirs\n")
    before = content(conda_host.prefix)
    done = conda_host.run("install", "--yes", "--distribution", "existing")
    assert done.returncode == 3
    assert f"{conda_host.prefix} is an environment that no install of imjoy made" in " ".join(
        done.stderr.split()
    )
    assert content(conda_host.prefix) == before


def test_a_folder_of_somebody_else_in_the_prefix_s_place_is_left_as_it_is(conda_host: OldHost) -> None:
    theirs = conda_host.home / "ImJoyApp" / "thesis.txt"
    theirs.parent.mkdir()
    theirs.write_text("years of work\n")
    done = conda_host.run("start")
    assert done.returncode == 3, done.stderr
    assert "thesis.txt" in done.stderr
    assert content(theirs.parent) == {str(theirs): b"years of work\n"}


def test_an_environment_that_lost_files_of_imjoy_is_mended(finished_host: OldHost) -> None:
    [package] = finished_host.prefix.glob("lib/python3*/site-packages/imjoy_engine")
    (package / "server.py").unlink()
    done = finished_host.run("status")
    assert "installing imjoy and what it needs" in done.stderr
    assert done.returncode == 1, done.stderr  # no engine runs
    assert (package / "server.py").exists()


def test_an_environment_whose_python_is_broken_is_made_anew(finished_host: OldHost) -> None:
    [module] = finished_host.prefix.glob("lib/python3*/json/decoder.py")
    module.unlink()
    done = finished_host.run("status")
    assert "making the environment" in done.stderr
    assert done.returncode == 1, done.stderr
    assert module.exists()
