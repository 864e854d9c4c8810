"""The engine's log file: its end, and what is added to it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from imjoy.model.errors import ImJoyError

POLL_SECONDS = 0.2


def tail_log(file: Path, lines: int) -> list[str]:
    """Return the last lines of a log. Raises :class:`ImJoyError` ``log.none`` when there is no log."""
    try:
        with file.open(encoding="utf-8", errors="replace") as log:
            return [line.rstrip("\n") for line in deque(log, maxlen=lines)]
    except OSError as error:
        raise ImJoyError(
            "log.none", f"There is no log at {file}.", why=str(error), fix="imjoy start"
        ) from error


def follow_log(file: Path, lines: int) -> Iterator[str]:
    """Yield the last lines of a log, then each line as it is written, also when the engine begins a new file.

    Never ends by itself. Raises :class:`ImJoyError` ``log.none`` when there is no log at first.
    """
    yield from tail_log(file, lines)
    position, identity = file.stat().st_size, file.stat().st_ino
    while True:
        try:
            now = file.stat()
        except FileNotFoundError:
            # Between two files: the new one appears in a moment.
            time.sleep(POLL_SECONDS)
            continue
        if now.st_ino != identity or now.st_size < position:
            position, identity = 0, now.st_ino
        if now.st_size == position:
            time.sleep(POLL_SECONDS)
            continue
        with file.open("rb") as log:
            log.seek(position)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                position += len(line)
                yield line.decode("utf-8", errors="replace").rstrip("\n")
