"""A machine broken on purpose in twelve ways: each is found under the right id, repaired, and clean afterwards.

The cure is ``imjoy doctor --fix`` where it can repair, else what the finding tells to type, done here by hand.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from imjoy.engines.ports import try_bind
from imjoy.model.errors import ExitCode

from .conftest import InstalledMachine, findings

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX modes and links")

DEFAULT_PORT = 8080


@pytest.fixture(autouse=True)
def default_port_is_free(only_user_of_8080: None) -> None:
    if try_bind("127.0.0.1", DEFAULT_PORT) is not None:
        pytest.skip(f"something on this machine holds port {DEFAULT_PORT}")


@dataclass(frozen=True)
class Exhibit:
    """A way to break a machine; ``cure`` is None where ``--fix`` repairs it."""

    id: str
    breaks: Callable[[InstalledMachine], AbstractContextManager[object] | None]
    cure: Callable[[InstalledMachine], None] | None = None


def not_on_path(machine: InstalledMachine) -> None:
    machine.environ["PATH"] = machine.environ["PATH"].partition(":")[2]


def open_a_new_terminal(machine: InstalledMachine) -> None:
    machine.environ["PATH"] = f"{machine.prefix / 'bin'}:{machine.environ['PATH']}"


def token_for_everybody(machine: InstalledMachine) -> None:
    machine.private.mkdir(parents=True)
    (machine.private / "token").write_text("t" * 43 + "\n")
    (machine.private / "token").chmod(0o644)


def token_that_is_none(machine: InstalledMachine) -> None:
    machine.private.mkdir(parents=True)
    (machine.private / "token").write_text("oops\n")
    (machine.private / "token").chmod(0o600)


def engine_that_was_killed(machine: InstalledMachine) -> None:
    started = json.loads(machine.imjoy("start", "--detach", "--port", "0", "--json").stdout)
    os.kill(started["pid"], signal.SIGKILL)


def engine_that_hangs(machine: InstalledMachine) -> None:
    started = json.loads(machine.imjoy("start", "--detach", "--port", "0", "--json").stdout)
    os.kill(started["pid"], signal.SIGSTOP)


def port_taken(machine: InstalledMachine) -> socket.socket:
    return socket.create_server(("127.0.0.1", DEFAULT_PORT))


def package_of_the_engine_removed(machine: InstalledMachine) -> None:
    (machine.site / "imjoy_engine" / "server.py").rename(machine.home / "server.py")


def put_the_package_back(machine: InstalledMachine) -> None:
    (machine.home / "server.py").rename(machine.site / "imjoy_engine" / "server.py")


def interrupted_pip(machine: InstalledMachine) -> None:
    (machine.site / "~mjoy").mkdir()


def interrupted_install(machine: InstalledMachine) -> None:
    (machine.prefix / ".imjoy" / "incomplete").write_text("interrupted\n")


def finish_the_install(machine: InstalledMachine) -> None:
    (machine.prefix / ".imjoy" / "incomplete").unlink()


def certificate_variable_leads_nowhere(machine: InstalledMachine) -> None:
    machine.environ["SSL_CERT_FILE"] = "/no/such/certificates.pem"


def unset_the_variable(machine: InstalledMachine) -> None:
    del machine.environ["SSL_CERT_FILE"]


def proxy_takes_loopback(machine: InstalledMachine) -> None:
    machine.environ["http_proxy"] = "http://127.0.0.1:3128"
    machine.environ.pop("NO_PROXY", None)
    machine.environ.pop("no_proxy", None)


def except_loopback(machine: InstalledMachine) -> None:
    machine.environ["NO_PROXY"] = "127.0.0.1,localhost"


def workspace_in_the_way(machine: InstalledMachine) -> None:
    machine.workspace.write_text("a file where a folder should be")


def choose_another_workspace(machine: InstalledMachine) -> None:
    machine.environ["IMJOY_WORKSPACE"] = str(machine.home / "another")


GALLERY = [
    Exhibit("path.command", not_on_path, open_a_new_terminal),
    Exhibit("engine.token", token_for_everybody),
    Exhibit("engine.token", token_that_is_none),
    Exhibit("engine.state", engine_that_was_killed),
    Exhibit("engine.state", engine_that_hangs),
    Exhibit("port.free", port_taken),
    Exhibit("install.integrity", package_of_the_engine_removed, put_the_package_back),
    Exhibit("install.integrity", interrupted_pip),
    Exhibit("install.receipt", interrupted_install, finish_the_install),
    Exhibit("net.tls", certificate_variable_leads_nowhere, unset_the_variable),
    Exhibit("net.proxy", proxy_takes_loopback, except_loopback),
    Exhibit("host.home", workspace_in_the_way, choose_another_workspace),
]
# What else is rightly seen of the same cause.
COMPANY = {
    "engine.token": {"engine.starts"},
    "install.integrity": {"engine.starts"},
    "host.home": {"engine.starts", "engine.token"},
}


def test_a_healthy_machine_has_no_finding(healthy: InstalledMachine) -> None:
    found = healthy.doctor()
    assert findings(found) == set(), {id: found[id] for id in findings(found)}
    assert healthy.imjoy("doctor", "--offline", "--strict").returncode == 0


@pytest.mark.slow  # the engine that hangs, which is given time to answer and to end
@pytest.mark.parametrize("exhibit", GALLERY, ids=lambda each: each.breaks.__name__)
def test_what_is_broken_is_found_mended_and_clean_afterwards(
    healthy: InstalledMachine, exhibit: Exhibit
) -> None:
    with ExitStack() as cause:
        holding = exhibit.breaks(healthy)
        if holding is not None:
            cause.enter_context(holding)
        found = healthy.doctor()
        assert exhibit.id in findings(found)
        assert findings(found) <= {exhibit.id} | COMPANY.get(exhibit.id, set())
        finding = found[exhibit.id]
        assert finding["what"]
        assert finding["why"]
        assert finding["command"] or finding["advice"]
        if exhibit.id == "port.free":
            assert f"pid {os.getpid()}" in finding["why"]
    if finding["fix"]:
        repaired = healthy.doctor("--fix", "--yes")
        assert exhibit.id in {each["id"] for each in repaired["fixes"]}
        assert not any(each["error"] for each in repaired["fixes"])
    if exhibit.cure is not None:
        exhibit.cure(healthy)
    again = healthy.doctor()
    assert findings(again) == set(), {id: again[id] for id in findings(again)}


def test_a_python_that_was_removed_is_found_from_any_other_imjoy(healthy: InstalledMachine) -> None:
    python = healthy.prefix / "bin" / "python"
    for each in healthy.prefix.glob("bin/python*"):
        each.unlink()
    python.symlink_to("/opt/python-that-was-removed/bin/python3")
    healthy.environ["PYTHONPATH"] = os.environ["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", "doctor", "--only", "host.python", "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=healthy.environ,
    )
    [check] = json.loads(done.stdout)["checks"]
    assert (check["status"], done.returncode) == ("fail", 1)
    assert "/opt/python-that-was-removed" in check["why"]
    assert "install.sh" in check["command"]


def test_conda_activate_is_found_and_mended_in_the_start_up_file(
    healthy: InstalledMachine, double_conda: Path
) -> None:
    healthy.environ["CONDA_EXE"] = str(double_conda)
    (healthy.home / ".bashrc").write_text("# mine\n")
    assert findings(healthy.doctor()) == {"conda.shell_init"}
    repaired = healthy.doctor("--fix", "--yes")
    [fix] = repaired["fixes"]
    assert "+# >>> conda initialize >>>" in fix["diff"]
    assert fix["undo"].startswith("mv ")
    assert findings(healthy.doctor()) == set()


def test_a_damaged_app_is_fetched_again_while_an_engine_runs(healthy: InstalledMachine) -> None:
    fetching = [str(healthy.prefix / "bin" / "python"), "-m", "imjoy_engine", "fetch"]
    done = subprocess.run(fetching, capture_output=True, text=True, env=healthy.environ, check=False)
    if done.returncode == ExitCode.NETWORK_NEEDED:
        pytest.skip("the app's packages cannot be reached")
    healthy.imjoy("start", "--detach", "--port", "0")
    damaged = next((healthy.private / "webapp").rglob("imjoy-core*.js"))
    before = damaged.stat()
    damaged.write_bytes(bytes(before.st_size))
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert findings(healthy.doctor()) == {"webapp.cache"}
    repaired = healthy.doctor("--fix", "--yes")
    assert [(each["id"], each["error"]) for each in repaired["fixes"]] == [("webapp.cache", "")]
    assert findings(healthy.doctor()) == set()
    assert healthy.imjoy("status").returncode == 0
