"""Files that hold secrets or state: written whole or not at all, readable by their owner only."""

from __future__ import annotations

import os
from pathlib import Path


def ensure_private_folder(folder: Path) -> None:
    """Make ``folder`` and its parents, itself with mode 0700. An existing one is narrowed to 0700.

    Raises ``OSError`` when it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` (UTF-8), mode 0600 from its first byte on.

    Guarantees that a reader sees the old content or the new, never a part. Raises ``OSError``.
    """
    ensure_private_folder(path.parent)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
