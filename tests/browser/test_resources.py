"""What a plugin asks of a cluster: shown on its card, changed by a person, and asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from .conftest import ENVIRONMENT_MILLISECONDS, App, Engine, StartEngine

PLUGIN = """
<config lang="json">{"name": "NAME", "type": "native-python", "version": "1", "api_version": "0.1.8",
 "tags": ["CPU", "GPU"], "env": [{"type": "gputil", "options": {"limit": 2}}], FIELDS}</config>
<script lang="python">
from imjoy import api

api.export({"run": lambda ctx: "done"})
</script>
"""
# A double of SLURM in which all jobs wait; that what each asked for is its reason, the card shows it.
COMMANDS = {
    "sbatch": """cat >/dev/null
for word; do case "$word" in --cpus* | --gres* | --mem* | --time*) asked="$asked $word" ;; esac; done
echo "$asked" >>"$FOLDER/asked"
job=$(($(wc -l <"$FOLDER/asked")))
echo "$job|PENDING|Asked for$asked||N/A|N/A|N/A" >"$FOLDER/queue/$job"
echo "$job"
""",
    "squeue": 'case "$*" in *%j*) ;; *) cat "$FOLDER"/queue/* 2>/dev/null ;; esac\nexit 0\n',
    "scancel": 'rm -f "$FOLDER/queue/$2"\n',
}


@pytest.fixture
def app(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start_engine: StartEngine,
    open_app: Callable[[Engine], App],
) -> App:
    """The app of an engine whose plugins run on a double of SLURM."""
    for folder in ("queue", "commands", "workspace/.imjoy"):
        (tmp_path / folder).mkdir(parents=True)
    for name, does in COMMANDS.items():
        command = tmp_path / "commands" / name
        command.write_text(f"#!/bin/sh\nFOLDER='{tmp_path}'\n{does}")
        command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'commands'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    workspace = tmp_path / "workspace"
    (workspace / ".imjoy" / "cluster.toml").write_text(
        'host = "127.0.0.1"\n[default]\nmemory = "2 GB"\n[maximum]\ncpus = 4\ntime = "90 min"\n'
    )
    app = open_app(start_engine("--serve", "--cluster", "slurm", workspace=workspace))
    app.plugins = tmp_path
    return app


def test_what_a_plugin_asks_for_is_seen_and_changed_within_the_maximum(app: App) -> None:
    resources = '"resources": {"CPU": {"gpus": 0}, "GPU": {"cpus": 2, "time": "40 min"}}'
    (app.plugins / "Far.imjoy.html").write_text(PLUGIN.replace("NAME", "Far").replace("FIELDS", resources))
    app.choose("Far")
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_label("Which one?").select_option("GPU")
    dialog.get_by_role("button", name="Load").click()
    card = app.card("Far")
    waiting = card.get_by_text("Waiting on SLURM: Asked for")
    waiting.wait_for(timeout=ENVIRONMENT_MILLISECONDS)
    expect(waiting).to_contain_text("--cpus-per-task=2 --gres=gpu:2 --mem=1908M --time=40")
    expect(card.get_by_text("Asks SLURM for 2 CPUs, 2 GPUs, 2 GB, 40 min")).to_be_visible()

    change = card.get_by_role("button", name="Change what Far asks for")
    change.click()
    expect(dialog.get_by_label("Memory")).to_have_value("2 GB")
    cpus = dialog.get_by_label("CPUs")
    cpus.fill("5")
    dialog.get_by_role("button", name="Start").click()
    # The browser says that there are at most four.
    assert cpus.evaluate("field => field.validity.rangeOverflow")
    cpus.fill("3")
    dialog.get_by_label("GPUs").fill("0")
    dialog.get_by_label("Memory").fill("4 GB")
    dialog.get_by_role("button", name="Start").click()
    expect(waiting).to_contain_text("--cpus-per-task=3 --mem=3815M --time=40")
    expect(card.get_by_text("Asks SLURM for 3 CPUs, 4 GB, 40 min")).to_be_visible()

    change.click()
    expect(dialog.get_by_text("For example 2 h. At most 90 min.")).to_be_visible()
    dialog.get_by_label("Time").fill("2 h")
    dialog.get_by_role("button", name="Start").click()
    expect(card.get_by_role("alert")).to_contain_text("Far asks for more time than you allow")

    # It is remembered, until the person asks for what the plugin does.
    app.page.reload()
    expect(card.get_by_text("Asks SLURM for 3 CPUs, 4 GB, 2 h")).to_be_visible()
    change.click()
    for label, value in (("CPUs", "2"), ("GPUs", "2"), ("Memory", "2 GB"), ("Time", "")):
        dialog.get_by_label(label).fill(value)
    dialog.get_by_role("button", name="Start").click()
    expect(waiting).to_contain_text("--cpus-per-task=2 --gres=gpu:2 --mem=1908M --time=40")
    assert app.page.evaluate("() => localStorage.getItem('imjoy.resources')") == "{}"


def test_a_plugin_that_stays_on_the_engine_s_machine_asks_for_nothing(app: App) -> None:
    plugin = PLUGIN.replace("NAME", "Near").replace('["CPU", "GPU"]', '["CPU"]')
    (app.plugins / "Near.imjoy.html").write_text(plugin.replace("FIELDS", '"where": {"CPU": "engine"}'))
    card = app.load("Near")
    expect(card.get_by_text("Asks SLURM for")).to_have_count(0)
    app.run("Near")
    expect(app.page.locator(".entry.result")).to_contain_text("done")
