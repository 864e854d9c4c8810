"""`imjoy upgrade` under an engine that is in use."""

from __future__ import annotations

import asyncio
import json

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
