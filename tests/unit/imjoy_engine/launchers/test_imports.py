"""Whoever uses no cluster pays for none."""

from __future__ import annotations

import subprocess
import sys


def test_an_engine_without_a_cluster_imports_nothing_of_one() -> None:
    looked = "import sys, imjoy_engine.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "imjoy_engine.launchers.local" in loaded
    names = ("cluster", "cluster_settings", "dask", "shared_folder", "slurm", "slurm_steps")
    ours = {f"imjoy_engine.launchers.{name}" for name in names}
    assert not loaded & {
        *ours,
        "imjoy_engine.cluster_trial",
        "imjoy_engine.web.routes.nodes",
        "distributed",
        "dask",
        "cryptography",
    }
