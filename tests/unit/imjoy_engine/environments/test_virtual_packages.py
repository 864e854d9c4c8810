"""What conda packages are told of the machine that they are for."""

from __future__ import annotations

import pytest

from imjoy_engine.environments.builders.conda_env import _virtual_packages
from imjoy_engine.environments.specs.spec import this_platform

rattler = pytest.importorskip("rattler", reason="py-rattler is not installed")


def test_a_machine_without_a_gpu_makes_environments_for_nodes_that_have_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    found = [str(each.into_generic()) for each in _virtual_packages(rattler, this_platform())]
    assert any(each.startswith("__cuda=12.4") for each in found), found
