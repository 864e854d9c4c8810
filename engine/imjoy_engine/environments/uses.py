"""Which plugin used which environment last, so that it is known what is unused."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from imjoy.effects.files import read_json
from imjoy_engine.environments.prefix import MARKER_NAME

USES_FOLDER = "uses"


@dataclass(frozen=True)
class Use:
    """A plugin, the environment that it used last, and when (seconds since the epoch)."""

    plugin: str
    tag: str
    workspace: str
    environment: str
    time: float


def note_use(python: Path, plugin: str, tag: str, workspace: str) -> None:
    """Remember that a plugin uses the environment of ``python``, and no longer the one before: one small file."""
    prefix = python.parent.parent if python.parent.name in ("bin", "Scripts") else python.parent
    name = hashlib.sha256(json.dumps([plugin, tag, workspace]).encode()).hexdigest()[:24]
    use = {
        "plugin": plugin,
        "tag": tag,
        "workspace": workspace,
        "environment": prefix.name,
        "time": time.time(),
    }
    # It only helps to tidy up: where it cannot be written the plugin runs all the same.
    with contextlib.suppress(OSError):
        if (prefix / MARKER_NAME).exists():
            folder = prefix.parent / USES_FOLDER
            folder.mkdir(exist_ok=True)
            beside = folder / f".{name}.{os.getpid()}"
            beside.write_text(json.dumps(use), encoding="utf-8")
            beside.replace(folder / f"{name}.json")


def read_uses(root: Path) -> Iterator[Use]:
    """Yield what was noted in the store at ``root``."""
    for file in (root / USES_FOLDER).glob("*.json"):
        with contextlib.suppress(OSError, TypeError):
            yield Use(**cast("dict[str, Any]", read_json(file)))
