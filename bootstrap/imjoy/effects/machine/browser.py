"""The person's web browser, through the standard library's `webbrowser`."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

OPEN_SECONDS = 2.0
# Browsers that know --app, which all come from Chromium. On macOS they are applications, on Windows files.
WITH_WINDOWS = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("microsoft-edge", "microsoft-edge-stable", "brave-browser", "vivaldi"),
)
WITH_WINDOWS_ON_MACOS = ("Google Chrome", "Chromium", "Microsoft Edge", "Brave Browser", "Vivaldi")
WITH_WINDOWS_ON_WINDOWS = (
    "Microsoft/Edge/Application/msedge.exe",
    "Google/Chrome/Application/chrome.exe",
    "Chromium/Application/chrome.exe",
)
FOLDERS_OF_WINDOWS = ("ProgramFiles(x86)", "ProgramFiles", "LOCALAPPDATA")


def browser_at_hand(environ: Mapping[str, str]) -> bool:
    """Tell whether a browser window could appear in front of somebody: a display, and not a CI machine."""
    if environ.get("CI"):
        return False
    if sys.platform in ("win32", "darwin"):
        return not environ.get("SSH_CONNECTION")
    return any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def open_window(page: Path, environ: Mapping[str, str]) -> bool:
    """Open a private page of ours in a window of its own, without tabs; tell whether a browser that can is here.

    A browser that ``BROWSER`` names is the person's choice, and gets a tab.
    """
    import subprocess

    argv = [] if environ.get("BROWSER") else window_command(environ)
    if not argv:
        return False
    try:
        subprocess.Popen(
            [*argv, f"--app={page.as_uri()}"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True


def window_command(environ: Mapping[str, str], system: str = sys.platform) -> list[str]:
    """Return what starts a browser that knows ``--app``; empty where there is none. ``system`` is ``sys.platform``."""
    if system == "darwin":
        for name in WITH_WINDOWS_ON_MACOS:
            for folder in (Path("/Applications"), Path(environ.get("HOME") or "/") / "Applications"):
                if (folder / f"{name}.app").is_dir():
                    return ["open", "-n", "-a", str(folder / f"{name}.app"), "--args"]
        return []
    if system == "win32":
        folders = [Path(environ[name]) for name in FOLDERS_OF_WINDOWS if environ.get(name)]
        files = (folder / name for name in WITH_WINDOWS_ON_WINDOWS for folder in folders)
        return next(([str(file)] for file in files if file.is_file()), [])
    found = (shutil.which(name, path=environ.get("PATH")) for name in WITH_WINDOWS)
    return next(([file] for file in found if file is not None), [])


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
