"""The page of an engine on Windows, in a browser of this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from imjoy.model.errors import ImJoyError
from imjoy_engine.webapp.fetch import ensure_webapp
from tests.browser.conftest import (
    App,
    Seen,
    browser,
    browser_command,
    context,
    page,
    playwright,
    profile_options,
    seen,
)
from tests.windows.conftest import EXAMPLES, Windows

__all__ = ["browser", "browser_command", "context", "page", "playwright", "profile_options", "seen"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class WindowsEngine:
    """An engine that serves the app."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token


@pytest.fixture
def engine(windows: Windows) -> Iterator[WindowsEngine]:
    """Return an engine that runs on Windows, with the app that it serves."""
    workspace = f"C:\\wörk {uuid4().hex[:8]}"
    folder = windows.path(workspace)
    try:
        ensure_webapp(folder / ".imjoy" / "webapp", lambda text, done, total: None, environ=os.environ)
        words = ("--detach", "--port", "0", "--serve", "--json", "--workspace", workspace)
        done = windows.run("imjoy", "start", *words)
        assert done.code == 0, done
        yield WindowsEngine(done.document["url"], (folder / ".imjoy" / "token").read_text().strip())
    except ImJoyError as error:
        pytest.skip(f"the web app's packages are missing: {error.why}")
    finally:
        windows.run("imjoy", "stop", "--workspace", workspace)
        shutil.rmtree(folder, ignore_errors=True)


def test_an_example_runs_on_the_page(engine: WindowsEngine, page: Any, seen: Seen, tmp_path: Path) -> None:
    app = App(page, engine, EXAMPLES).connect()  # type: ignore[arg-type]
    app.load("Progress")
    app.run("Progress")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Run").click()
    expect(app.card("Progress").get_by_role("status")).to_contain_text("20 of 20 frames are done")
    page.screenshot(path=os.environ.get("IMJOY_SCREENSHOT") or tmp_path / "page.png")
    assert seen.complaints == []
