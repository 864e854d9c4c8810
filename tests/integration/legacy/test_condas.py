"""A gallery of old hosts: Python 2.7 beside condas of nine years, each with its own traits."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.channel_server import ChannelServer
from tests.kit.miniconda import changed_files
from tests.kit.old_hosts import few

from .conftest import OldHost

pytestmark = pytest.mark.timeout(600)


BETWEEN = ("4.8.3", "4.10.3", "4.14.0")
"""What they do with an environment is what one of the ends does, and `make test-every-python` tries them."""


@pytest.mark.parametrize(
    "version", ["4.3.30", *(pytest.param(each, marks=few) for each in BETWEEN), "26.7.1"]
)
def test_imjoy_lives_in_the_environment_imjoy_of_every_conda(
    version: str, old_host: OldHost, channel: ChannelServer, miniconda: Callable[..., Path]
) -> None:
    conda = miniconda(version=version)
    old_host.write_lock(channel)
    done = old_host.run("doctor", "--json", "--offline", "--only", "conda")
    prefix = old_host.home / "ImJoyApp"
    assert prefix.resolve() == old_host.prefix, done.stderr
    found = {each["id"]: each["status"] for each in json.loads(done.stdout)["checks"]}
    assert (found["conda.env"], found["conda.usable"]) == ("ok", "ok"), done.stdout

    def says(*words: str | Path) -> str:
        return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True).stdout

    assert says(prefix / "bin" / "python", "-c", "import sys; print(sys.version[:4])").strip() == "3.12"
    assert f"{old_host.prefix}/lib/python3.12/site-packages/pip" in says(prefix / "bin" / "pip", "--version")
    assert json.loads(says(prefix / "bin" / "conda", "info", "--json"))["conda_version"] == version
    listed = json.loads(says(conda, "list", "-p", old_host.prefix, "--json"))
    assert {"python", "pip", "imjoy"} <= {each["name"] for each in listed}
    assert str(old_host.prefix) in json.loads(says(conda, "env", "list", "--json"))["envs"]
    assert changed_files(conda.parents[1]) == []
