"""`imjoy upgrade` with real parts: a slice of the runs of `make upgrade-matrix`, and what a person sees."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.engine.test_existing_environments import make_venv, tree_hash
from tests.integration.upgrade.terminal import Terminal
from tests.kit.forge import git
from tests.kit.upgrade_runs import (
    all_runs,
    do,
    find_run,
    install_helper,
    namespaces,
    upgrade_killed_at,
    verify,
)
from tests.kit.upgrades import (
    CHANGED,
    GOOD,
    NEW_VERSION,
    WAIT_SECONDS,
    Kit,
    Machine,
    broken_records,
    installed_commit,
)

from imjoy.provision.records.record import install_lock, state_folder

# Real installs, on machines that do much else.
pytestmark = pytest.mark.timeout(600)

# Few, and each for what no other shows; `make upgrade-matrix` does them all.
SLICE = (
    "what comes: foreign project",
    "the network: gone before the commits",
    "the machine: site-packages is read-only",
    "the machine: an own package that does not go with what imjoy wants",
)
# Tests that cost more than what they add to these.
exhaustive = pytest.mark.skipif(
    "IMJOY_UPGRADE_MATRIX" not in os.environ, reason="make upgrade-matrix runs it"
)
SOME_CHANGES = (11, 20)


@pytest.mark.parametrize("name", SLICE)
def test_whatever_happens_an_imjoy_that_works_is_there_afterwards(
    name: str, kit: Kit, tmp_path: Path
) -> None:
    run = find_run(name)
    if run.mounts and not namespaces():
        pytest.skip("this account may not mount file systems of its own")
    assert run.fails(do(run, kit, tmp_path / "run")) == []


def test_every_name_of_a_run_is_its_own() -> None:
    names = [f"{each.group}: {each.name}" for each in all_runs()]
    assert len(set(names)) == len(names)


@pytest.mark.slow
def test_there_and_back_and_a_kill_in_between(machine: Machine, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    make_venv(mine)
    before = tree_hash(mine)
    added = machine.imjoy("env", "add", "mine", "--python", str(mine))
    assert added.returncode == 0, added.stderr
    install_helper(machine)
    machine.follow(CHANGED)
    assert machine.upgrade()["done"]
    assert installed_commit(machine) == CHANGED
    assert machine.receipt()["source_id"] == f"commit:{machine.kit.hashes[CHANGED]}"
    frozen = subprocess.run(
        [machine.prefix / "bin" / "python", "-m", "pip", "freeze"], capture_output=True, text=True, check=True
    )
    assert f"imjoy @ {machine.source}@{machine.kit.hashes[CHANGED]}" in frozen.stdout
    assert "imjoy-test-helper==2.0" in frozen.stdout
    assert machine.upgrade()["action"] == "none"
    for step in SOME_CHANGES:
        upgrade_killed_at(step, machine, "--rollback")
        # Before any Python has started that could repair it, as folders change places in one step.
        assert installed_commit(machine)
        assert broken_records(machine.site) == []
        assert machine.imjoy("--version").stdout == f"imjoy {NEW_VERSION}\n"
        assert broken_records(machine.site) == []
    assert machine.upgrade("--rollback")["done"]
    assert verify(machine) == []
    assert installed_commit(machine) == "old"
    # The helper of the person's, in its own version.
    assert (machine.prefix / "bin" / "imjoy-test-older").exists()
    # What was written down beside the prefix is gone, folder and all.
    assert not state_folder(machine.prefix).exists()
    # An environment of the person's is known as before, and nobody touched it.
    known = json.loads(machine.imjoy("env", "list", "--json").stdout)["existing"]
    assert {each["name"]: each["state"] for each in known}["mine"] == "ready"
    assert tree_hash(mine) == before


def test_while_another_is_running_it_waits_for_nobody(machine: Machine) -> None:
    machine.follow(GOOD)
    with install_lock(machine.prefix):
        assert machine.upgrade(code=7)["error"]["id"] == "install.locked"


@pytest.mark.parametrize(
    ("marker", "command"),
    [
        ("pipx_metadata.json", "pipx install --force git+{url}"),
        ("uv-receipt.toml", "uv tool upgrade imjoy"),
    ],
)
def test_what_another_tool_installed_is_left_to_it(marker: str, command: str, machine: Machine) -> None:
    # As pipx and uv leave it in the environments that they make.
    (machine.prefix / marker).touch()
    error = machine.upgrade(code=3)["error"]
    assert (error["id"], error["fix"]) == ("upgrade.managed", command.format(url=machine.forge.url("imjoy")))
    assert not machine.upgrades.exists()


@exhaustive
def test_uv_s_own_tools_are_known(machine: Machine, tmp_path: Path) -> None:
    environ = {
        **machine.environ,
        "UV_TOOL_DIR": str(tmp_path / "tools"),
        "UV_TOOL_BIN_DIR": str(tmp_path / "bin"),
    }
    uv = [
        sys.executable,
        "-m",
        "uv",
        "tool",
        "install",
        "--quiet",
        "--python",
        sys.executable,
        machine.source,
    ]
    subprocess.run(uv, env=environ, check=True, capture_output=True)
    done = subprocess.run(
        [tmp_path / "bin" / "imjoy", "upgrade", "--to", "good"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert f"uv tool install --force {machine.source}@good" in done.stderr


@pytest.mark.parametrize("ref", ["v1", "COMMIT"])
def test_at_a_tag_or_a_commit_it_waits_for_another_name(ref: str, machine: Machine) -> None:
    named = machine.kit.hashes["old"] if ref == "COMMIT" else ref
    info = next(machine.site.glob("imjoy-*.dist-info")) / "direct_url.json"
    document = json.loads(info.read_text())
    document["vcs_info"]["requested_revision"] = named
    info.unlink()
    info.write_text(json.dumps(document))
    assert machine.upgrade(code=3)["error"]["id"] == "upgrade.pinned"
    assert json.loads(machine.imjoy("upgrade", "--check", "--json").stdout)["pinned"]


def test_a_checkout_is_told_to_pull(
    imjoy_of_this_checkout: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = imjoy_of_this_checkout("upgrade", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["id"]) == (3, "upgrade.managed")
    assert error["fix"].startswith("git -C ") and error["fix"].endswith(" pull")


@pytest.fixture
def imjoy_of_this_checkout() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs `imjoy` from the sources, without its being installed."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "imjoy", *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    return run


def test_the_check_takes_under_a_second_and_changes_nothing(machine: Machine) -> None:
    up_to_date = json.loads(machine.imjoy("upgrade", "--check", "--json").stdout)
    assert up_to_date["available"] is False
    machine.follow(GOOD)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    found = json.loads(machine.imjoy("upgrade", "--check", "--json").stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Its own time; the network's, and what other programs take of the machine, are not its doing.
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 1
    assert found["available"] is True
    assert found["new_id"] == f"commit:{machine.kit.hashes[GOOD]}"
    assert found["command"] == "imjoy upgrade"
    assert not machine.upgrades.exists()


def test_doctor_says_that_something_newer_is_there_and_asks_once_a_day(machine: Machine) -> None:
    def look() -> str:
        said = machine.imjoy("doctor", "--only", "upgrade", "--json").stdout
        checks = {each["id"]: each["status"] for each in json.loads(said)["checks"]}
        return str(checks["upgrade.available"])

    assert look() == "ok"
    machine.follow(GOOD)
    # The answer is a moment old.
    assert look() == "ok"
    (machine.home / "ImJoyWorkspace" / ".imjoy" / "upgrade-check.json").unlink()
    assert look() == "warn"


def test_doctor_puts_back_what_no_python_could(machine: Machine) -> None:
    from imjoy.upgrade.steps.journal import Journal

    machine.upgrades.mkdir()
    script, saved = machine.prefix / "bin" / "something", machine.upgrades / "something"
    saved.write_text("old")
    journal = Journal(machine.upgrades)
    journal.begin(machine.site, machine.site, [(script, saved)], exchanged=False)
    journal.close()
    script.write_text("new")
    # The line is gone that would have had the next Python do it.
    (machine.site / "imjoy-upgrade.pth").unlink()

    def look(*arguments: str) -> tuple[str, str]:
        said = machine.imjoy("doctor", "--only", "upgrade.pending", "--json", *arguments).stdout
        found = json.loads(said)["checks"][0]
        return found["status"], found["fix"]

    assert look() == ("fail", "put the old imjoy back")
    assert look("--fix", "--yes") == ("ok", "")
    assert script.read_text() == "old"
    (machine.upgrades / "stage").mkdir()
    assert look()[0] == "warn"
    assert look("--fix", "--yes") == ("ok", "")


def test_start_upgrade_starts_the_newer_one_also_in_an_environment_of_one_s_own(
    make: Callable[..., Machine],
) -> None:
    machine = make(receipt=False)
    machine.follow(GOOD)
    done = machine.imjoy("start", "--upgrade", "--detach", "--port", "0", "--no-open")
    assert done.returncode == 0, done.stderr
    assert f"ImJoy Plugin Engine {NEW_VERSION}" in done.stdout
    info = json.loads((next(machine.site.glob("imjoy-*.dist-info")) / "direct_url.json").read_text())
    assert info["vcs_info"] == {"vcs": "git", "commit_id": machine.kit.hashes[GOOD]}
    assert broken_records(machine.site) == []


def test_start_upgrade_without_a_network_starts_what_is_there(machine: Machine) -> None:
    machine.forge.gone = ("/info/refs",)
    done = machine.imjoy("start", "--upgrade", "--detach", "--port", "0", "--no-open")
    assert done.returncode == 0, done.stderr
    assert "git.unreachable" in done.stderr
    assert "ImJoy Plugin Engine 0.12.0" in done.stdout


def test_start_says_that_something_newer_is_there_once_the_engine_serves(machine: Machine) -> None:
    machine.follow(GOOD)
    python = str(machine.prefix / "bin" / "python")
    start = (python, "-X", "importtime", "-m", "imjoy", "start", "--port", "0", "--no-open")
    terminal = Terminal(machine, *start)
    said = terminal.read_until("A newer imjoy is available: imjoy upgrade")
    terminal.end()
    # Nothing of upgrade is imported before the engine answers: the panel comes first.
    before, _, after = said.partition("ImJoy Plugin Engine")
    assert "imjoy.upgrade" not in before
    assert re.search(r"\| +imjoy\.upgrade\.notifier", after)


@pytest.mark.parametrize(
    ("typed", "code"),
    [pytest.param("\x03", 130, id="Ctrl-C"), pytest.param("n\r", 1, id="no", marks=exhaustive)],
)
def test_a_question_not_answered_with_yes_leaves_all_as_it_is(
    typed: str, code: int, machine: Machine
) -> None:
    machine.follow(GOOD)
    terminal = Terminal(machine, *machine.command("upgrade"))
    said = terminal.read_until("Do it? [Y/n]")
    assert "Be good" in said
    assert (machine.upgrades / "stage").exists()
    terminal.type(typed)
    assert terminal.process.wait(WAIT_SECONDS) == code
    terminal.end()
    assert installed_commit(machine) == "old"
    assert not (machine.upgrades / "stage").exists()


def test_without_a_terminal_it_wants_yes(machine: Machine) -> None:
    machine.follow(GOOD)
    done = machine.imjoy("upgrade", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]["id"]) == (2, "upgrade.unconfirmed")
    assert installed_commit(machine) == "old"


@exhaustive
def test_a_branch_that_was_named_is_followed_from_then_on(machine: Machine) -> None:
    assert machine.upgrade("--to", "good")["done"]
    info = json.loads((next(machine.site.glob("imjoy-*.dist-info")) / "direct_url.json").read_text())
    assert info["vcs_info"]["requested_revision"] == "good"
    git(
        machine.forge.folder / "imjoy.git",
        "update-ref",
        "refs/heads/good",
        machine.kit.hashes["same version"],
    )
    assert json.loads(machine.imjoy("upgrade", "--check", "--json").stdout)["available"] is True


def test_the_imjoy_of_another_prefix_is_named_not_touched(machine: Machine, tmp_path: Path) -> None:
    error = machine.upgrade("--prefix", str(tmp_path), code=3)["error"]
    assert (error["id"], error["fix"]) == ("upgrade.elsewhere", f"{tmp_path}/bin/python -m imjoy upgrade")


def test_without_git_the_check_asks_the_server_itself(machine: Machine) -> None:
    assert shutil.which("git")
    machine.follow(GOOD)
    found = json.loads(machine.imjoy("upgrade", "--check", "--json", PATH=str(machine.prefix / "bin")).stdout)
    assert found["new_id"] == f"commit:{machine.kit.hashes[GOOD]}"
