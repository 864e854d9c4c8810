"""When a browser may open."""

from __future__ import annotations

import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path

import pytest

from imjoy.effects.machine.browser import browser_at_hand, open_page


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there every session has a display")
@pytest.mark.parametrize(
    ("environ", "there"),
    [
        ({}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"BROWSER": "firefox"}, True),
        ({"DISPLAY": ":0", "CI": "true"}, False),
    ],
)
def test_a_browser_opens_only_where_somebody_can_see_it(environ: Mapping[str, str], there: bool) -> None:
    assert browser_at_hand(environ) is there


@pytest.mark.parametrize(
    ("platform", "environ", "is_link"),
    [
        ("darwin", {}, True),
        ("darwin", {"BROWSER": "firefox"}, False),
        ("linux", {}, False),
        ("win32", {}, False),
    ],
)
def test_on_a_mac_the_engine_s_url_opens_as_a_file_would_open_an_editor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, environ: Mapping[str, str], is_link: bool
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(sys, "platform", platform)
    page, link = tmp_path / "welcome.html", "http://127.0.0.1:8080/#code=c"
    open_page(page, link, environ)
    assert opened == [link if is_link else page.as_uri()]
    open_page(page, "", environ)
    assert opened[1] == page.as_uri(), "without an engine that answers"
