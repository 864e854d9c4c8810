"""The person's web browser, through the standard library's `webbrowser`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

OPEN_SECONDS = 2.0


def browser_at_hand(environ: Mapping[str, str]) -> bool:
    """Tell whether a browser window could appear in front of somebody: a display, and not a CI machine."""
    if environ.get("CI"):
        return False
    if sys.platform in ("win32", "darwin"):
        return not environ.get("SSH_CONNECTION")
    return any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def open_file(page: Path) -> None:
    """Open a local page in the default browser, which gets only the path in its argv. Returns within two seconds.

    A browser that does not come is no error: the same words stand on the terminal.
    """
    import webbrowser

    def show() -> None:
        with suppress(webbrowser.Error, OSError):
            webbrowser.open(page.as_uri())

    # In a thread: some browsers that $BROWSER names return only when they are closed.
    opener = threading.Thread(target=show, daemon=True)
    opener.start()
    opener.join(OPEN_SECONDS)
