"""The install line of the ImJoy manual for a remote machine, which names a script of long ago."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.integration.provision.entry_points import NOBODY_LISTENS, ROOT, environ
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


def test_a_curl_that_may_not_write_to_the_temporary_folder_is_enough(home: Path, tmp_path: Path) -> None:
    """The curl of snap: the shell may write there, it may not."""
    (tmp_path / "install.sh").write_text((ROOT / "install.sh").read_text())
    confined = tmp_path / "bin" / "curl"
    confined.parent.mkdir()
    confined.write_text(
        "#!/bin/sh\nfor each; do case $each in -o | --output) exit 23 ;; esac; done\n"
        f'exec {shutil.which("curl")} "$@"\n'
    )
    confined.chmod(0o755)
    mirror = Mirror(tmp_path)
    with mirror.served():
        done = told(
            ROOT,
            "bash utils/Linux_Install.sh --version",
            IMJOY_INSTALL_URL=f"{mirror.url}/ok/install.sh",
            PATH=f"{confined.parent}:{os.environ['PATH']}",
        )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_https_is_never_left_for_http(tool: str, home: Path, tmp_path: Path) -> None:
    double = tmp_path / tool
    double.write_text(f'#!/bin/sh\necho "$*" >>"{tmp_path}/said"\nexit 1\n')
    double.chmod(0o755)
    for name in ("bash", "sleep"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    assert told(ROOT, "bash utils/Linux_Install.sh", PATH=str(tmp_path)).returncode == 4
    said = (tmp_path / "said").read_text().splitlines()
    assert len(said) == 3
    wanted = {"curl": "--proto =https --proto-redir =https", "wget": "--max-redirect=0"}
    assert all(wanted[tool] in line and "https://raw.githubusercontent.com/" in line for line in said)


def test_what_broke_off_is_not_run(home: Path, tmp_path: Path) -> None:
    (tmp_path / "install.sh").write_text("touch ran\n" * 1000)
    mirror = Mirror(tmp_path)
    with mirror.served():
        done = told(ROOT, "bash utils/Linux_Install.sh", IMJOY_INSTALL_URL=f"{mirror.url}/cut/install.sh")
    assert done.returncode == 4
    assert not (ROOT / "ran").exists()


def test_without_a_network_it_says_what_could_not_be_fetched(home: Path, tmp_path: Path) -> None:
    url = f"{NOBODY_LISTENS}/install.sh"
    done = told(ROOT, "bash utils/Linux_Install.sh", IMJOY_INSTALL_URL=url)
    assert done.returncode == 4
    assert f"error: install.sh could not be fetched from {url}" in done.stderr
    assert not (home / "ImJoyApp").exists()


def test_what_a_mac_s_person_double_clicks_runs_the_same_script(home: Path, tmp_path: Path) -> None:
    done = told(ROOT, "'utils/Install ImJoy.command' --version")
    assert (done.returncode, done.stdout) == (0, told(ROOT, "bash install.sh --version").stdout)
    # Alone, and without a network.
    alone = tmp_path / "Downloads" / "Install ImJoy.command"
    alone.parent.mkdir()
    shutil.copy(ROOT / "utils" / "Install ImJoy.command", alone)
    done = told(alone.parent, "'./Install ImJoy.command'", IMJOY_INSTALL_URL=f"{NOBODY_LISTENS}/install.sh")
    assert done.returncode == 4
    assert "error: install.sh could not be fetched" in done.stderr
    assert not (home / "ImJoyApp").exists()
    whole = alone.read_text()
    for end in range(0, len(whole) - 2, 97):
        alone.write_text(whole[:end])
        cut = told(alone.parent, "'./Install ImJoy.command' --version", IMJOY_INSTALL_URL="http://x.invalid")
        assert "imjoy" not in cut.stdout
