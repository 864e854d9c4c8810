"""Which GPU counts as free."""

from __future__ import annotations

import asyncio

import pytest

from imjoy_engine.environments.builders import gpu_selection
from imjoy_engine.environments.builders.gpu_selection import Gpu, choose, parse
from imjoy_engine.environments.specs.spec import GpuRequest

LINES = ["0, 90, 100, 1000", "1, 10, 900, 1000", "2, 20, 100, 1000", "3, [N/A], 0, 1000", "no GPU"]


def test_what_the_driver_says_is_read() -> None:
    assert parse(LINES)[2] == Gpu(2, 0.2, 0.1)
    assert [gpu.index for gpu in parse(LINES)] == [0, 1, 2, 3]


def test_only_those_that_are_idle_enough_are_chosen() -> None:
    assert [gpu.index for gpu in choose(parse(LINES), GpuRequest())] == [2]
    assert [gpu.index for gpu in choose(parse(LINES), GpuRequest(limit=9))] == [2, 3]
    assert [gpu.index for gpu in choose(parse(LINES), GpuRequest(order="load"))] == [3]
    assert choose(parse(LINES), GpuRequest(max_load=-1)) == []


def test_a_mac_is_told_of_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_selection, "this_platform", lambda: "osx-arm64")
    variables, note = asyncio.run(gpu_selection.choose_gpus(GpuRequest(), {"PATH": "/nowhere"}))
    assert variables == {}
    assert "Metal (MPS)" in note
