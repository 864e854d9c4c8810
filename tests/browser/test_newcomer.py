"""A newcomer: from the install line to an image of their own, filtered and saved, in six clicks."""

from __future__ import annotations

import json
import os
import re
import shlex
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import (
    CHROMIUM,
    ENVIRONMENT_MILLISECONDS,
    PATIENCE_MILLISECONDS,
    App,
    Engine,
    without_public_list,
)
from .test_inputs import cells, tiff

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the icon is one of Linux")

MAX_CLICKS = 6
SECONDS = 120.0
ROOT = Path(__file__).parents[2]
PROGRAM = Path("ImJoyApp", "bin", "imjoy")
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


@pytest.fixture(scope="module")
def browser_command() -> str | None:
    """The browser that a newcomer has, with its windows."""
    return CHROMIUM


@pytest.fixture
def account(home: Path, stores: Path) -> Iterator[Path]:
    """A clean account; its workspace has the app's files and shares environments, its engine is stopped at the end."""
    private = home / "ImJoyWorkspace" / ".imjoy"
    private.mkdir(parents=True, mode=0o700)
    for name in ("webapp", "environments"):
        (private / name).symlink_to(stores / name, target_is_directory=True)
    without_public_list(private)
    yield home
    if (home / PROGRAM).exists():
        imjoy(home, "stop")


def imjoy(account: Path, *words: str) -> Any:
    """Run the account's imjoy and return its document."""
    argv = [str(account / PROGRAM), *words, "--json"]
    done = subprocess.run(argv, env=variables(account), check=True, capture_output=True, timeout=SECONDS)
    return json.loads(done.stdout)


def variables(account: Path, **more: str) -> dict[str, str]:
    """Return the variables of a new account: nothing of this one's but where programs and their caches are."""
    kept = (
        "PATH",
        "LANG",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "UV_CACHE_DIR",
        "PIP_CACHE_DIR",
        "PIP_FIND_LINKS",
    )
    return {"HOME": str(account), **{name: os.environ[name] for name in kept if name in os.environ}, **more}


@contextmanager
def typed_install_line(environ: dict[str, str], *options: str) -> Iterator[None]:
    """Do what the README's line does: the script through a pipe, and the engine of `--start` until the end."""
    with (ROOT / "install.sh").open() as script, (Path(environ["HOME"]) / "install.log").open("wb") as log:
        argv = ["bash", "-s", "--", "--start", *options]
        with subprocess.Popen(argv, env=environ, stdin=script, stdout=log, stderr=log) as line:
            try:
                yield
            finally:
                line.terminate()


@pytest.mark.timeout(900)
def test_six_clicks_lead_from_the_install_line_to_an_own_image_filtered_and_saved_also_without_a_network(
    account: Path, wheel: Path, tmp_path: Path, browser: Any
) -> None:
    # Doubles of a browser, which pass on what they are told to open to the one of the test.
    browsers = tmp_path / "browsers"
    browsers.mkdir()
    os.mkfifo(told := tmp_path / "told")
    for name in ("chromium", "a-browser"):
        (browsers / name).write_text(f'#!/bin/sh\necho "$1" >"{told}"\n')
        (browsers / name).chmod(0o755)
    environ = variables(account, DISPLAY=":99", BROWSER=f"{browsers / 'a-browser'} %s")
    environ["PATH"] = f"{browsers}:{environ['PATH']}"
    (image := tmp_path / "cells.tif").write_bytes(tiff(cells()))
    newcomer = Newcomer()
    with typed_install_line(
        environ, "--from", str(wheel), "--distribution", "venv", "--desktop", "--", "--port", "0"
    ):
        filter_and_save(newcomer, browser, told, account, image)
        imjoy(account, "stop")
    assert newcomer.clicks <= MAX_CLICKS
    # The next day, by the icon, and without a network.
    newcomer = Newcomer()
    entry = Path(os.environ["XDG_DATA_HOME"], "applications", "imjoy.desktop")
    del environ["BROWSER"]
    newcomer.click_on_icon(entry, {**environ, **WITHOUT_NETWORK})
    filter_and_save(newcomer, browser, told, account, image)
    assert newcomer.clicks <= MAX_CLICKS


def filter_and_save(newcomer: Newcomer, browser: Any, told: Path, account: Path, image: Path) -> None:
    """Go from the page that a browser is told to open to a TIFF of the filtered image."""
    # A profile of its own, as on a clean account.
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page.goto(told.read_text().strip().removeprefix("--app="))
    # The first start greets, and hands over the token for other apps.
    if page.title() == "ImJoy Plugin Engine":
        newcomer.click(page.get_by_role("link", name="Open it, connected"))
    page.get_by_role("button", name="Connected").wait_for()
    url = imjoy(account, "status")["url"]
    app = App(page, Engine(url, account / "ImJoyWorkspace", process=None))  # type: ignore[arg-type]  # not ours to stop
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
    context.close()


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
