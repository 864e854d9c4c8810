"""A plugin on a cluster, as its card shows it: what it waits for, where it runs, how long it may."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect
from tests.kit import slurm as kit
from tests.kit.slurm import Slurm

from imjoy_engine.environments.store.store import EnvironmentStore

from .conftest import CHROMIUM, CHROMIUM_FLAGS, App, Engine, StartEngine, start_playwright

pytestmark = pytest.mark.skipif(bool(kit.why_not()), reason=kit.why_not())
PLUGIN = """
<config lang="json">{"name": "Far", "type": "native-python", "version": "1", "api_version": "0.1.8",
 "resources": {"gpus": 1, "time": "40 min"}}</config>
<script lang="python">
import socket
from imjoy import api

class Far:
    def run(self, ctx):
        return {"host": socket.gethostname()}

api.export(Far())
</script>
"""


@pytest.fixture
def playwright(slurm: Slurm, home: Path) -> Iterator[Playwright]:
    """What starts browsers, on the login node."""
    with start_playwright(home) as playwright:
        yield playwright


@pytest.fixture
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium on the login node."""
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def slurm(stores: Path) -> Iterator[Slurm]:
    """Return a SLURM, on whose login node the test and its browser are."""
    # From there no package can be fetched.
    store = EnvironmentStore(stores / "environments", freeze=False)
    asyncio.run(store.prepare_default(lambda progress: None))
    with kit.slurm_or_skip() as cluster, cluster.login():
        yield cluster


def test_a_card_says_what_it_waits_for_then_where_it_runs_and_how_long(
    slurm: Slurm,
    start_engine: StartEngine,
    open_app: Callable[[Engine], App],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in slurm.environ.items():
        monkeypatch.setenv(name, value)
    workspace = tmp_path / "workspace"
    (workspace / ".imjoy").mkdir(parents=True)
    (workspace / ".imjoy" / "cluster.toml").write_text(f'host = "{slurm.host}"\n')
    (tmp_path / "Far.imjoy.html").write_text(PLUGIN)
    engine = start_engine("--serve", "--cluster", "slurm", workspace=workspace)
    app = open_app(engine)
    app.plugins = tmp_path
    card = app.card("Far")
    with slurm.busy():
        app.choose("Far")
        waiting = card.get_by_text(re.compile("^Waiting on SLURM: (Resources|Priority)"))
        waiting.wait_for()
        expect(card.get_by_text("Waiting", exact=True)).to_be_visible()
        starts = card.get_by_text(re.compile(r"\(starts about \d\d:\d\d\)$"))
        starts.wait_for()
        assert starts.evaluate("line => line.scrollWidth <= line.clientWidth")
        # It can be stopped meanwhile, and its job is gone with it.
        card.get_by_role("button", name="Stop Far").click()
        card.get_by_text("Stopped", exact=True).wait_for()
        expect(waiting).to_have_count(0)
        card.get_by_role("button", name="Start Far").click()
        waiting.wait_for()
    card.get_by_text("Ready", exact=True).wait_for()
    expect(card.get_by_text(re.compile(r"^On n[123], GPU 0, (40|3[0-9]) min left$"))).to_be_visible()
    app.page.get_by_role("button", name="Connected").click()
    expect(app.page.get_by_text(re.compile("^n[123]: 1$"))).to_be_visible()
    app.page.keyboard.press("Escape")
    app.choose_for("Far", "Stop")
    card.get_by_text("Stopped", exact=True).wait_for()
    expect(card.get_by_text(re.compile("^On n"))).to_have_count(0)
