"""Processes of a test run that take turns."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imjoy.effects.disk.file_lock import take_lock

POLL_SECONDS = 0.05


@contextmanager
def turn_at(file: Path) -> Iterator[None]:
    """Hold the lock on ``file``, as soon as nobody else does."""
    while (lock := take_lock(file)) is None:
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
