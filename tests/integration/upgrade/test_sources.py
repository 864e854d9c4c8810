"""`imjoy upgrade` from each kind of place, and from one kind to another while the version number stays the same."""

from __future__ import annotations

import ensurepip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.kit.mirror import Mirror
from tests.kit.ports import free_port
from tests.kit.upgrades import GOOD, Machine, broken_records, installed_commit

pytestmark = pytest.mark.timeout(600)

exhaustive = pytest.mark.skipif(
    "IMJOY_UPGRADE_MATRIX" not in os.environ, reason="make upgrade-matrix runs it"
)


def written_down(machine: Machine) -> dict[str, object]:
    """Return what pip would say where imjoy came from."""
    file = next(machine.site.glob("imjoy-*.dist-info")) / "direct_url.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


@contextmanager
def git_daemon(folder: Path) -> Iterator[str]:
    """Serve the repositories below a folder by git's own server; yield the address before their names."""
    port = free_port()
    argv = ["git", "daemon", "--verbose", "--reuseaddr", "--export-all", "--listen=127.0.0.1"]
    argv += [f"--port={port}", f"--base-path={folder}"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "Ready to rumble" in process.stderr.readline()
            yield f"git://127.0.0.1:{port}"
        finally:
            process.terminate()


def test_a_wheel_that_a_server_has_is_fetched_and_a_repository_followed_after_it(
    machine: Machine, mirror: Mirror, wheel: Path
) -> None:
    shutil.copy2(wheel, mirror.folder)
    url = f"{mirror.url}/ok/{wheel.name}"
    check = json.loads(machine.imjoy("upgrade", "--check", "--json", "--from", url).stdout)
    assert (check["available"], check["command"]) == (None, f"imjoy upgrade --from {url}")
    error = machine.upgrade("--from", f"{mirror.url}/404/{wheel.name}", code=4)["error"]
    assert (error["id"], error["fix"]) == ("download.missing", "imjoy doctor --only net")

    done = machine.upgrade("--from", url)
    assert (done["done"], done["old_version"], done["source"]) == (True, done["new_version"], url)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert written_down(machine) == {"url": url, "archive_info": {"hash": f"sha256={digest}"}}
    assert machine.receipt()["source"] == url
    assert machine.upgrade()["action"] == "none"

    assert machine.upgrade("--from", machine.source)["done"]
    assert machine.receipt()["source_id"] == f"commit:{machine.kit.hashes['old']}"
    assert broken_records(machine.site) == []
    assert installed_commit(machine) == "old"


def test_pip_alone_is_brought_up_where_no_conda_is(machine: Machine) -> None:
    for part in (*machine.site.glob("pip"), *machine.site.glob("pip-*.dist-info")):
        shutil.rmtree(part)
    # The pip that this Python brings with it, so that no index is asked.
    only: dict[str, Any] = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(Path(ensurepip.__file__).parent / "_bundled"),
    }
    done = machine.upgrade("--base", **only)
    assert [each["name"] for each in done["packages"]] == ["pip"]
    assert done["done"]
    python = str(machine.prefix / "bin" / "python")
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=True)
    assert machine.imjoy("upgrade", "--base", **only).stdout == "pip is up to date.\n"
    assert broken_records(machine.site) == []
    assert installed_commit(machine) == "old"


@exhaustive
def test_git_s_own_server_is_followed_too(machine: Machine) -> None:
    with git_daemon(machine.forge.folder) as url:
        assert machine.upgrade("--from", f"{url}/imjoy.git@good")["new_id"].endswith(machine.kit.hashes[GOOD])
        assert machine.upgrade()["action"] == "none"
        assert installed_commit(machine) == GOOD
    error = machine.upgrade(code=4)["error"]
    assert error["id"] == "git.unreachable"
    assert broken_records(machine.site) == []


@exhaustive
def test_the_kind_of_place_changes_also_while_the_version_does_not(
    make: Callable[..., Machine], wheel: Path, tmp_path: Path
) -> None:
    machine = make(receipt=False)
    only: dict[str, Any] = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    assert machine.upgrade("--from", "imjoy", **only)["done"]
    assert written_down(machine) == {}
    assert machine.upgrade(**only)["action"] == "none"
    assert machine.upgrade("--from", machine.source)["done"]
    assert written_down(machine)["url"] == machine.forge.url("imjoy")
    assert machine.upgrade()["action"] == "none"
    assert machine.upgrade("--from", wheel.as_uri())["done"]
    assert written_down(machine)["url"] == wheel.as_uri()
    assert machine.upgrade()["action"] == "none"
    assert installed_commit(machine) == "old"


@exhaustive
def test_an_older_one_of_an_index_that_was_named_is_a_downgrade(machine: Machine, wheel: Path) -> None:
    machine.follow(GOOD)
    machine.upgrade()
    only: dict[str, Any] = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheel.parent)}
    error = machine.upgrade("--from", "imjoy", code=3, **only)["error"]
    assert (error["id"], error["fix"]) == (
        "upgrade.downgrade",
        "imjoy upgrade --from imjoy --allow-downgrade",
    )
    assert installed_commit(machine) == GOOD


@exhaustive
def test_pipx_s_own_are_left_to_it_and_its_command_brings_the_newer_one(
    machine: Machine, tmp_path: Path
) -> None:
    environ = {
        **machine.environ,
        "PIPX_HOME": str(tmp_path / "pipx"),
        "PIPX_BIN_DIR": str(tmp_path / "bin"),
        "PIPX_MAN_DIR": str(tmp_path / "man"),
        "PIPX_DEFAULT_PYTHON": sys.executable,
    }

    def run(*command: str, code: int = 0) -> str:
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    imjoy, tool = str(tmp_path / "bin" / "imjoy"), (sys.executable, "-m", "uv", "tool", "run", "--quiet")
    run(*tool, "pipx", "install", machine.source)
    machine.follow("same version")
    error = json.loads(run(imjoy, "upgrade", "--yes", "--json", code=3))["error"]
    assert (error["id"], error["fix"]) == ("upgrade.managed", f"pipx install --force {machine.source}")
    run(*tool, *error["fix"].split())
    assert f"({machine.kit.hashes['same version'][:7]}) is up to date" in run(imjoy, "upgrade", "--check")
