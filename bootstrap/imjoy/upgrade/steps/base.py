"""conda and pip of the environment: brought up to date by conda from conda-forge, put back whole when that fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from imjoy.context import Context
from imjoy.effects.tools.conda import (
    OWN_CONDA,
    conda_of_prefix,
    download_arguments,
    find_document,
    root_of,
    update_arguments,
)
from imjoy.provision.facts.machine import isolated
from imjoy.provision.records.receipt import own_folder
from imjoy.provision.steps.commands import Steps
from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.plan import Change
from imjoy.upgrade.steps.journal import Journal, link_or_copy

CONDA_FORGE = "conda-forge"
PINS_VARIABLE = "CONDA_PINNED_PACKAGES"
SOLVE_SECONDS = 600.0
LEFT_ALONE = ("pkgs", "envs")
"""Caches and other environments, which nothing of this touches."""
WRITTEN_INTO = ("conda-meta", "etc")
"""conda changes files there in place, so that a hard link would change with them."""


@dataclass(frozen=True)
class Base:
    """What conda can bring up to date: packages by ``names`` in ``environment``, where Python stays at its version."""

    conda: Path
    environment: Path
    names: tuple[str, ...]
    python: str


@dataclass(frozen=True)
class BasePlan:
    """What conda would do with a base; ``changes`` are empty when nothing is newer."""

    base: Base
    changes: tuple[Change, ...]


def find_base(origin: Origin) -> Base | None:
    """Return what conda has installed here of conda and pip; None where that is neither.

    A conda that lives in a folder of the prefix is brought up itself; the pip of the prefix is then pip's own matter.
    Of one that was here before, only what it has put into the environment of imjoy is.
    """
    command = conda_of_prefix(origin.environment)
    if command is None or not command.exists():
        return None
    own = root_of(command) == (origin.environment / OWN_CONDA).resolve()
    environment = origin.environment / OWN_CONDA if own else origin.environment
    there = _recorded(environment)
    names = tuple(each for each in (("conda",) if own else ("conda", "pip")) if each in there)
    return Base(command, environment, names, there["python"]) if names and "python" in there else None


def plan_base(base: Base, context: Context) -> BasePlan:
    """Have conda say what it would change. Raises :class:`~imjoy.effects.processes.process.CommandFailed`."""
    argv = [str(base.conda), *update_arguments(base.environment, base.names), "--dry-run", "--json"]
    environ = {**isolated(context.environ), **pins(base, context.environ)}
    output = context.run(argv, timeout=SOLVE_SECONDS, environ=environ, whole=True).output
    actions = find_document(output).get("actions")
    linked = actions.get("LINK", []) if isinstance(actions, dict) else []
    there, wanted = _recorded(base.environment), {each["name"]: each["version"] for each in linked}
    changes = [
        Change(name, there.get(name, ""), version)
        for name, version in sorted(wanted.items())
        if there.get(name) != version
    ]
    return BasePlan(base, tuple(changes))


def fetch_base(plan: BasePlan, steps: Steps, context: Context) -> None:
    """Fetch what conda will need into its cache. Raises :class:`~imjoy.provision.steps.commands.StepFailed`."""
    base = plan.base
    command = [str(base.conda), *download_arguments(base.environment, base.names)]
    steps.run("fetching conda and pip", command, environ=pins(base, context.environ))


def pins(base: Base, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that keeps Python at its version: `conda update` takes names alone.

    Seen with conda 26.7.1; the conda of 2017 reads it too.
    """
    named = environ.get(PINS_VARIABLE)
    pin = f"python={base.python}"
    return {PINS_VARIABLE: f"{named}&{pin}" if named else pin}


class BaseChange:
    """conda's own change of the environment, under a journal that knows every file as it was."""

    def __init__(self, plan: BasePlan, origin: Origin, steps: Steps, context: Context, saved: Path) -> None:
        self._base = plan.base
        self._origin = origin
        self._context = context
        self._steps = steps
        self._saved = saved
        self._journal = Journal(origin.home)

    def do(self) -> None:
        """Save everything, then let conda work. After whatever this raises, :meth:`undo` is due."""
        own = own_folder(self._base.environment).name
        self._saved.mkdir(parents=True)
        trees = []
        for part in self._base.environment.iterdir():
            if part.name not in (own, *LEFT_ALONE):
                _save(part, self._saved / part.name, copied=part.name in WRITTEN_INTO)
                trees.append((part, self._saved / part.name))
        # conda is a Python of this environment itself, so nobody waits until it is done.
        self._journal.begin(
            self._origin.site, self._saved, [], exchanged=False, trees=trees, waited_for=False
        )
        offline = [*update_arguments(self._base.environment, self._base.names), "--offline"]
        variables = pins(self._base, self._context.environ)
        self._steps.run("having conda work", [str(self._base.conda), *offline], environ=variables)

    def undo(self) -> None:
        """Make every file what it was. Raises ``OSError``; then the journal is left for the next Python that starts."""
        self._journal.abandon()
        self._journal.close()

    def commit(self) -> None:
        """Make the change final. Raises ``OSError`` when it is not."""
        self._journal.commit()
        self._journal.close()


def _recorded(environment: Path) -> dict[str, str]:
    found = {}
    for file in (environment / "conda-meta").glob("*.json"):
        document = json.loads(file.read_text(encoding="utf-8"))
        found[str(document["name"])] = str(document["version"])
    return found


def _save(source: Path, target: Path, *, copied: bool) -> None:
    if source.is_dir() and not source.is_symlink():
        target.mkdir()
        for each in source.iterdir():
            _save(each, target / each.name, copied=copied)
    elif copied:
        shutil.copy2(source, target, follow_symlinks=False)
    else:
        link_or_copy(source, target)
