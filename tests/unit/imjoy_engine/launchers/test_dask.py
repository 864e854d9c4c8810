"""Dask, before anything of it is reached."""

from __future__ import annotations

import asyncio
import sys

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.launchers.dask import Dask


@pytest.mark.parametrize(
    ("address", "insecure", "error"),
    [
        ("tcp://192.0.2.1:8786", False, "cluster.insecure"),
        # It is taken, and only then looked for.
        ("tcp://192.0.2.1:8786", True, "Dask is not installed here"),
        ("tcp://127.0.0.1:8786", False, "Dask is not installed here"),
        ("tls://192.0.2.1:8786", False, "Dask is not installed here"),
    ],
)
def test_a_scheduler_that_does_not_encrypt_is_taken_on_this_machine_or_when_told_to(
    monkeypatch: pytest.MonkeyPatch, address: str, insecure: bool, error: str
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(Dask(address, insecure=insecure).check())
    assert error in f"{caught.value.id}: {caught.value.what}"
