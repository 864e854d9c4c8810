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


def open_page(page: Path, link: str, environ: Mapping[str, str]) -> None:
    """Open a private page of ours in the default browser, which gets only its path in its argv; within two seconds.

    On macOS ``link``, where that page leads to: a file is opened by the editor of such files, where the person has one,
    and a url is handed over without an argv (`webbrowser` writes it to osascript's standard input). A browser that does
    not come is no error: the same words stand on the terminal.
    """
    import webbrowser

    address = link if link and sys.platform == "darwin" and not environ.get("BROWSER") else page.as_uri()

    def show() -> None:
        with suppress(webbrowser.Error, OSError):
            webbrowser.open(address)

    # In a thread: some browsers that $BROWSER names return only when they are closed.
    opener = threading.Thread(target=show, daemon=True)
    opener.start()
    opener.join(OPEN_SECONDS)
