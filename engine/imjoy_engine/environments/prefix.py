"""What an environment looks like on disk."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path, PurePath
from typing import TypeVar

MARKER_NAME = "imjoy-environment.json"
REMOVE_TRIES = 20
REMOVE_PAUSE_SECONDS = 0.1

AnyPath = TypeVar("AnyPath", bound=PurePath)


def interpreter_of(prefix: Path) -> Path:
    """Return where the interpreter of the environment ``prefix`` is."""
    if sys.platform == "win32" and (prefix / "conda-meta").exists():
        return prefix / "python.exe"
    return prefix / "Scripts" / "python.exe" if sys.platform == "win32" else prefix / "bin" / "python"


def ready_interpreter(prefix: Path) -> Path | None:
    """Return the interpreter of ``prefix`` when it is a finished environment, at the price of two looks at the disk."""
    interpreter = interpreter_of(prefix)
    # The interpreter is a link into the Python it was made from, which may have been removed since.
    return interpreter if (prefix / MARKER_NAME).exists() and interpreter.exists() else None


def prefix_and_path_folders(python: AnyPath) -> tuple[AnyPath, list[AnyPath]]:
    """Return the folder of a Python's environment, and what activation of it puts on PATH."""
    folder = python.parent
    if folder.name.lower() in ("bin", "scripts"):
        return folder.parent, [folder]
    inside = ("Library/mingw-w64/bin", "Library/usr/bin", "Library/bin", "Scripts", "bin")
    return folder, [folder, *(folder / each for each in inside)]


async def remove_tree(prefix: Path) -> None:
    """Remove a folder with everything in it, off the event loop, because one environment has 10,000 files."""
    for tries_left in reversed(range(REMOVE_TRIES)):
        try:
            await asyncio.to_thread(shutil.rmtree, prefix)
        except FileNotFoundError:
            return
        except OSError:
            # The processes of a killed build may need a moment to be gone.
            if not tries_left:
                raise
            await asyncio.sleep(REMOVE_PAUSE_SECONDS)
        else:
            return
