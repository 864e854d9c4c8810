"""A slice of ``make soak``: four seconds of what it does for ten minutes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numpy")

SOAK = Path(__file__).resolve().parents[3] / "bench" / "soak.py"


def test_no_call_is_lost_while_many_clients_call_many_plugins(workspace: Path) -> None:
    options = ["--seconds=4", "--clients=12", "--plugins=3", f"--workspace={workspace}"]
    done = subprocess.run(
        [sys.executable, str(SOAK), *options], stdout=subprocess.PIPE, text=True, check=False, timeout=120
    )
    found = json.loads(done.stdout)
    assert found["lost"] == []
    assert found["calls"] > 12
    assert {"number", "array of 65,536 KiB, read slowly"} <= found["milliseconds"].keys()
    assert found["memory, MiB"]["engine"]["most"] - found["memory, MiB"]["engine"]["first"] < 64
