"""Which Python, and which packages, an old plugin was made for.

numpy 1.18 or TensorFlow 1.15 have no wheels for today's Python, and building them there fails after minutes: who pins
such versions gets the newest Python for which all of them come built. Where nothing is pinned, a plugin that is old by
its API version gets what the index had in its time: today's packages lack names that it uses. What the index offers
says all that; uv reads it as it would for an install.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from imjoy.effects.tools.pip_settings import uv_options
from imjoy_engine.environments.builders.venv_env import build_variables, find_uv, network_is_down
from imjoy_engine.environments.existing.installed import normal_name
from imjoy_engine.environments.progress import Progress, Report
from imjoy_engine.environments.specs.conda_spec_parser import DEFAULT_CHANNEL
from imjoy_engine.environments.specs.dates import month_of
from imjoy_engine.environments.specs.spec import BASE_REQUIREMENTS, EnvironmentSpec, this_platform
from imjoy_engine.environments.specs.targets import UV_PLATFORMS
from imjoy_engine.processes.guarded_process import run_guarded

ASK_SECONDS = 120.0
NEWEST_FIRST = ("3.14", "3.13", "3.12", "3.11", "3.10", "3.9", "3.8", "3.7", "3.6")
DECISIONS_FOLDER = "pythons"
_COMPILE = ("pip", "compile", "--quiet", "--no-header", "--no-annotate")
_BUILT = ("--only-binary", ":all:")
# What no other Python would repair.
_OTHER_REASONS = ("was not found", "were not found", "there is no version", "unauthorized", "forbidden")
_BOUNDING = ("==", "===", "~=", "<", "<=")
_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==\S+(?: ;.*)?")
# Plugins count on it, and it is what the Python of a time had to have.
_TELLS_THE_PYTHON = "numpy"
_INSTALLERS = {"pip", "setuptools", "wheel"}


@dataclass(frozen=True)
class Decision:
    """What an environment is made with: a Python, empty for the engine's own, and versions as of a day, if any."""

    python: str
    pins: tuple[str, ...] = ()
    as_of: str = ""


def host_python() -> str:
    """Return the Python that plugins get which ask for none, as 3.11."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def pins_of(spec: EnvironmentSpec) -> list[str]:
    """Return what the plugin itself asks for in a version that is bounded above; only that can be too old."""
    return sorted(
        str_
        for str_, requirement in _of_the_index(spec)
        if any(each.operator in _BOUNDING for each in requirement.specifier)
    )


def day_of(spec: EnvironmentSpec) -> str:
    """Return the day as of which the environment is to be; empty for today."""
    if spec.needs_conda or spec.locked or not (spec.explicit_day or _of_the_index(spec)):
        return ""
    return spec.as_of if spec.explicit_day or not pins_of(spec) else ""


async def adapt_to_old_pins(
    spec: EnvironmentSpec,
    root: Path,
    environ: Mapping[str, str],
    report: Report,
    *,
    ask: bool = True,
    keep: bool = True,
    own: str = "",
) -> EnvironmentSpec:
    """Return ``spec`` with the Python, and the versions, that the plugin was made for; mostly as it is.

    A decision is kept in ``root``, so that the environment is found again without a network. Without ``ask`` only kept
    ones count, without ``keep`` none is made. Where nothing can be said, because there is no network, no uv, or no
    Python that has all of them, ``spec`` stays as it is. ``own`` is the Python of the engine, where it is another one.
    """
    own = own or host_python()
    if spec.explicit_day and spec.as_of and spec.needs_conda:
        note = "The date does not count here, as the plugin names its Python or conda packages."
        return replace(spec, notes=(*spec.notes, note))
    day = day_of(spec)
    pins = pins_of(spec)
    if (not pins and not day) or spec.needs_conda or spec.locked:
        return spec
    file = _decision(spec, root, own)
    decided = _read(file)
    if decided is None and ask:
        uv = find_uv()
        if uv is None:
            return spec
        index = _Index(uv, spec, environ)
        decided = await (_as_of(index, day, own, report) if day else _for_pins(index, pins, own, report))
        if decided is not None and keep:
            _keep(file, decided)
    return _with(spec, decided, pins, own) if decided else spec


def remember(spec: EnvironmentSpec, root: Path, decision: Decision) -> None:
    """Keep a decision that was made elsewhere."""
    _keep(_decision(spec, root, host_python()), decision)


def recall(spec: EnvironmentSpec, root: Path, own: str = "") -> Decision | None:
    """Return the decision about ``spec`` that is kept."""
    return _read(_decision(spec, root, own or host_python()))


def _with(spec: EnvironmentSpec, decision: Decision, pins: Sequence[str], own: str) -> EnvironmentSpec:
    """Return ``spec`` as it was decided, with a note that says why."""
    python = "" if decision.python == own else decision.python
    if not decision.as_of:
        if not python:
            return spec
        note = f"Made with Python {python}, the newest for which {', '.join(pins)} come built."
        return replace(spec, python=python, channels=(DEFAULT_CHANNEL,), notes=(*spec.notes, note))
    way_out = "" if spec.explicit_day else "; --today for the newest"
    note = f"Made as of {month_of(decision.as_of)}, Python {decision.python}{way_out}."
    pinned = {_name(pin) for pin in decision.pins}
    others = [each for each in spec.requirements if _name(each) not in pinned]
    return replace(
        spec,
        python=python or None,
        channels=(DEFAULT_CHANNEL,) if python else (),
        requirements=tuple(sorted([*others, *decision.pins])),
        notes=(*spec.notes, note),
        dated=True,
    )


class _Index:
    """What the index offers for a plugin, asked by uv."""

    def __init__(self, uv: str, spec: EnvironmentSpec, environ: Mapping[str, str]) -> None:
        self.spec = spec
        self._uv = uv
        self._variables = build_variables(environ)
        self._options = [
            *uv_options(environ),
            *(word for line in spec.indexes for word in line.split(maxsplit=1)),
        ]
        if spec.platform != this_platform() and spec.platform in UV_PLATFORMS:
            self._options += ["--python-platform", UV_PLATFORMS[spec.platform]]

    async def compiled(self, wanted: Sequence[str], python: str, *options: str) -> tuple[bool, list[str]]:
        """Return whether versions of ``wanted`` go together on ``python``; they, or what was said against it."""
        lines: list[str] = []
        descriptor, listing = tempfile.mkstemp(suffix=".in")
        argv = [self._uv, *_COMPILE, *options, *self._options]
        argv += ["--python-version", python, "--python", sys.executable, listing]
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write("".join(f"{line}\n" for line in wanted))
            code = await run_guarded(argv, self._variables, lines.append, seconds=ASK_SECONDS)
        finally:
            os.unlink(listing)  # noqa: PTH108 - a name, no Path
        return code == 0, lines

    async def newest(self, wanted: Sequence[str], pythons: Sequence[str], *options: str) -> str | None:
        """Return the first of ``pythons`` for which all that is wanted comes built, by itself."""
        for python in pythons:
            if (await self.compiled(wanted, python, "--no-deps", *_BUILT, *options))[0]:
                return python
        return None

    async def built(self, wanted: Sequence[str], pythons: Sequence[str], *options: str) -> list[str]:
        """Return those of ``wanted`` that come built for any of ``pythons``."""
        return [each for each in wanted if await self.newest([each], pythons, *options)]


async def _for_pins(index: _Index, pins: Sequence[str], own: str, report: Report) -> Decision | None:
    """Return the Python that pinned versions need; None when that cannot be told."""
    good, lines = await index.compiled(pins, own, "--no-deps", *_BUILT)
    if good:
        return Decision("")
    output = " ".join(lines)
    if network_is_down(lines) or any(sign in output for sign in _OTHER_REASONS):
        return None  # the build says which
    report(Progress("pip", f"Looking for a Python that has {', '.join(pins)}", 0.02))
    older = NEWEST_FIRST[NEWEST_FIRST.index(own) + 1 :] if own in NEWEST_FIRST else NEWEST_FIRST
    python = await index.newest(pins, older)
    if python is None:
        # Some were never built for anything; the others still say what Python they were made for.
        built = await index.built(pins, (own, *older))
        if built and built != list(pins):
            python = await index.newest(built, (own, *older))
    return None if python is None else Decision("" if python == own else python)


async def _as_of(index: _Index, day: str, own: str, report: Report) -> Decision | None:
    """Return the newest Python of that day, and the versions that the index had then; None when it cannot say."""
    report(Progress("pip", f"Looking for the packages of {month_of(day)}", 0.02))
    asked = [text for text, _ in _of_the_index(index.spec)]
    wanted = [
        *asked,
        *([] if any(_name(each) == _TELLS_THE_PYTHON for each in asked) else [_TELLS_THE_PYTHON]),
    ]
    then = ("--exclude-newer", day)
    # Without one of them nothing is known of that time: no network, no dates in the index, another kind of machine.
    python = await index.newest([_TELLS_THE_PYTHON], NEWEST_FIRST, *then)
    if python is None:
        return None
    pythons = NEWEST_FIRST[NEWEST_FIRST.index(python) :]
    common = await index.newest(wanted, pythons, *then)
    if common is None:
        # What did not come built then is taken as it is today.
        wanted = await index.built(wanted, pythons, *then)
        common = await index.newest(wanted, pythons, *then)
    if common is None:
        return None
    ours = ({_name(each) for each in BASE_REQUIREMENTS} | _INSTALLERS) - {_TELLS_THE_PYTHON}
    for alone in ((), ("--no-deps",)):
        good, lines = await index.compiled(wanted, common, *_BUILT, *then, *alone)
        pins = tuple(line for line in lines if _PIN.fullmatch(line) and _name(line) not in ours)
        if not good:
            continue
        rest = [each for each in index.spec.requirements if _name(each) not in {_name(pin) for pin in pins}]
        if (await index.compiled([*rest, *pins], common))[0]:
            return Decision(common, pins, day)
    return None


def _of_the_index(spec: EnvironmentSpec) -> list[tuple[str, Requirement]]:
    """Return what the plugin itself asks for that has a name in the index."""
    found = []
    for text in spec.asked:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.url is None:
            found.append((text, requirement))
    return found


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
    return normal_name(match[0]) if match and "://" not in requirement.partition("@")[0] else requirement


def _decision(spec: EnvironmentSpec, root: Path, own: str) -> Path:
    day = day_of(spec)
    # Of what is not bounded it matters only on a given day.
    key: list[object] = [pins_of(spec), own, spec.platform, list(spec.indexes)]
    key += [day, sorted(text for text, _ in _of_the_index(spec))] if day else []
    return root / DECISIONS_FOLDER / f"{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:24]}.json"


def _read(file: Path) -> Decision | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        decision = Decision(kept["python"], tuple(kept.get("pins", ())), kept.get("as_of", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return decision if not decision.python or decision.python in NEWEST_FIRST else None


def _keep(file: Path, decision: Decision) -> None:
    dated = {"pins": list(decision.pins), "as_of": decision.as_of} if decision.as_of else {}
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.write_text(json.dumps({"python": decision.python, **dated}), encoding="utf-8")
    except OSError:
        return  # then it is asked again
