"""An engine on one machine and its client on another: two network namespaces with a cable between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from imjoy.model.layout import Layout

from .conftest import plugin_source

# RFC 5737, section 3: addresses for examples.
HERE, THERE = "198.51.100.1", "198.51.100.2"
SECONDS = 60
ENTER = ("nsenter", "--user", "--preserve-credentials", "--net", "--target")
HOLD = ("sh", "-c", "ip link set lo up && echo ready && exec cat")
PLUGIN = "api.export({'setup': lambda: None, 'run': lambda ctx: 'ran'})"


class Machine:
    """A network namespace; it lasts as long as the process that holds it."""

    def __init__(self, holder: subprocess.Popen[str]) -> None:
        self.pid = holder.pid

    def run(self, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this machine, to its end."""
        return subprocess.run(
            [*ENTER, str(self.pid), *command],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def python(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-c", code, *arguments)

    def answers(self, url: str) -> bool:
        """Whether a GET of ``url`` from here is answered, whoever vouches for the certificate."""
        code = (
            "import ssl, sys, urllib.request as r\n"
            "tls = r.HTTPSHandler(context=ssl._create_unverified_context())\n"
            "print(r.build_opener(r.ProxyHandler({}), tls).open(sys.argv[1], timeout=10).status)"
        )
        return self.python(code, url).stdout == "200\n"


@pytest.fixture
def machines() -> Iterator[tuple[Machine, Machine]]:
    """Return two machines, the first with the address HERE, the second with THERE."""
    for tool in ("ip", "nsenter", "unshare"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    with ExitStack() as held:

        def hold(*enter: str) -> Machine:
            holder = held.enter_context(
                subprocess.Popen(
                    [*enter, *HOLD],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            assert holder.stdin is not None and holder.stdout is not None and holder.stderr is not None
            held.callback(holder.kill)
            if holder.stdout.readline() != "ready\n":
                pytest.skip(f"no network namespaces without the right to make them: {holder.stderr.read()}")
            return Machine(holder)

        here = hold("unshare", "--user", "--map-root-user", "--net")
        there = hold(*ENTER, str(here.pid), "unshare", "--net")
        plug = here.run(
            *("ip", "link", "add", "name", "here", "type", "veth"),
            *("peer", "name", "there", "netns", str(there.pid)),
        )
        if plug.returncode != 0:
            pytest.skip(f"this kernel makes no cable between namespaces: {plug.stderr}")
        for machine, end, address in ((here, "here", HERE), (there, "there", THERE)):
            assert machine.run("ip", "address", "add", f"{address}/24", "dev", end).returncode == 0
            assert machine.run("ip", "link", "set", end, "up").returncode == 0
        yield here, there


@pytest.fixture
def start(machines: tuple[Machine, Machine], workspace: Path) -> Iterator[Any]:
    """Return a function that starts a detached engine on the first machine; it is stopped there at the end."""
    here, _ = machines
    imjoy = (sys.executable, "-m", "imjoy")

    def begin(*options: str) -> tuple[dict[str, Any], str]:
        common = ("--port", "0", "--detach", "--workspace", str(workspace))
        started = here.run(*imjoy, "start", *common, "--json", *options)
        told = here.run(*imjoy, "start", *common)
        assert started.returncode == told.returncode == 0, started.stderr + told.stderr
        return json.loads(started.stdout), told.stdout

    yield begin
    assert (
        json.loads(here.run(*imjoy, "stop", "--workspace", str(workspace), "--json").stdout)["how"] == "asked"
    )


def run_plugin(
    machine: Machine, url: str, token: str, certificate: str, folder: Path
) -> list[dict[str, Any]]:
    """Run a plugin from ``machine`` on the engine at ``url``; return what happened."""
    file = folder / "Plugin.imjoy.html"
    file.write_text(plugin_source(PLUGIN))
    done = machine.run(
        *(sys.executable, "-m", "imjoy_engine", "run", str(file), "--workspace", str(folder / "elsewhere")),
        IMJOY_ENGINE_URL=url,
        IMJOY_ENGINE_TOKEN=token,
        IMJOY_ENGINE_CERTIFICATE=certificate,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("options", [(), ("--tls",)], ids=["http", "https"])
def test_every_printed_url_reaches_the_engine_and_plugins_run_from_the_other_machine(
    machines: tuple[Machine, Machine], start: Any, workspace: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    here, there = machines
    engine, told = start("--host", "0.0.0.0", *options)
    state = json.loads(Layout(tmp_path, workspace).state_file.read_text())
    scheme, port = "https" if options else "http", engine["port"]
    assert engine["urls"] == [f"{scheme}://127.0.0.1:{port}", f"{scheme}://{HERE}:{port}"]
    for url in engine["urls"]:
        assert url in told
        assert here.answers(f"{url}/healthz")
    outside = engine["urls"][1]
    assert there.answers(f"{outside}/healthz")
    assert f"ssh -L {port}:127.0.0.1:{port} {HERE}" in told
    assert ("Nothing is encrypted" in told) == (not options)

    token = Path(engine["token_file"]).read_text().strip()
    said = run_plugin(there, outside, token, state["certificate"], tmp_path)
    assert [event["value"] for event in said if event["event"] == "result"] == ["ran"], said
    refused = run_plugin(there, outside, "a-token-that-somebody-guessed", state["certificate"], tmp_path)
    assert [event["error"]["id"] for event in refused if event["event"] == "failed"] == ["auth.token"]

    if options:
        look = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))"
        seen = there.python(look, HERE, str(port))
        assert seen.stdout.strip() == state["certificate"].strip()
        distrustful = run_plugin(there, outside, token, "", tmp_path)
        assert [event["error"]["id"] for event in distrustful if event["event"] == "failed"] == [
            "engine.unreachable"
        ]


def test_what_listens_on_loopback_cannot_be_reached_from_the_other_machine(
    machines: tuple[Machine, Machine], start: Any
) -> None:
    here, there = machines
    engine, told = start("--tls")
    assert here.answers(f"{engine['url']}/healthz")
    assert "remote" not in told
    look = (
        "import psutil, sys\n"
        "for each in psutil.Process(int(sys.argv[1])).net_connections('tcp'):\n"
        "    if each.status == 'LISTEN': print(each.laddr.port)"
    )
    ports = here.python(look, str(engine["pid"])).stdout.split()
    assert len(ports) == 2
    knock = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)"
    for port in ports:
        assert "ConnectionRefusedError" in there.python(knock, HERE, port).stderr


def test_an_address_of_its_own_is_reached_under_that_address(
    machines: tuple[Machine, Machine], start: Any
) -> None:
    _, there = machines
    engine, told = start("--tls", "--host", HERE, "--allow-host", "lab.example")
    port = engine["port"]
    assert urlsplit(engine["url"]).hostname == HERE
    assert engine["urls"] == [engine["url"], f"https://lab.example:{port}"]
    assert f"ssh -L {port}:{HERE}:{port} {HERE}" in told
    assert there.answers(f"{engine['url']}/healthz")
