"""Which of the app's files were verified, so that the next start need not read them all again: 2.5 MiB to hash.

It reads no TOML and knows no package: what it notes is each file's size and time, and which list of packages it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from imjoy.effects.disk.files import read_json, write_private

PACKAGES_FILE = Path(__file__).with_name("packages.toml")
NOTE_NAME = "verified.json"


def is_verified(root: Path) -> bool:
    """Whether the files of this version's packages lie under ``root`` as they were when they were verified."""
    try:
        noted = read_json(root / NOTE_NAME)
        if not isinstance(noted, dict) or noted.get("packages") != _packages():
            return False
        files: dict[str, list[int]] = noted["files"]
        return all(_look(root / name) == look for name, look in files.items())
    except (OSError, KeyError, AttributeError):
        return False


def note_verified(root: Path, files: Iterable[Path]) -> None:
    """Note that ``files``, all there are of this version's packages, were verified just now. Failing is no error."""
    with suppress(OSError):
        looks = {file.relative_to(root).as_posix(): _look(file) for file in files}
        write_private(root / NOTE_NAME, json.dumps({"packages": _packages(), "files": looks}) + "\n")


def _packages() -> str:
    return hashlib.sha256(PACKAGES_FILE.read_bytes()).hexdigest()


def _look(file: Path) -> list[int]:
    found = file.stat()
    return [found.st_size, found.st_mtime_ns]
