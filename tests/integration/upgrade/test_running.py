"""`imjoy upgrade` under an engine that is in use."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
import urllib.request
from typing import Any
from urllib.error import URLError

import pytest
from tests.integration.engine.conftest import plugin_source
from tests.integration.upgrade.terminal import Terminal
from tests.kit.upgrades import GOOD, NEW_VERSION, WAIT_SECONDS, Machine, installed_commit

from imjoy_engine.terminal.client import EngineClient

pytestmark = pytest.mark.timeout(600)
IDLE = "class Plugin:\n    def setup(self):\n        pass\n\napi.export(Plugin())\n"


def test_plugins_in_use_are_named_before_and_the_engine_serves_at_the_same_port_after(
    machine: Machine,
) -> None:
    engine = json.loads(machine.imjoy("start", "--detach", "--port", "0", "--no-open", "--json").stdout)
    client = EngineClient(engine["url"], machine.imjoy("token").stdout.strip())
    for name in ("Waves", "Spectral unmixing"):
        asyncio.run(client.start_plugin(source=plugin_source(IDLE, name=name), file="test.imjoy.html"))
    machine.follow(GOOD)

    plan = json.loads(machine.imjoy("upgrade", "--dry-run", "--json").stdout)
    assert (plan["action"], plan["done"], plan["new_version"]) == ("upgrade", False, NEW_VERSION)
    assert plan["commits"] == [f"{machine.kit.hashes[GOOD][:7]} Be good"]
    assert installed_commit(machine) == "old"
    assert (plan["engines"], plan["plugins"]) == ([engine["url"]], ["Waves", "Spectral unmixing"])
    still = json.loads(machine.imjoy("status", "--json").stdout)
    assert (still["pid"], len(still["details"]["plugins"])) == (engine["pid"], 2)

    terminal = Terminal(machine, *machine.command("upgrade"))
    said = terminal.read_until("Do it? [Y/n]")
    assert f"The engine at {engine['url']} will be stopped and started again." in said
    assert "Plugins in use that end with it: Waves, Spectral unmixing" in said
    terminal.type("\r")
    terminal.read_until(f"the engine at {engine['url']} serves again")
    assert terminal.process.wait(WAIT_SECONDS) == 0
    terminal.end()
    assert installed_commit(machine) == GOOD
    after = json.loads(machine.imjoy("status", "--json").stdout)
    assert (after["running"], after["url"], after["details"]["version"]) == (True, engine["url"], NEW_VERSION)
    assert after["pid"] != engine["pid"]
    assert after["details"]["plugins"] == []


def test_the_page_upgrades_an_engine_that_was_started_at_login(machine: Machine) -> None:
    # The service manager's double: the unit's command in the foreground, and nothing that looks after it.
    argv = machine.command("start", "--serve", "--no-open", "--port", "0", "--json")
    with subprocess.Popen(
        argv, env=machine.environ, cwd=machine.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as service:
        assert service.stdout is not None
        try:
            engine = json.loads(service.stdout.readline())
            machine.follow(GOOD)
            token = machine.imjoy("token").stdout.strip()
            assert _ask(engine["url"], token, "upgrade")["new_id"] == f"commit:{machine.kit.hashes[GOOD]}"
            assert _ask(engine["url"], token, "upgrade", "POST") == {"upgrading": True}
            service.communicate(timeout=WAIT_SECONDS)
        finally:
            service.kill()
    deadline = time.monotonic() + WAIT_SECONDS
    # The same address and token, as the page has no others.
    while not (outcome := _ask(engine["url"], token, "upgrade/outcome").get("outcome")):
        assert time.monotonic() < deadline
    assert outcome["done"], outcome
    status = _ask(engine["url"], token, "status")
    assert (status["version"], status["pid"] != engine["pid"]) == (NEW_VERSION, True)


def _ask(url: str, token: str, path: str, method: str = "GET") -> dict[str, Any]:
    """Return what the engine answers; nothing where none answers."""
    asked = urllib.request.Request(f"{url}/api/v1/{path}", method=method)
    asked.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(asked, timeout=WAIT_SECONDS) as answer:
            return dict(json.load(answer))
    except (URLError, ConnectionError):
        return {}
