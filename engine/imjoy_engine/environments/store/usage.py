"""Which plugin used which environment last, and which are in use, so that it is known what is unused."""

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

from imjoy.effects.disk.files import read_json
from imjoy.effects.processes.process import birth_of, find_process
from imjoy_engine.environments.prefix import MARKER_NAME

USES_FOLDER = "uses"
RUNNING_FOLDER = "running"
FORGET_SECONDS = 7 * 24 * 3600.0


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
    prefix = _prefix(python)
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


def note_running(python: Path, plugin_id: str) -> Path | None:
    """Remember, until the file that is returned is removed, that a plugin of this engine runs on ``python``.

    By its command line alone a process is not known: a framework's Python on macOS has another one.
    """
    prefix = _prefix(python)
    record = {"environment": prefix.name, "pid": os.getpid(), "birth": birth_of(os.getpid())}
    file = prefix.parent / RUNNING_FOLDER / f"{plugin_id}.json"
    with contextlib.suppress(OSError):
        if (prefix / MARKER_NAME).exists():
            file.parent.mkdir(exist_ok=True)
            beside = file.with_name(f".{file.name}")
            beside.write_text(json.dumps(record), encoding="utf-8")
            beside.replace(file)
            return file
    return None


def running(root: Path) -> set[str]:
    """Return the environments in the store at ``root`` that engines which live on this machine have noted."""
    found = set()
    for file in (root / RUNNING_FOLDER).glob("*.json"):
        try:
            record = cast("dict[str, Any]", read_json(file))
            lives = find_process(record["pid"], record["birth"]) is not None
            name = str(record["environment"])
        except (OSError, TypeError, LookupError, ValueError):
            continue
        if lives:
            found.add(name)
            continue
        # What a killed engine left; that of an engine on another machine, which shares the store, looks the same.
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > FORGET_SECONDS:
                file.unlink()
    return found


def _prefix(python: Path) -> Path:
    return python.parent.parent if python.parent.name in ("bin", "Scripts") else python.parent
