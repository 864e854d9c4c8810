"""What goes wrong around an install, by both entry points: clear id, documented exit code, every leftover named."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.integration.provision.entry_points import (
    CACHES,
    ENTRY_POINTS,
    PLANNER,
    ROOT,
    command,
    contents,
    environ,
    every_step,
    install,
    run,
)
from tests.kit.fixtures import Doubles
from tests.kit.mirror import Mirror

from imjoy.provision.records.receipt import Receipt, write_receipt

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the doubles are for Linux")

TERMINAL = ROOT / "tests" / "shell" / "at_a_terminal.py"
MIB = 1024 * 1024
UNASKED = ("--no-modify-path", "--no-desktop")
"""For installs at a terminal that nobody answers."""


def failure(document: dict[str, Any]) -> str:
    """Return the id of what a run ended with: a failure, or the only problem of a plan."""
    if "problems" in document:
        (problem,) = document["problems"]
        return str(problem["id"])
    return str(document["error"]["id"])


def from_file(doubles: Doubles, wheel: Path) -> list[str]:
    """Return the options that install from files alone, but for what imjoy needs."""
    file = next(doubles.folder.glob("Miniconda3-*-Linux-x86_64.sh"))
    options = ["--distribution", "miniconda", "--installer", str(file), "--sha256", doubles.sha256]
    return [*options, "--from", str(wheel)]


@pytest.fixture
def small(mirror: Mirror) -> str:
    """Put an installer that does nothing on the mirror, under every name; return its SHA-256."""
    from tests.kit.miniconda import installer_names

    content = b"#!/bin/sh\n" + b"# nothing\n" * 100_000
    for name in installer_names():
        (mirror.folder / name).write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("entry_point", PLANNER)
@pytest.mark.parametrize(
    ("how", "code", "ids"),
    [
        ("404", 4, {"network.installer"}),
        ("503", 4, {"network.installer"}),
        ("wrong", 6, {"download.checksum"}),
        ("loop", 4, {"download.failed"}),
        ("cut", 4, {"download.failed"}),
    ],
)
def test_a_server_that_misbehaves_leaves_nothing_behind(
    entry_point: str, how: str, code: int, ids: set[str], home: Path, mirror: Mirror, small: str, wheel: Path
) -> None:
    options = ["--distribution", "miniconda", "--mirror", f"{mirror.url}/{how}", "--sha256", small]
    assert failure(install(entry_point, *options, "--from", wheel, code=code)) in ids
    assert contents(home) == {}


def impatient() -> list[str]:
    """Return the command that bears with silence for a second, and tries once: only its constants differ."""
    lines = (
        "from functools import partial",
        "from imjoy import __main__",
        "from imjoy.effects.network import download",
        "download.RetryPolicy = partial(download.RetryPolicy, silence=1.0, attempts=1)",
        "raise SystemExit(__main__.main())",
    )
    return [sys.executable, "-c", "\n".join(lines), "install"]


@pytest.mark.parametrize("how", ["stall", "trickle"])
def test_a_server_that_stalls_or_trickles_has_failed_and_leaves_nothing_behind(
    how: str, home: Path, mirror: Mirror, small: str, wheel: Path
) -> None:
    options = ["--json", "--distribution", "miniconda", "--mirror", f"{mirror.url}/{how}", "--sha256", small]
    done = run([*impatient(), *options, "--from", wheel])
    assert done.returncode == 4, done.stdout + done.stderr
    assert failure(json.loads(done.stdout)) == "download.failed"
    (asked,) = mirror.requests
    assert asked.startswith(f"/{how}/Miniconda3-")
    assert contents(home) == {}


@pytest.mark.parametrize("entry_point", PLANNER)
@pytest.mark.parametrize("how", ["busy", "cutonce"])
def test_a_server_that_mends_itself_is_believed_and_the_installer_is_run(
    entry_point: str, how: str, home: Path, mirror: Mirror, small: str, wheel: Path
) -> None:
    options = ["--distribution", "miniconda", "--mirror", f"{mirror.url}/{how}", "--sha256", small]
    # It was downloaded and run: only then can it be told that it brought no Python.
    assert failure(install(entry_point, *options, "--from", wheel, code=1)) in (
        "installer.failed",
        "install.installer",
    )
    assert contents(home) == {}


@pytest.mark.parametrize("entry_point", PLANNER)
def test_a_branch_may_have_slashes_in_its_name(entry_point: str, home: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    git = ["git", "-C", str(repository), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch", "main", str(repository)], check=True)
    for branch in ("main", "feature/new"):
        subprocess.run([*git, "checkout", "--quiet", "-B", branch], check=True)
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message", branch], check=True)
    commit = run([*git, "rev-parse", "feature/new"]).stdout.strip()
    plan = ["--dry-run", "--distribution", "venv", "--from"]
    place = f"git+file://{repository}"
    taken = install(entry_point, *plan, f"{place}@feature/new")["source"]
    assert taken == {"kind": "git", "place": place, "id": f"commit:{commit}"}
    # The server's user is no branch.
    named = install(entry_point, *plan, f"git+https://me@127.0.0.1:9/a/b@{commit}")["source"]
    assert named == {"kind": "git", "place": "git+https://me@127.0.0.1:9/a/b", "id": f"commit:{commit}"}


def in_a_mount(script: str, words: list[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command where file systems may be mounted, after ``script`` has; skip where that is not allowed."""
    allowed = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if os.geteuid() != 0 or allowed.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    return run(["unshare", "-m", "sh", "-c", f'{script} && exec "$@"', "sh", *words], **more)


@pytest.mark.parametrize("entry_point", PLANNER)
def test_a_home_that_is_read_only_is_refused_before_anything_is_done(
    entry_point: str, home: Path, wheel: Path
) -> None:
    script = f"mount --bind {home} {home} && mount -o remount,bind,ro {home}"
    done = in_a_mount(
        script, [*command(entry_point), "--json", "--distribution", "venv", "--from", str(wheel)]
    )
    assert done.returncode == 3
    assert '"prefix.unwritable"' in done.stdout


@pytest.mark.parametrize("entry_point", PLANNER)
def test_a_disk_that_forbids_programs_is_refused(entry_point: str, home: Path, wheel: Path) -> None:
    words = [*command(entry_point), "--json", "--distribution", "venv", "--from", str(wheel)]
    done = in_a_mount(f"mount -t tmpfs -o noexec tmpfs {home}", words)
    assert done.returncode == 3
    assert '"prefix.noexec"' in done.stdout


@pytest.mark.parametrize("entry_point", PLANNER)
def test_little_memory_is_a_note(entry_point: str, home: Path, wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(
        "MemTotal:  1000000 kB\nMemFree: 1 kB\nMemAvailable: 1 kB\nBuffers: 1 kB\nCached: 1 kB\n"
    )
    words = [*command(entry_point), "--json", "--dry-run", "--distribution", "venv", "--from", str(wheel)]
    done = in_a_mount(f"mount --bind {tmp_path / 'meminfo'} /proc/meminfo", words)
    assert "this machine has 976 MiB of memory" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("entry_point", PLANNER)
@pytest.mark.parametrize(
    ("distribution", "begun"),
    # A full disk at each effect of each way is tried elsewhere, without the work.
    [("miniconda", "conda/conda-meta"), pytest.param("venv", "pyvenv.cfg", marks=every_step)],
)
def test_a_disk_that_fills_up_is_told_and_nothing_is_left_on_it(
    entry_point: str, distribution: str, begun: str, home: Path, doubles: Doubles, wheel: Path
) -> None:
    # Room enough for the look at the machine; then no more than is in use. To fill it takes longer than an install may.
    wait = f"until [ -e {home}/ImJoyApp/{begun} ]; do sleep 0.01; done"
    used = f"$(df -k {home} | awk 'END {{ print $3 }}')k"
    shrink = f"({wait}; until mount -o remount,size={used} {home}; do :; done) 2>/dev/null &"
    script = f"mount -t tmpfs -o size=1200m tmpfs {home} && {{ {shrink} }}"
    words = [
        "sh",
        "-c",
        '"$@"; code=$?; echo left: $(ls -A "$HOME") >&2; exit "$code"',
        "sh",
        *command(entry_point),
        "--json",
    ]
    venv = ["--distribution", "venv", "--from", str(wheel)]
    done = in_a_mount(script, [*words, *(venv if distribution == "venv" else from_file(doubles, wheel))])
    assert done.returncode == 1, done.stdout + done.stderr
    assert set(done.stderr.rpartition("left:")[2].split()) <= {*CACHES}
    assert '"host.disk"' in done.stdout


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
@pytest.mark.parametrize("says", ["It is not changed itself.", "Do it?", "takes it out again."])
def test_ctrl_c_at_a_prompt_ends_with_130_and_changes_nothing(
    entry_point: str, says: str, home: Path, wheel: Path, tmp_path: Path
) -> None:
    conda = home / "miniconda3" / "bin" / "conda"
    conda.parent.mkdir(parents=True)
    # A double of conda that says what the plan wants to hear.
    told = f'{{"conda_version": "26.7.1", "envs_dirs": ["{home}/miniconda3/envs"], "platform": "linux-64"}}'
    conda.write_text(f"#!/bin/sh\ncase $1 in -V) echo conda 26.7.1 ;; *) echo '{told}' ;; esac\n")
    conda.chmod(0o755)
    if says == "Do it?":
        ours = home / "ImJoyApp" / ".imjoy"
        ours.mkdir(parents=True)
        values = ("version", "python", "source", "source_id", "installed")
        lines = [
            '  "distribution": "existing"',
            *(f'  "{each}": ""' for each in values),
            '  "parts": ["bin"]',
        ]
        (ours / "receipt.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    before = contents(home)
    # With a conda that was asked for by name, PATH is the first question.
    named = ["--distribution", "existing"] if says == "takes it out again." else []
    words = [sys.executable, str(TERMINAL), says, "^C", *command(entry_point), "--from", str(wheel), *named]
    done = run(words)
    assert done.returncode == 130, done.stdout
    assert contents(home) == before


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_ctrl_c_at_the_prompt_of_the_uninstall_ends_with_130_and_removes_nothing(
    entry_point: str, home: Path
) -> None:
    (home / ".bashrc").write_text("alias a=b")
    prefix = home / "ImJoyApp"
    for each in ("bin", ".imjoy"):
        (prefix / each).mkdir(parents=True)
    (prefix / "bin" / "imjoy").write_text("#!/bin/sh\n")
    parts = ("bin", ".imjoy")
    write_receipt(prefix, Receipt("0.12.0", "venv", sys.executable, "here", "", parts, "today"))
    before = contents(home)
    words = (
        [*command(entry_point), "--uninstall"]
        if entry_point == "install.sh"
        else [*command(entry_point)[:-1], "uninstall"]
    )
    done = run([sys.executable, str(TERMINAL), "Remove all of it?", "^C", *words])
    assert done.returncode == 130, done.stdout
    assert "left behind" not in done.stdout
    assert contents(home) == before


@pytest.mark.parametrize(
    ("entry_point", "says"), [(entry_point, "downloading Miniconda") for entry_point in ENTRY_POINTS]
)
def test_ctrl_c_while_downloading_ends_with_130_and_leaves_nothing(
    entry_point: str, says: str, home: Path, mirror: Mirror, small: str, wheel: Path, tmp_path: Path
) -> None:
    (home / ".bashrc").write_text("alias a=b")
    (scratch := tmp_path / "scratch").mkdir()
    before = contents(home)
    # Half of it comes and then nothing, so that it is still at it.
    options = ["--distribution", "miniconda", "--mirror", f"{mirror.url}/stall", "--sha256", small]
    words = [
        sys.executable,
        str(TERMINAL),
        says,
        "^C",
        *command(entry_point),
        *options,
        *UNASKED,
        "--from",
        str(wheel),
    ]
    done = run(words, TMPDIR=str(scratch))
    assert done.returncode == 130, done.stdout
    assert contents(home) == before
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("entry_point", PLANNER)
@pytest.mark.parametrize("step", ["installing Miniconda", "installing imjoy"])
def test_ctrl_c_at_a_step_ends_with_130_and_leaves_nothing(
    entry_point: str, step: str, home: Path, doubles: Doubles, wheel: Path
) -> None:
    words = [
        sys.executable,
        str(TERMINAL),
        step,
        "^C",
        *command(entry_point),
        *from_file(doubles, wheel),
        *UNASKED,
    ]
    done = run(words, DOUBLE_STAGE="payload" if step == "installing Miniconda" else "")
    assert done.returncode == 130, done.stdout
    assert contents(home) == {}


@pytest.mark.slow
@pytest.mark.parametrize("entry_point", PLANNER)
def test_a_strict_umask_the_c_locale_and_hostile_words_do_not_matter(
    entry_point: str, home: Path, doubles: Doubles, wheel: Path, tmp_path: Path
) -> None:
    hostile = tmp_path / "hostile"
    hostile.write_text(
        "shopt -s expand_aliases; alias cat='echo hostile' ls='echo hostile'; umask 077\n"
        "rm() { echo hostile; }; printf() { echo hostile; }; cd() { echo hostile; }; export -f rm printf cd\n"
    )
    words = [*command(entry_point), "--json", *from_file(doubles, wheel)]
    line = f'. {hostile}; exec "$@"'
    done = run(
        ["bash", "-c", line, "bash", *words], BASH_ENV=str(hostile), LANG="C", LC_ALL="C", GREP_OPTIONS="-v"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    prefix = home / "ImJoyApp"
    assert run([prefix / "bin" / "imjoy", "--version"]).stdout.startswith("imjoy ")
    assert (prefix / ".imjoy" / "receipt.json").stat().st_mode & 0o077 == 0
    assert "hostile" not in done.stdout + done.stderr


@pytest.mark.parametrize("entry_point", PLANNER)
def test_an_install_that_is_killed_leaves_no_installer_running(
    entry_point: str, home: Path, doubles: Doubles, wheel: Path
) -> None:
    words = [*command(entry_point), *from_file(doubles, wheel)]
    paused = environ(DOUBLE_STAGE="payload", COLUMNS="80")
    process = subprocess.Popen(words, env=paused, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (home / "ImJoyApp" / "conda" / "pkgs").exists():
        assert process.poll() is None
        time.sleep(0.01)
    installer = psutil.Process(int((home / ".ImJoyApp.imjoy" / "lock" / "step").read_text().split()[0]))
    family = [installer, *installer.children(recursive=True)]
    assert len(family) > 1
    planner = installer.parent()
    assert planner is not None
    planner.kill()
    process.wait()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    # The next run, of an installer that fails at once, finds what the killed one made, and takes it back.
    other = home.parent / "Miniconda3-broken.sh"
    other.write_text("#!/bin/sh\nexit 1\n")
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    options = ["--distribution", "miniconda", "--installer", str(other), "--sha256", digest]
    install(entry_point, *options, "--from", wheel, code=1)
    assert contents(home) == {}
