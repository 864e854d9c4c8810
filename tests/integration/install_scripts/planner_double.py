"""A double of ``imjoy.provision.main``: says what install.sh handed over, as JSON, and ends as ``DOUBLE`` says.

A number is the exit code. ``undo`` waits for a signal, writes a dot for each that came, and ends with 130.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(words: list[str]) -> int:
    """Tell what came, and end."""
    wish = os.environ.get("DOUBLE", "0")
    came: list[int] = []
    ignored = [each.name for each in SIGNALS if signal.getsignal(each) is signal.SIG_IGN]
    if wish == "undo":
        for each in SIGNALS:
            signal.signal(each, lambda number, frame: came.append(number))
    handed = {name: value for name, value in os.environ.items() if name.startswith("IMJOY_DOOR")}
    python = handed.get("IMJOY_DOOR_PYTHON")
    shell = Path("/proc", handed["IMJOY_DOOR_SHELL"], "comm")
    told = {
        "words": words,
        "handed": handed,
        "notices": handed.get("IMJOY_DOOR_NOTICE_LINES", "").splitlines(),
        "whole_python": bool(python and (Path(python) / "bin" / "python3").exists()),
        "shell": shell.read_text().strip() if shell.exists() else "",
        "place": sys.path[0],
        "python": sys.executable,
        "isolated": bool(sys.flags.isolated and sys.dont_write_bytecode),
        "ignored": ignored,
        "input": "terminal" if os.isatty(0) else sys.stdin.read(),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    if wish != "undo":
        return int(wish)
    while not came:
        time.sleep(0.01)
    # Long enough for a signal that was handed on twice to be seen.
    time.sleep(0.5)
    sys.stderr.write(f"undone after {len(came)}\n")
    return 130
