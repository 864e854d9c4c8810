"""The whole way: `curl … | bash`, start, uninstall, and the home is byte for byte what it was."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.integration.provision.entry_points import (
    CACHES,
    NOBODY_LISTENS,
    ROOT,
    command,
    contents,
    environ,
    every_step,
    install,
    offer,
    run,
    second,
)
from tests.kit.fixtures import Doubles
from tests.kit.mirror import Mirror

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the doubles are for Linux"),
]

SECOND_RUN_SECONDS = 3.0


def test_curl_into_bash_then_start_then_uninstall_leaves_the_home_as_it_was(
    home: Path, mirror: Mirror, doubles: Doubles, wheel: Path, tmp_path: Path
) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    for name, text in ((".bashrc", "alias a=b"), (".profile", "# mine\r\n"), ("thesis.tex", "mine")):
        (home / name).write_bytes(text.encode())
    before = contents(home)
    options = (
        f"--mirror {offer(mirror, doubles)} --sha256 {doubles.sha256} --from {wheel} --modify-path --verbose"
    )
    shutil.copy(ROOT / "install.sh", tmp_path / "install.sh")
    other = Mirror(tmp_path)
    with other.served():
        line = f"curl -fsSL {other.url}/ok/install.sh | bash -s -- {options}"
        done = run(["bash", "-o", "pipefail", "-c", line])
    assert done.returncode == 0, done.stderr
    assert "of that imjoy itself" in done.stderr
    imjoy = home / "ImJoyApp" / "bin" / "imjoy"
    started = subprocess.Popen(
        [imjoy, "start", "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environ(),
    )
    try:
        assert started.stdout is not None
        assert "http://127.0.0.1:" in started.stdout.readline().decode()
        told = run([imjoy, "uninstall", "--yes", "--workspace", "--json"])
        assert told.returncode == 0, told.stderr
        assert json.loads(told.stdout)["engine"]
        started.wait(60)
    finally:
        started.kill()
        started.communicate()
    assert contents(home) == before


def worked() -> float:
    """Return how long processors have worked for what was started here and has ended: other tests do not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill an entry point and the planner behind it. What the planner runs is not killed: it has to end by itself."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    steps = [each for each in family if os.getsid(each.pid) != process.pid]
    for each in family:
        if each not in steps:
            each.kill()
    process.wait()
    assert psutil.wait_procs(steps, timeout=30)[1] == []


STANDS = {
    "the lock": ".ImJoyApp.imjoy/lock/owner",
    "the record": ".ImJoyApp.imjoy/record.json",
    "the stage": ".ImJoyApp.imjoy/stage",
    "a part of the download": ".ImJoyApp.imjoy/stage/Miniconda3-*",
    "a part of Miniconda": "ImJoyApp/conda/lib/python3*",
    "a part of Python": "ImJoyApp/lib/python3*",
    "a part of imjoy": "ImJoyApp/lib/python3*/site-packages/imjoy-*.dist-info",
    "the first engine": "ImJoyApp/.imjoy/check-*",
    "the receipt": "ImJoyApp/.imjoy/receipt.json",
}


# The others are as much alike as their places in the code are near; `make every-step` tries them all.
SLICE = ("a part of Miniconda", "a part of imjoy", "the receipt")


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("entry_point", "distribution"),
    [
        ("install.sh", "miniconda"),
        pytest.param("imjoy install", "miniconda", marks=second),
        pytest.param("install.sh", "venv", marks=every_step),
    ],
)
def test_killed_as_soon_as_each_step_shows_the_next_run_goes_on_and_the_last_one_finishes(
    entry_point: str, distribution: str, home: Path, mirror: Mirror, doubles: Doubles, wheel: Path
) -> None:
    (home / ".bashrc").write_text("alias a=b")
    before = contents(home)
    prefix = home / "ImJoyApp"
    options = ["--distribution", distribution, "--from", str(wheel)]
    steps: tuple[str, ...] = tuple(STANDS) if os.environ.get("IMJOY_EVERY_STEP") else SLICE
    if distribution == "miniconda":
        options += ["--mirror", offer(mirror, doubles), "--sha256", doubles.sha256]
    else:
        steps = tuple(each for each in steps if each not in ("a part of the download", "a part of Miniconda"))
    for shows in steps:
        pattern = STANDS[shows]
        process = subprocess.Popen(
            [*command(entry_point), *options],
            env=environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        while not (seen := any(home.glob(pattern))) and process.poll() is None:
            time.sleep(0.002)
        assert seen, f"it ended before {shows} was there"
        kill_session(process)
        assert {each.name for each in home.iterdir()} - {*CACHES} <= {
            ".bashrc",
            ".conda",
            "ImJoyApp",
            ".ImJoyApp.imjoy",
        }
    assert install(entry_point, *options)["action"] in ("finish", "repair", "none")
    assert run([prefix / "bin" / "imjoy", "--version"]).stdout.startswith("imjoy ")
    assert not (home / ".ImJoyApp.imjoy").exists()
    there, began = contents(home), worked()
    assert install(entry_point, *options)["action"] == "none"
    assert worked() - began < SECOND_RUN_SECONDS
    assert contents(home) == there
    unasked = install(entry_point, *options, "--from", f"git+{NOBODY_LISTENS}")
    assert unasked["action"] == "none"
    assert f"{NOBODY_LISTENS} could not be asked for a newer one" in unasked["notices"]
    if entry_point == "install.sh":
        # The script does it without a Python too.
        for each in prefix.glob("bin/python*"):
            each.unlink()
    words = (
        ["bash", ROOT / "install.sh", "--uninstall"]
        if entry_point == "install.sh"
        else [prefix / "bin" / "imjoy", "uninstall"]
    )
    done = run([*words, "--yes"])
    assert done.returncode == 0, done.stderr
    assert contents(home) == before
