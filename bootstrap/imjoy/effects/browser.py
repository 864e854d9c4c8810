"""The person's web browser, through the standard library's `webbrowser`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def browser_at_hand(environ: Mapping[str, str]) -> bool:
    """Tell whether a browser window could appear in front of somebody: a display, and not a CI machine."""
    if environ.get("CI"):
        return False
    if sys.platform in ("win32", "darwin"):
        return not environ.get("SSH_CONNECTION")
    return any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def open_file(page: Path) -> bool:
    """Open a local page in the default browser; tell whether one was found. Only the path is in its argv."""
    import webbrowser

    try:
        return webbrowser.open(page.as_uri())
    except (webbrowser.Error, OSError):
        return False
