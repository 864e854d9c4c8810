"""What ``imjoy run`` takes on its command line."""

from __future__ import annotations

import json

import click
import pytest

from imjoy.cli.plugin.run import _resources


def test_resources_are_read() -> None:
    assert _resources(None) is None
    read = json.loads(str(_resources("cpus=4, gpus=1,memory=8 GB,time=2h")))
    assert read == {"cpus": 4, "gpus": 1, "memory": "8 GB", "time": "2h"}


@pytest.mark.parametrize("text", ["", "cpus", "cpus=", "nodes=2", "cpus=1,cpus=2", "cpus=1,,gpus=1"])
def test_resources_that_cannot_be_read_are_told(text: str) -> None:
    with pytest.raises(click.BadParameter):
        _resources(text)
