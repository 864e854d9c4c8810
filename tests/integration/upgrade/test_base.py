"""`imjoy upgrade --base`: conda and pip, with the double of conda, a real channel and a real imjoy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.kit.channel_server import ChannelServer
from tests.kit.pythons import running_python
from tests.kit.upgrade_runs import wait_for
from tests.kit.upgrades import broken_records

from imjoy.context import Context
from imjoy.effects.tools.conda import write_wrapper
from imjoy.provision.steps.packages import _wheel_of_pip
from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.steps.base import Base, find_base, plan_base

pytestmark = pytest.mark.timeout(600)

# Does what conda would, then loses a file of its Python's, and says that it failed or, with BREAKS=quietly, nothing.
BREAKING_CONDA = """#!/bin/sh
'{conda}' "$@" || exit
case "$*" in
*--dry-run* | *--download-only* | -V) ;;
update*) rm '{lost}'; [ "$BREAKS" = quietly ] ;;
esac
"""


class CondaPrefix:
    """A prefix as an install makes it: a Miniconda in ``conda``, and beside it an environment of its Python."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = folder / "conda"
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    @property
    def site(self) -> Path:
        return next((self.folder / "lib").glob("python3.*/site-packages"))

    def run(self, command: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "bin" / command), *arguments],
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def upgrade(self, *arguments: str, code: int = 0, **environ: str) -> dict[str, Any]:
        done = self.run("imjoy", "upgrade", "--base", "--yes", "--json", *arguments, **environ)
        assert done.returncode == code, done.stdout + done.stderr
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def conda(self) -> str:
        return self.run("conda", "-V").stdout.strip()


@pytest.fixture(scope="module")
def wheels(wheel: Path) -> Path:
    """Return the wheel of this checkout, for a prefix of each test."""
    return wheel


@pytest.fixture
def prefix(miniconda: Callable[..., Path], channel: ChannelServer, wheels: Path, home: Path) -> CondaPrefix:
    """Return a prefix with conda 26.7.1, where the channel has 26.9.0."""
    made = CondaPrefix(home / "ImJoyApp")
    conda = miniconda(made.base)
    python = made.base / "bin" / "python"
    subprocess.run([python, "-I", "-B", "-m", "venv", "--without-pip", made.folder], check=True)
    write_wrapper(made.folder, conda)
    uv = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--python",
        str(made.folder / "bin" / "python"),
    ]
    # The pip that this Python brings with it, as an install has it.
    pip = _wheel_of_pip()
    assert pip is not None
    subprocess.run([*uv, pip, str(wheels)], check=True, capture_output=True)
    return made


def spoil(prefix: CondaPrefix) -> Path:
    """Put a BreakingConda in conda's place; return the file that it loses."""
    conda, lost = prefix.base / "bin" / "conda", next(prefix.base.glob("lib/python3.*/secrets.py"))
    real = conda.with_name("conda-real")
    conda.rename(real)
    conda.write_text(BREAKING_CONDA.format(conda=real, lost=lost))
    conda.chmod(0o755)
    return lost


def test_conda_and_pip_are_brought_up_and_python_and_imjoy_stay(prefix: CondaPrefix) -> None:
    python, pip = prefix.run("python", "-V").stdout, prefix.run("pip", "--version").stdout
    own_pip = told_pip(prefix.base)
    told = prefix.upgrade("--dry-run")
    assert {"name": "conda", "old": "26.7.1", "new": "26.9.0"} in told["packages"]
    assert prefix.conda() == "conda 26.7.1"
    assert prefix.upgrade()["done"]
    assert prefix.conda() == "conda 26.9.0"
    assert prefix.run("python", "-V").stdout == python
    assert prefix.run("imjoy", "--version").returncode == 0
    assert ("pip" in {each["name"] for each in told["packages"]}) == (
        prefix.run("pip", "--version").stdout != pip
    )
    assert told_pip(prefix.base) == own_pip
    assert prefix.upgrade()["action"] == "none"
    left = {each.name for each in (prefix.folder / ".imjoy" / "upgrade").iterdir()}
    assert not {each for each in left if each.startswith(("stage", "saved"))}
    forge = ("--override-channels", "-c", "conda-forge")
    made = prefix.run("conda", "create", "-y", "-n", "lab", *forge, "python", "small")
    assert made.returncode == 0, made.stderr


def told_pip(environment: Path) -> str:
    """Return what the pip of an environment says of itself."""
    command = [str(environment / "bin" / "python"), "-I", "-B", "-m", "pip", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_base_of_an_older_install_is_brought_up_with_python_as_it_is(
    miniconda: Callable[..., Path], channel: ChannelServer, home: Path
) -> None:
    conda = miniconda(home / "ImJoyApp")
    base = Base(conda, home / "ImJoyApp", ("conda", "pip"), running_python() or "")
    assert find_base(origin_of(home / "ImJoyApp")) == base
    changes = {each.name: each.new for each in plan_base(base, Context(home, os.environ)).changes}
    assert changes["conda"] == "26.9.0"
    assert "python" not in changes


def test_a_conda_that_was_here_before_is_left_and_the_environment_s_pip_is_its_matter(
    miniconda: Callable[..., Path], channel: ChannelServer, home: Path
) -> None:
    conda = miniconda()
    forge = ("--override-channels", "-c", "conda-forge")
    subprocess.run([conda, "create", "-y", "-q", "-n", "imjoy", *forge, "python=3.12", "pip"], check=True)
    environment = conda.parents[1] / "envs" / "imjoy"
    write_wrapper(environment, conda)
    assert find_base(origin_of(environment)) is None
    (environment / ".imjoy").mkdir()
    (environment / ".imjoy" / "receipt.json").write_text(json.dumps({"conda": str(conda)}))
    base = find_base(origin_of(environment))
    assert base is not None
    assert (base.conda, base.environment, base.names) == (conda, environment, ("pip",))


def origin_of(environment: Path) -> Origin:
    """Return an imjoy that lives in an environment."""
    binaries = environment / "bin"
    return Origin("1.0", environment, binaries / "python", environment, binaries, "pip", "", "")


@pytest.mark.skipif("IMJOY_UPGRADE_MATRIX" not in os.environ, reason="make upgrade-matrix runs it")
@pytest.mark.parametrize("breaks", ["loudly", "quietly"])
def test_what_conda_breaks_is_put_back(breaks: str, prefix: CondaPrefix) -> None:
    before = broken_records(prefix.site)
    lost = spoil(prefix)
    error = prefix.upgrade(code=1, BREAKS=breaks)["error"]
    assert error["id"] == ("upgrade.step" if breaks == "loudly" else "upgrade.failed")
    assert lost.exists()
    assert prefix.conda() == "conda 26.7.1"
    assert broken_records(prefix.site) == before


def test_a_kill_while_conda_works_is_put_back_by_the_next_python(prefix: CondaPrefix) -> None:
    before = broken_records(prefix.site)
    lost = spoil(prefix)
    with subprocess.Popen(
        [str(prefix.folder / "bin" / "imjoy"), "upgrade", "--base", "--yes"],
        env={**prefix.environ, "BREAKS": "quietly"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        # conda has worked, and lost a file; nothing of that is final yet.
        wait_for(process, "testing it")
        os.killpg(process.pid, signal.SIGKILL)
    assert not lost.exists()
    assert prefix.run("imjoy", "--version").returncode == 0
    assert lost.exists()
    assert prefix.conda() == "conda 26.7.1"
    assert broken_records(prefix.site) == before


def test_without_a_network_nothing_is_touched(prefix: CondaPrefix) -> None:
    error = prefix.upgrade(code=4, CONDA_CHANNEL_ALIAS="http://127.0.0.1:9")["error"]
    assert error["id"] == "upgrade.step"
    assert prefix.conda() == "conda 26.7.1"
