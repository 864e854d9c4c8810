"""The uv that a machine has already: it brings imjoy's packages without a pip that first has to fetch one."""

from __future__ import annotations

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

MIN_VERSION, BELOW_VERSION = (0, 5), (1,)
UV = "uv>={}.{},<{}".format(*MIN_VERSION, *BELOW_VERSION)
"""As imjoy itself requires it."""
ASK_SECONDS = 5.0
NAME = "uv.exe" if sys.platform == "win32" else "uv"


def find_uv(environ: Mapping[str, str], home: Path) -> Path | None:
    """Return a uv of this machine that imjoy could run on, by the version that it says within five seconds.

    Looks at PATH, beside the Python that runs this, and where uv's and cargo's installers put it.
    """
    from imjoy.effects.processes.process import ask  # the second half of an install asks nobody

    for file in dict.fromkeys(_candidates(environ, home)):
        answer = ask([str(file), "--version"], timeout=ASK_SECONDS, environ=environ)
        if answer.failure:
            # What hangs, or does not start, is no reason to try the whole machine's.
            return None
        version = re.match(r"uv (\d+)\.(\d+)", answer.stdout)
        if answer.ok and version and MIN_VERSION <= tuple(map(int, version.groups())) < BELOW_VERSION:
            return file
    return None


def _candidates(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield what is called uv and is one: a version manager's shim may ask, or download, or change what it runs."""
    folders = (sysconfig.get_path("scripts"), home / ".local" / "bin", home / ".cargo" / "bin")
    for path in (environ.get("PATH", ""), *map(str, folders)):
        found = shutil.which("uv", path=path)
        # Windows looks in the folder that somebody happens to be in, too.
        if found and not any(
            Path(folder) == Path(found).parent for folder in path.split(os.pathsep) if folder
        ):
            continue
        file = Path(found).resolve() if found else None
        if file is not None and file.name.lower() == NAME and "shims" not in Path(str(found)).parts:
            yield file
