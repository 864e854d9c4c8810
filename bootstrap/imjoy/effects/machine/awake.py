"""Keeps a Mac awake while something works that nobody types at: it would sleep in the middle of it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

# caffeinate(8): -i holds off the sleep of an idle Mac, not that of a closed lid; -w ends it with us, however we end.
CAFFEINATE = ("/usr/bin/caffeinate", "-i", "-w")
END_SECONDS = 5.0


@contextlib.contextmanager
def kept_awake() -> Iterator[None]:
    """Hold off the sleep of an idle Mac within the block; on other systems, and without caffeinate, do nothing."""
    if sys.platform != "darwin":
        yield
        return
    try:
        process = subprocess.Popen(
            [*CAFFEINATE, str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        yield
        return
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
