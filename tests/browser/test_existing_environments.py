"""Choosing, on a plugin's card, an environment that somebody else made."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect
from tests.integration.engine.test_existing_environments import (
    add_package,
    make_venv,
    tree_hash,
)
from tests.kit.old_hosts import interpreter

from imjoy.model.layout import Layout
from imjoy_engine.environments.existing.records import ExistingEnvironments

if TYPE_CHECKING:
    from .conftest import App, Seen

PLUGIN = """
<config lang="json">{"name": "Cells", "type": "native-python", "version": "1", "api_version": "0.1.8",
 "requirements": ["tissue>=2"]}</config>
<script lang="python">
import sys
import tissue
from imjoy import api

class Cells:
    async def setup(self):
        await api.log("cells are here")

    def run(self, ctx):
        return {"prefix": sys.prefix, "python": "%d.%d" % sys.version_info[:2]}

api.export(Cells())
</script>
"""


def prepare(app: App, tmp_path: Path, mine: Path) -> None:
    (tmp_path / "Cells.imjoy.html").write_text(PLUGIN)
    app.plugins = tmp_path
    workspace = app.engine.workspace
    layout = Layout(prefix=workspace, workspace=workspace)
    ExistingEnvironments(layout.existing_environments).add("mine", mine / "bin" / "python")


def test_a_plugin_is_sent_into_a_venv_refused_run_anyway_and_stays_there(
    app: App, tmp_path: Path, seen: Seen
) -> None:
    mine = tmp_path / "mine"
    make_venv(mine, interpreter("3.6"))
    before = tree_hash(mine)
    prepare(app, tmp_path, mine)
    page = app.page
    page.reload()  # the page asks how the engine is now and then; a visitor does at once
    page.get_by_role("button", name="Connected").wait_for()
    app.choose("Cells")
    card = app.card("Cells")
    card.get_by_label("Runs in").select_option(label="mine (yours)")
    expect(card.get_by_role("alert")).to_contain_text("tissue>=2 (there is 1.4)")
    card.get_by_role("button", name="Start Cells anyway").click()
    card.get_by_text("Ready", exact=True).wait_for()
    app.run("Cells")
    expect(page.locator(".entry.result")).to_contain_text(str(mine))
    expect(page.locator(".entry.result")).to_contain_text("3.6")
    page.reload()
    expect(app.card("Cells").get_by_label("Runs in").locator("option:checked")).to_have_text("mine (yours)")
    assert tree_hash(mine) == before


def test_a_conda_environment_runs_a_plugin_and_stays_as_it_was(
    app: App, tmp_path: Path, miniconda: Callable[..., Path], channel: object
) -> None:
    conda = miniconda()
    subprocess.run(
        [conda, "create", "-y", "-n", "cells", "--override-channels", "-c", "conda-forge", "python=3.13"],
        capture_output=True,
        check=True,
    )
    mine = conda.parent.parent / "envs" / "cells"
    add_package(next(mine.glob("lib/python3.13/site-packages")), "tissue", "2.1")
    before = tree_hash(mine)
    prepare(app, tmp_path, mine)
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    app.choose("Cells")
    app.card("Cells").get_by_label("Runs in").select_option(label="mine (yours)")
    app.card("Cells").get_by_text("Ready", exact=True).wait_for()
    app.run("Cells")
    expect(app.page.locator(".entry.result")).to_contain_text(str(mine))
    assert tree_hash(mine) == before


def test_an_old_plugin_may_have_the_newest_packages_in_place_of_those_of_its_time(
    app: App, tmp_path: Path, seen: Seen
) -> None:
    old = PLUGIN.replace("0.1.8", "0.1.7").replace("tissue>=2", "").replace("import tissue", "")
    (tmp_path / "Cells.imjoy.html").write_text(old)
    app.plugins = tmp_path

    def starts(request: Any) -> bool:
        return bool(request.method == "POST" and request.url.endswith("/api/v1/plugins"))

    with app.page.expect_request(starts) as first:
        card = app.load("Cells")
    assert "as_of" not in json.loads(first.value.post_data)
    with app.page.expect_request(starts) as second:
        card.get_by_label("Runs in").select_option(label="the newest packages")
    assert json.loads(second.value.post_data)["as_of"] == ""
    card.get_by_text("Ready", exact=True).wait_for()
    app.run("Cells")
    expect(app.page.locator(".entry.result")).to_contain_text("python")
    app.page.reload()
    expect(app.card("Cells").get_by_label("Runs in").locator("option:checked")).to_have_text(
        "the newest packages"
    )
    assert seen.complaints == []
