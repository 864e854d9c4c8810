"""When a browser may open."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pytest

from imjoy.effects.browser import browser_at_hand


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
