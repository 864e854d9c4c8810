"""A page that goes away, or only seems to be there, in the middle of a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from playwright.sync_api import expect
from tests.kit.tunnel import Tunnel

from .conftest import ENVIRONMENT_MILLISECONDS, App, Engine

SLOW = """<config lang="json">
{"name": "Slow", "type": "native-python", "version": "0.1.0", "api_version": "0.1.8"}
</config>
<script lang="python">
import os, time
from imjoy import api

def wait():
    time.sleep(600)

api.export({"setup": lambda: None, "pid": os.getpid, "wait": wait, "echo": lambda value: value})
</script>
"""


def load_slow(app: App, folder: Path) -> int:
    """Load the plugin that takes its time; return its process."""
    file = folder / "Slow.imjoy.html"
    file.write_text(SLOW, encoding="utf-8")
    app.page.get_by_test_id("plugin-file").set_input_files(file)
    app.card("Slow").get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)
    return int(app.call("Slow", "pid"))


def test_a_reload_in_the_middle_of_a_call_ends_the_plugin_and_the_page_starts_it_anew(
    app: App, tmp_path: Path
) -> None:
    process = psutil.Process(load_slow(app, tmp_path))
    app.begin_call("Slow", "wait")
    app.page.reload()
    app.page.get_by_role("button", name="Connected").wait_for()
    process.wait(60)
    app.card("Slow").get_by_text("Ready", exact=True).wait_for()
    assert app.call("Slow", "pid") != process.pid
    assert app.call("Slow", "echo", 7) == 7


def test_a_call_whose_line_died_while_the_laptop_slept_ends_with_an_error(
    start_engine: Callable[..., Engine], page: Any, tmp_path: Path
) -> None:
    engine = start_engine("--serve", "--silence", "0.9")
    with Tunnel(urlsplit(engine.url).port or 0) as tunnel:
        page.clock.install()
        app = App(page, replace(engine, url=tunnel.url)).connect()
        process = psutil.Process(load_slow(app, tmp_path))
        app.begin_call("Slow", "wait")
        app.page.evaluate("() => { window.answer.catch((error) => (window.failed = error.message)); }")
        tunnel.freeze()
        process.wait(60)
        page.clock.fast_forward(60_000)
        page.wait_for_function("() => window.failed")
        assert "Slow" in page.evaluate("() => window.failed")
        expect(app.card("Slow")).not_to_contain_text("Ready")
