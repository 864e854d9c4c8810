"""The engine's log file: its end, and what is added to it."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from imjoy.effects.disk.files import chown_command, other_owner
from imjoy.effects.machine.windows import open_shared
from imjoy.model.errors import ImJoyError

POLL_SECONDS = 0.2


def tail_log(file: Path, lines: int) -> list[str]:
    """Return the last lines of a log.

    Raises :class:`ImJoyError` ``log.none`` when there is no log, ``log.unreadable`` when what is there is none.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise OSError(errno.EINVAL, "It is no file", str(file))
        with file.open(encoding="utf-8", errors="replace") as log:
            return [line.rstrip("\n") for line in deque(log, maxlen=lines)]
    except FileNotFoundError as error:
        raise ImJoyError(
            "log.none", f"There is no log at {file}.", why=str(error), fix="imjoy start"
        ) from error
    except OSError as error:
        raise ImJoyError(
            "log.unreadable",
            f"The log {file} cannot be read.",
            why=f"{error.strerror}. {other_owner(file)}".rstrip(),
            fix=chown_command(file.parent) or "imjoy doctor --fix",
        ) from error


def follow_log(file: Path, lines: int) -> Iterator[str]:
    """Yield the last lines of a log, then each line as it is written, also when the engine begins a new file.

    Never ends by itself. Raises :class:`ImJoyError` as :func:`tail_log` does.
    """
    begun = len(tail_log(file, lines))
    log = open_shared(file)
    try:
        pending = b"".join(deque(log, maxlen=begun))
        while True:
            *whole, pending = pending.split(b"\n")
            yield from (line.decode("utf-8", errors="replace") for line in whole)
            # In this order: nothing is written to the old file once there is a new one.
            replaced = _is_another(file, log)
            more = log.read()
            if more:
                pending += more
            elif replaced:
                log.close()
                log, pending = open_shared(file), b""
            else:
                time.sleep(POLL_SECONDS)
    finally:
        log.close()


def _is_another(file: Path, log: BinaryIO) -> bool:
    try:
        now, then = file.stat(), os.fstat(log.fileno())
    except FileNotFoundError:
        # Between two files: the new one appears in a moment.
        return False
    return (now.st_dev, now.st_ino) != (then.st_dev, then.st_ino)
