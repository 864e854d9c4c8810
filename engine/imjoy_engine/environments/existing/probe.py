"""Asks an interpreter that is not ours what it is, without a trace in its folders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imjoy.effects.processes.process import ask
from imjoy.model.errors import ExitCode, ImJoyError

PROBE_SECONDS = 30.0
OLDEST_PYTHON = (3, 6)
MARK = "imjoy-interpreter:"

# Runs on any Python; the markers are those of PEP 508.
_SCRIPT = (
    r"""
import json, os, platform, sys
version = ".".join(map(str, sys.version_info[:3]))
implementation = getattr(sys, "implementation", None)
found = {
    "version": version,
    "prefix": sys.prefix,
    "base_prefix": getattr(sys, "base_prefix", sys.prefix),
    "cache_tag": getattr(implementation, "cache_tag", None) or "",
    "path": [entry for entry in sys.path if entry],
    "markers": {
        "implementation_name": getattr(implementation, "name", ""),
        "implementation_version": version,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": version,
        "python_version": "%d.%d" % sys.version_info[:2],
        "sys_platform": sys.platform,
    },
}
sys.stdout.write("\n" + """
    + repr(MARK)
    + r""" + json.dumps(found) + "\n")
"""
)


@dataclass(frozen=True)
class Interpreter:
    """What an interpreter said of itself. ``search_path`` is where it looks for modules, ``markers`` PEP 508's."""

    version: str
    prefix: Path
    base_prefix: Path
    cache_tag: str
    search_path: tuple[str, ...]
    markers: Mapping[str, str]


def outside_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``environ`` for an interpreter that is not ours: it is to write nothing beside its modules."""
    kept = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1"}


def probe(python: Path, environ: Mapping[str, str]) -> Interpreter:
    """Run ``python`` for a moment and return what it is.

    Raises:
        ImJoyError: ``env.no-python`` when it does not start, ``env.old-python`` when no worker runs on it.
    """
    answer = ask(
        [str(python), "-B", "-c", _SCRIPT], timeout=PROBE_SECONDS, environ=outside_variables(environ)
    )
    line = next((line for line in answer.stdout.splitlines() if line.startswith(MARK)), None)
    if not answer.ok or line is None:
        raise ImJoyError(
            "env.no-python",
            f"{python} is no Python that starts.",
            why=answer.failure or answer.stderr.strip()[-2000:] or f"It ended with exit code {answer.code}.",
            fix="imjoy env find",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    found = json.loads(line[len(MARK) :])
    version = tuple(int(number) for number in found["version"].split("."))
    if version < OLDEST_PYTHON:
        raise ImJoyError(
            "env.old-python",
            f"{python} is Python {found['version']}; plugins run on 3.6 and newer.",
            fix="imjoy env find",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    return Interpreter(
        version=found["version"],
        prefix=Path(found["prefix"]),
        base_prefix=Path(found["base_prefix"]),
        cache_tag=found["cache_tag"],
        search_path=tuple(found["path"]),
        markers=found["markers"],
    )
