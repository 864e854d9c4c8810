"""How much room folders take, as far as that can be told in time."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from imjoy_engine.environments.disk_use import bytes_of

THREADS = 4


def sizes_of(folders: Iterable[Path], seconds: float) -> dict[Path, tuple[int, bool]]:
    """Return for each folder the bytes of its files, and whether all were counted before ``seconds`` had passed.

    The folders take turns, so that the small ones are finished whatever else there is.
    """
    deadline = time.monotonic() + seconds
    counts = {folder: _Count(folder) for folder in folders}
    waiting = list(counts.values())
    lock = threading.Lock()

    def work() -> None:
        while time.monotonic() < deadline:
            with lock:
                if not waiting:
                    return
                count = waiting.pop(0)
            count.step()
            if count.open:
                with lock:
                    waiting.append(count)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {folder: (count.bytes, not count.open) for folder, count in counts.items()}


class _Count:
    """The walk through one folder; ``open`` are the folders in it that it has not looked into."""

    FOLDERS_AT_ONCE = 50

    def __init__(self, folder: Path) -> None:
        self.bytes = 0
        self.open = [str(folder)]

    def step(self) -> None:
        for _ in range(self.FOLDERS_AT_ONCE):
            if not self.open:
                return
            with contextlib.suppress(OSError), os.scandir(self.open.pop()) as entries:
                for entry in entries:
                    with contextlib.suppress(OSError):
                        if entry.is_dir(follow_symlinks=False):
                            self.open.append(entry.path)
                        else:
                            self.bytes += bytes_of(entry)
