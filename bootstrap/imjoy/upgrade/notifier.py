"""Says at the start of an engine that a newer imjoy is available; another process asks, nobody waits for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from imjoy.context import Context
from imjoy.effects.processes.process import module_command, spawn
from imjoy.model.layout import Layout

SILENCING_VARIABLES = ("CI", "IMJOY_NO_UPDATE_CHECK")


def is_wanted(context: Context, *, as_json: bool) -> bool:
    """Whether somebody is there to read it and has not asked for silence."""
    silenced = any(context.environ.get(name) for name in SILENCING_VARIABLES)
    return sys.stdout.isatty() and sys.stderr.isatty() and not as_json and not silenced


class Notifier:
    """Asks while it is entered, and calls ``tell`` with a line when something newer is available. Errors are silent."""

    def __init__(self, layout: Layout, context: Context, tell: Callable[[str], None]) -> None:
        self._layout = layout
        self._context = context
        self._tell = tell
        self._process: subprocess.Popen[bytes] | None = None
        self._left = threading.Event()

    def __enter__(self) -> Notifier:
        places = ["--workspace", str(self._layout.workspace), "--prefix", str(self._layout.prefix)]
        with suppress(OSError):
            self._process = spawn(
                module_command("imjoy", ["upgrade", "--check", "--json", *places]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                environ=self._context.environ,
            )
            threading.Thread(target=self._wait, args=(self._process,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        if self._process is None:
            return
        with suppress(OSError):
            if sys.platform == "win32":
                self._process.kill()
            else:
                # Its group too: a git that waits for the network.
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        output, _ = process.communicate()
        try:
            found = json.loads(output)
        except ValueError:
            return
        if found.get("available") and not found.get("pinned") and not self._left.is_set():
            self._tell(f"A newer imjoy is available: {found['command']}")
