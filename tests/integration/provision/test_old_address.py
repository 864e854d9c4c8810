"""The install line of the ImJoy manual for a remote machine, which names a script of long ago."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.integration.provision.doors import NOBODY_LISTENS, ROOT, environ
from tests.kit.mirror import Mirror


def told(folder: Path, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``line`` in bash, with the address of what it names on loopback."""
    argv = ["bash", "-o", "pipefail", "-c", line]
    return subprocess.run(
        argv, cwd=folder, env={**environ(), **variables}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("fetch", ["wget -q -O -", "curl -fsSL"])
def test_the_manual_s_line_runs_today_s_script_with_its_options(
    fetch: str, home: Path, tmp_path: Path
) -> None:
    if shutil.which(fetch.split()[0]) is None:
        pytest.skip(f"{fetch.split()[0]} is not here")
    served = tmp_path / "served"
    served.mkdir()
    for script in ("install.sh", "utils/Linux_Install.sh"):
        shutil.copy(ROOT / script, served)
    (tmp_path / "temporary").mkdir()
    mirror = Mirror(served)
    with mirror.served():
        done = told(
            tmp_path,
            f"{fetch} {mirror.url}/ok/Linux_Install.sh | bash -s -- --version",
            IMJOY_INSTALL_URL=f"{mirror.url}/ok/install.sh",
            TMPDIR=str(tmp_path / "temporary"),
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == told(ROOT, "bash install.sh --version").stdout
    assert list((tmp_path / "temporary").iterdir()) == []


def test_without_a_network_it_says_what_could_not_be_fetched(home: Path, tmp_path: Path) -> None:
    url = f"{NOBODY_LISTENS}/install.sh"
    done = told(ROOT, "bash utils/Linux_Install.sh", IMJOY_INSTALL_URL=url)
    assert done.returncode == 4
    assert f"error: install.sh could not be fetched from {url}" in done.stderr
    assert not (home / "ImJoyApp").exists()
