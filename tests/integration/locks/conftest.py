"""A conda, a channel for two platforms, and `imjoy` as a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.channel_server import ChannelServer

from imjoy_engine.environments.specs.spec import this_platform

OTHER_PLATFORM = "osx-arm64"
Imjoy = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def imjoy() -> Imjoy:
    """Return a function that runs `imjoy` to its end."""

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "imjoy", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, **variables},
            timeout=170,
            check=False,
        )

    return run


@pytest.fixture
def two_platforms(channel: ChannelServer, miniconda: Callable[..., Path]) -> ChannelServer:
    """The channel of the kit, with the same packages for another platform, and a conda that solves with it."""
    miniconda()
    mirror_platform(channel)
    return channel


def mirror_platform(channel: ChannelServer) -> None:
    """Say that the channel has for the other platform what it has for this one; there is nothing behind that."""
    folder = channel.channel.folder
    document = json.loads((folder / this_platform() / "repodata.json").read_text())
    for record in document["packages.conda"].values():
        record["subdir"] = OTHER_PLATFORM
        record["depends"] = [each for each in record["depends"] if not each.startswith("__")]
    document["info"]["subdir"] = OTHER_PLATFORM
    (folder / OTHER_PLATFORM).mkdir(exist_ok=True)
    (folder / OTHER_PLATFORM / "repodata.json").write_text(json.dumps(document))
