"""What an engine imports until it is ready: all that is not here is tens of milliseconds of every start, and memory."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from imjoy.model.layout import Layout
from imjoy_engine.webapp.verified import note_verified

UNNEEDED = {
    "aiohttp.client",
    "click",
    "configparser",
    "cryptography",
    "dask",
    "distributed",
    "filelock",
    "imjoy.model.results",
    "imjoy.new_plugin",
    "imjoy_engine.cluster_check",
    "imjoy_engine.environments.existing.choice",
    "imjoy_engine.environments.specs.planning",
    "imjoy_engine.environments.specs.spec",
    "imjoy_engine.workspace.gallery",
    "imjoy_engine.launchers.cluster",
    "imjoy_engine.launchers.cluster_settings",
    "imjoy_engine.launchers.dask",
    "imjoy_engine.launchers.shared_folder",
    "imjoy_engine.launchers.slurm",
    "imjoy_engine.launchers.slurm_steps",
    "imjoy_engine.workspace.named_workspaces",
    "imjoy_engine.plugin_files.manifest",
    "imjoy_engine.workspace.page_state",
    "imjoy_engine.web.routes.nodes",
    "imjoy_engine.webapp.fetch",
    "imjoy_rpc",
    "msgpack",
    "numpy",
    "packaging",
    "psutil",
    "rattler",
    "requests",
    "rich",
    "sqlite3",
    "tarfile",
    "tomllib",
    "websockets",
    "yaml",
}


@pytest.mark.usefixtures("unmeasured")
def test_an_engine_that_serves_the_app_is_ready_without_what_only_some_sessions_use(tmp_path: Path) -> None:
    ours = [name for name in UNNEEDED if name.startswith(("imjoy.", "imjoy_engine."))]
    assert [name for name in ours if find_spec(name) is None] == []
    layout = Layout(prefix=tmp_path / "prefix", workspace=tmp_path / "workspace")
    layout.webapp.mkdir(parents=True)
    # As after a first start: what the app is made of was fetched and verified.
    note_verified(layout.webapp, [])
    words = ["serve", "--port", "0", "--serve", "--lifeline"]
    places = ["--workspace", str(layout.workspace), "--prefix", str(layout.prefix)]
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "imjoy_engine", *words, *places],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
        check=True,
    )
    assert '"event": "ready"' in done.stdout
    times = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip() for line in times}
    assert "imjoy_engine.server" in imported
    # When a process was started /proc tells, and elsewhere psutil.
    needed = set() if sys.platform.startswith("linux") else {"psutil"}
    assert sorted((imported & UNNEEDED) - needed) == []
