"""Which Python can have the versions that an old plugin pins: the newest for which all of them come built.

numpy 1.18 or TensorFlow 1.15 have no wheels for today's Python, and building them there fails after minutes. What the
index offers says for which Python they were made; uv reads that as it would for an install.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from imjoy.effects.pip_settings import uv_options
from imjoy_engine.environments.conda_words import DEFAULT_CHANNEL
from imjoy_engine.environments.progress import Progress, Report
from imjoy_engine.environments.spec import EnvironmentSpec
from imjoy_engine.environments.tethered import run_tethered
from imjoy_engine.environments.venv_env import build_variables, find_uv, network_is_down

ASK_SECONDS = 120.0
NEWEST_FIRST = ("3.13", "3.12", "3.11", "3.10", "3.9", "3.8", "3.7", "3.6")
DECISIONS_FOLDER = "pythons"
_COMPILE = (
    "pip",
    "compile",
    "--quiet",
    "--no-header",
    "--no-annotate",
    "--no-deps",
    "--only-binary",
    ":all:",
)
# What no other Python would mend.
_OTHER_REASONS = ("was not found", "were not found", "there is no version", "unauthorized", "forbidden")
_BOUNDING = ("==", "===", "~=", "<", "<=")


def pins_of(spec: EnvironmentSpec) -> list[str]:
    """Return what the plugin itself asks for in a version that is bounded above; only that can be too old."""
    found = []
    for text in spec.asked:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.url is None and any(each.operator in _BOUNDING for each in requirement.specifier):
            found.append(text)
    return sorted(found)


async def for_old_pins(
    spec: EnvironmentSpec,
    root: Path,
    environ: Mapping[str, str],
    report: Report,
    *,
    ask: bool = True,
    keep: bool = True,
) -> EnvironmentSpec:
    """Return ``spec`` with the Python that its pinned versions need, where the engine's own is too new for them.

    A decision is kept in ``root``, so that the environment is found again without a network. Without ``ask`` only kept
    ones count, without ``keep`` none is made. Where nothing can be said, because there is no network, no uv, or no
    Python that has all of them, ``spec`` stays as it is.
    """
    pins = pins_of(spec)
    if not pins or spec.needs_conda or spec.locked:
        return spec
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    file = _decision(spec, root)
    decided = _read(file)
    if decided is None and ask:
        decided = await _decide(pins, own, spec, environ, report)
        if decided is not None and keep:
            _keep(file, decided)
    return with_python(spec, decided, pins) if decided else spec


def with_python(spec: EnvironmentSpec, python: str, pins: Sequence[str]) -> EnvironmentSpec:
    """Return ``spec`` for another Python, which conda brings, with a note that says why."""
    note = f"Made with Python {python}, the newest for which {', '.join(pins)} come built."
    return replace(spec, python=python, channels=(DEFAULT_CHANNEL,), notes=(*spec.notes, note))


def remember(spec: EnvironmentSpec, root: Path, python: str) -> None:
    """Keep a decision that was made elsewhere."""
    _keep(_decision(spec, root), python)


def _decision(spec: EnvironmentSpec, root: Path) -> Path:
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return root / DECISIONS_FOLDER / f"{_identity(pins_of(spec), own, spec)}.json"


async def _decide(
    pins: Sequence[str], own: str, spec: EnvironmentSpec, environ: Mapping[str, str], report: Report
) -> str | None:
    """Return the Python that is wanted, empty for the engine's own, None when that cannot be told."""
    uv = find_uv()
    if uv is None:
        return None
    variables = build_variables(environ)
    options = [*uv_options(environ), *(word for line in spec.indexes for word in line.split(maxsplit=1))]

    async def offered(wanted: Sequence[str], python: str) -> tuple[bool, list[str]]:
        lines: list[str] = []
        listing = await _listing(wanted)
        argv = [uv, *_COMPILE, *options, "--python-version", python, "--python", sys.executable, listing]
        try:
            code = await run_tethered(argv, variables, lines.append, seconds=ASK_SECONDS)
        finally:
            os.unlink(listing)  # noqa: PTH108 - a name, no Path
        return code == 0, lines

    good, lines = await offered(pins, own)
    if good:
        return ""
    said = " ".join(lines)
    if network_is_down(lines) or any(sign in said for sign in _OTHER_REASONS):
        return None  # the build says which
    report(Progress("pip", f"Looking for a Python that has {', '.join(pins)}", 0.02))
    older = NEWEST_FIRST[NEWEST_FIRST.index(own) + 1 :] if own in NEWEST_FIRST else NEWEST_FIRST
    for python in older:
        if (await offered(pins, python))[0]:
            return python
    # Some were never built for anything; the others still say what Python they were made for.
    built = [pin for pin in pins if any([(await offered([pin], python))[0] for python in (own, *older)])]
    if built and built != list(pins):
        for python in (own, *older):
            if (await offered(built, python))[0]:
                return "" if python == own else python
    return None


async def _listing(wanted: Sequence[str]) -> str:
    import tempfile

    descriptor, name = tempfile.mkstemp(suffix=".in")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in wanted))
    return name


def _identity(pins: Sequence[str], own: str, spec: EnvironmentSpec) -> str:
    told = json.dumps([list(pins), own, spec.platform, list(spec.indexes)])
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def _read(file: Path) -> str | None:
    try:
        python = json.loads(file.read_text(encoding="utf-8"))["python"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return python if isinstance(python, str) and (not python or python in NEWEST_FIRST) else None


def _keep(file: Path, python: str) -> None:
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(json.dumps({"python": python}), encoding="utf-8")
    except OSError:
        return  # then it is asked again
