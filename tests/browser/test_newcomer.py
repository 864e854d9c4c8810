"""A newcomer: from the icon in the menu to an image of their own, filtered and saved, in six clicks."""

from __future__ import annotations

import json
import os
import re
import shlex
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import ENVIRONMENT_MILLISECONDS, App, Engine, without_public_list
from .test_inputs import cells, tiff

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the icon is one of Linux")

MOST_CLICKS = 6
SECONDS = 120.0
NOWHERE = "http://127.0.0.1:9"
WITHOUT_NETWORK = dict.fromkeys(
    ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), NOWHERE
)


class Newcomer:
    """Somebody who clicks, and counts it."""

    def __init__(self) -> None:
        self.clicks = 0

    def click(self, target: Any) -> None:
        target.click()
        self.clicks += 1

    def choose(self, menu: Any, option: str) -> None:
        menu.select_option(option)
        self.clicks += 1

    def click_on_icon(self, entry: Path, environ: dict[str, str]) -> None:
        """Do what a desktop does with an entry of its menu."""
        found = re.search(r"^Exec=(.*)$", entry.read_text(), re.MULTILINE)
        assert found is not None
        words = shlex.split(found[1])
        subprocess.run(words, env=environ, check=True, stdin=subprocess.DEVNULL, timeout=SECONDS)
        self.clicks += 1


@pytest.fixture
def workspace(tmp_path: Path, stores: Path) -> Iterator[Path]:
    """A workspace that has the app's files and shares environments; its engine is stopped at the end."""
    folder = tmp_path / "workspace"
    (folder / ".imjoy").mkdir(parents=True, mode=0o700)
    for name in ("webapp", "environments"):
        (folder / ".imjoy" / name).symlink_to(stores / name, target_is_directory=True)
    without_public_list(folder / ".imjoy")
    yield folder
    imjoy("stop", "--workspace", str(folder))


def imjoy(*words: str) -> Any:
    """Run imjoy and return its document."""
    argv = [sys.executable, "-m", "imjoy", *words, "--json"]
    return json.loads(
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=SECONDS).stdout
    )


@pytest.mark.timeout(600)
def test_six_clicks_lead_from_the_icon_to_an_own_image_filtered_and_saved_also_without_a_network(
    home: Path, workspace: Path, tmp_path: Path, browser: Any
) -> None:
    # A double of the window, which opens what it is told in the browser of the test.
    browsers = tmp_path / "browsers"
    browsers.mkdir()
    os.mkfifo(told := tmp_path / "told")
    (browsers / "chromium").write_text(f'#!/bin/sh\necho "$1" >"{told}"\n')
    (browsers / "chromium").chmod(0o755)
    environ = {name: value for name, value in os.environ.items() if name not in ("CI", "BROWSER")}
    environ |= {"DISPLAY": ":99", "PATH": f"{browsers}:{environ['PATH']}"}
    files = imjoy("desktop", "add", "--workspace", str(workspace))["files"]
    entry = next(Path(each) for each in files if each.endswith(".desktop"))
    (image := tmp_path / "cells.tif").write_bytes(tiff(cells()))
    for network in (True, False):
        newcomer = Newcomer()
        newcomer.click_on_icon(entry, environ if network else {**environ, **WITHOUT_NETWORK})
        # A profile of its own, as on a clean account.
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(told.read_text().strip().removeprefix("--app="))
        page.get_by_role("button", name="Connected").wait_for()
        url = imjoy("status", "--workspace", str(workspace))["url"]
        app = App(page, Engine(url, workspace, process=None))  # type: ignore[arg-type]  # not ours to stop
        newcomer.click(page.get_by_role("button", name="Gallery"))
        newcomer.click(page.get_by_role("dialog").get_by_role("button", name="Load Filters"))
        app.card("Filters").get_by_text("Ready", exact=True).wait_for(timeout=ENVIRONMENT_MILLISECONDS)
        app.drop(image)
        expect(page.locator(".entry.input")).to_contain_text("uint16 32 × 40")
        newcomer.choose(page.locator(".entry.input").get_by_label("Run a plugin on this"), "Filters")
        newcomer.click(page.get_by_role("dialog").get_by_role("button", name="Run"))
        filtered = page.locator(".entry.result figure.picture").last
        with page.expect_download() as waiting:
            newcomer.choose(filtered.get_by_label("Save"), "tiff")
        assert size(Path(waiting.value.path()).read_bytes()) == (40, 32)
        assert newcomer.clicks <= MOST_CLICKS
        context.close()
        imjoy("stop", "--workspace", str(workspace))


def size(content: bytes) -> tuple[int, int]:
    """Return the width and the height that a TIFF of little-endian numbers says."""
    assert content[:4] == b"II*\0"
    [start] = struct.unpack("<I", content[4:8])
    [count] = struct.unpack("<H", content[start : start + 2])
    tags = [
        struct.unpack("<HHII", content[at : at + 12]) for at in range(start + 2, start + 2 + 12 * count, 12)
    ]
    values = {tag: value & 0xFFFF if kind == 3 else value for tag, kind, _, value in tags}
    return values[256], values[257]
