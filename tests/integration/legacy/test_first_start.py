"""Python 2.7 and a conda: the first start makes the environment `imjoy`, every start goes on in it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.channel_server import ChannelServer
from tests.kit.old_hosts import OLD_PYTHONS, few

from imjoy import PROJECT_URL, __version__

from .conftest import NO_INDEX, OldHost, host_of

pytestmark = pytest.mark.timeout(600)
PLUGIN = """
<config lang="json">
{"name": "Where", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8", "tags": [], "flags": [],
 "env": "", "requirements": [], "inputs": null, "outputs": null}
</config>
<script lang="python">
import sys
from imjoy import api


class Where:
    def setup(self):
        pass

    def run(self, ctx):
        return {"major": sys.version_info[0]}


api.export(Where())
</script>
"""


def test_the_first_start_ends_in_an_engine_of_the_environment_and_a_plugin_that_runs(
    conda_host: OldHost, channel: ChannelServer, tmp_path: Path
) -> None:
    started, notes = run_a_plugin_while_started(conda_host, tmp_path)
    assert "needs Python 3.10 or newer" in notes
    downloading = re.search(r"downloading (\d+) packages of the lock", notes)
    assert downloading, notes
    assert "having conda" not in notes

    receipt = json.loads((conda_host.prefix / ".imjoy" / "receipt.json").read_text())
    assert (receipt["version"], receipt["distribution"]) == (__version__, "existing")
    [noted] = conda_host.package.parent.glob("imjoy-*.dist-info/direct_url.json")
    origin = json.loads(noted.read_text())
    assert receipt["source_id"] == f"commit:{origin['vcs_info']['commit_id']}"
    assert receipt["source"] == f"git+{origin['url']}"
    asked = conda_host.run("upgrade", "--check", "--json")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert started["url"].startswith("http://127.0.0.1:")
    assert not (conda_host.prefix.parent / ".imjoy.imjoy").exists()
    assert (conda_host.home / "ImJoyApp").resolve() == conda_host.prefix
    commands = {path.name for path in (conda_host.home / "ImJoyApp" / "bin").iterdir()}
    assert {"python", "pip", "imjoy", "conda"} <= commands
    fetched = [path for path in channel.asked if path.endswith(".conda")]
    assert len(fetched) == len(set(fetched)) == int(downloading[1])


def run_a_plugin_while_started(host: OldHost, folder: Path) -> tuple[dict[str, str], str]:
    """Start an engine, have it run a plugin, stop it; return what the start said, and its notes."""
    plugin = folder / "Where is it.imjoy.html"
    plugin.write_text(PLUGIN)
    engine = host.start("start", "--port", "0", "--json")
    try:
        assert engine.stdout is not None
        started: dict[str, str] = json.loads(engine.stdout.readline())
        told = host.run("run", str(plugin), "--json")
    finally:
        engine.send_signal(signal.SIGINT)
        _, notes = engine.communicate(timeout=30)
    assert engine.returncode == 130, notes  # it ends with Ctrl-C, as every start does
    events = [json.loads(line) for line in told.stdout.splitlines()]
    assert [each["value"] for each in events if each["event"] == "result"] == [{"major": 3}], told.stderr
    assert told.returncode == 0
    return started, notes


def test_a_second_start_calls_no_conda(finished_host: OldHost, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    conda = finished_host.home / "miniconda3" / "bin" / "conda"
    conda.unlink()
    conda.write_text(f'#!/bin/sh\necho "$@" >>"{calls}"\nexit 1\n')
    conda.chmod(0o755)
    subprocess.run(finished_host.command(["--help"]), check=True, capture_output=True)
    assert not calls.exists()


def test_arguments_go_there_and_the_exit_code_comes_back(finished_host: OldHost) -> None:
    assert finished_host.run("status").returncode == 1
    wrong = finished_host.run("run", "no such ünï.imjoy.html", "--json")
    assert wrong.returncode == 2
    assert "no such ünï.imjoy.html" in json.loads(wrong.stdout)["error"]["what"]


def test_nothing_of_the_old_python_leaks_into_the_new_one(finished_host: OldHost, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "click.py").write_text("raise SystemExit('leaked')")
    done = finished_host.run("status", PYTHONPATH=str(trap), PYTHONHOME="", PYTHONUSERBASE=str(trap))
    assert "leaked" not in done.stderr
    assert done.returncode == 1


def test_a_source_that_is_named_is_installed_and_not_what_it_carries(old_host: OldHost, wheel: Path) -> None:
    planned = ["install", "--dry-run", "--json", "--distribution", "venv", f"--from={wheel}"]
    done = old_host.run(*planned, **NO_INDEX)
    source = json.loads(done.stdout)["source"]
    assert (source["kind"], source["place"]) == ("wheel", str(wheel)), done.stderr


@pytest.mark.parametrize("words", [["--version"], ["-V"]])
def test_the_version_is_told_without_an_environment(old_host: OldHost, words: list[str]) -> None:
    done = old_host.run(*words)
    assert (done.returncode, done.stdout) == (0, f"imjoy {__version__}\n")


def test_help_says_what_a_start_would_do_and_makes_nothing(conda_host: OldHost) -> None:
    done = conda_host.run("start", "--help")
    assert done.returncode == 0
    assert "`imjoy start` installs it with a newer one" in done.stdout
    assert not conda_host.prefix.exists()


@pytest.mark.parametrize("verb", ["stop", "status"])
def test_who_only_asks_gets_no_environment_made(conda_host: OldHost, verb: str) -> None:
    done = conda_host.run(verb)
    assert done.returncode == 3
    assert "old.not-made" in done.stderr
    assert not conda_host.prefix.exists()


def test_where_nothing_is_installed_there_is_nothing_to_uninstall(conda_host: OldHost) -> None:
    done = conda_host.run("uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert not conda_host.prefix.exists()


@pytest.mark.parametrize(
    "version", [pytest.param(each, marks=() if each == "3.6" else few) for each in OLD_PYTHONS[1:]]
)
def test_every_old_python_goes_on_in_the_same_environment(
    version: str, finished_host: OldHost, old_python: Callable[[str], Path], tmp_path: Path
) -> None:
    host = host_of(old_python(version), finished_host.home)
    done = host.run("status")
    assert done.returncode == 1, done.stderr  # no engine runs
    receipt = json.loads((host.prefix / ".imjoy" / "receipt.json").read_text())
    if version == "3.6":
        # Its pip does not record the commit, so that it installs the sources that it carries.
        assert receipt["source"] == f"git+{PROJECT_URL}"
        assert "installing imjoy and what it needs" in done.stderr
    else:
        assert done.stderr == ""
    again = host.run("status")
    assert (again.returncode, again.stderr) == (1, "")
    run_a_plugin_while_started(host, tmp_path)


@pytest.mark.parametrize("broken", ["", "bin/python3.12", "lib/python3.12/encodings/__init__.py"])
def test_uninstall_takes_the_environment_and_the_link_away(finished_host: OldHost, broken: str) -> None:
    if broken:
        # Then install.sh does it, by another Python.
        (finished_host.prefix / broken).unlink()
    link = finished_host.home / "ImJoyApp"
    if not link.is_symlink():
        link.symlink_to(finished_host.prefix)
    done = finished_host.run("uninstall", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not finished_host.prefix.exists()
    assert not link.is_symlink()
    assert (finished_host.home / "miniconda3" / "bin" / "conda").exists()
    assert finished_host.run("status").returncode == 3


@pytest.mark.timeout(600)
def test_upgrade_is_the_environment_s_matter(
    finished_host: OldHost, imjoy_repository: Path, tmp_path: Path
) -> None:
    def git(*words: str | Path) -> None:
        somebody = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *somebody, *words], check=True, capture_output=True)

    # In a clone, as other processes install from the repository.
    clone = tmp_path / "clone"
    git("clone", "--quiet", imjoy_repository, clone)
    facts = clone / "bootstrap" / "imjoy" / "__init__.py"
    facts.write_text(facts.read_text().replace(f'"{__version__}"', '"99.1.0"'))
    git("-C", clone, "commit", "--quiet", "--all", "--message", "Be newer")
    git("-C", clone, "push", "--quiet", "origin", "+HEAD:refs/heads/newer")

    done = finished_host.run("upgrade", "--to", "newer", "--yes", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (json.loads(done.stdout)["new_version"], json.loads(done.stdout)["done"]) == ("99.1.0", True)
    # The old Python has the old one; what is started is the environment's.
    assert finished_host.run("--version").stdout == f"imjoy {__version__}\n"
    assert finished_host.run("doctor", "--list").returncode == 0
    inside = subprocess.run(
        [finished_host.prefix / "bin" / "imjoy", "--version"], capture_output=True, text=True, check=True
    )
    assert inside.stdout == "imjoy 99.1.0\n"
