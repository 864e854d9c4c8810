"""conda and pip of the environment: brought up to date by conda from conda-forge, put back whole when that fails."""

from __future__ import annotations

import json
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from imjoy.context import Context
from imjoy.effects.conda import download_arguments, update_arguments
from imjoy.provision.machine import isolated
from imjoy.provision.receipt import own_folder
from imjoy.provision.steps import Steps
from imjoy.upgrade.journal import Journal, link_or_copy
from imjoy.upgrade.origin import Origin
from imjoy.upgrade.plan import Change

CONDA_FORGE = "conda-forge"
SOLVE_SECONDS = 600.0
LEFT_ALONE = ("pkgs", "envs")
"""Caches and other environments, which nothing of this touches."""
WRITTEN_INTO = ("conda-meta", "etc")
"""conda changes files there in place, so that a hard link would change with them."""


@dataclass(frozen=True)
class BasePlan:
    """What conda would do: ``specs`` are what it is asked for, ``changes`` what that means."""

    conda: Path
    specs: tuple[str, ...]
    changes: tuple[Change, ...]


def find_specs(origin: Origin) -> tuple[str, ...]:
    """Return what conda is to bring up to date: of conda and pip what it has installed here, and this Python as it is.

    Empty where conda has not installed pip.
    """
    there = _recorded(origin.environment)
    if "pip" not in there or not _conda_of(origin).exists():
        return ()
    wanted = ("conda", "pip") if "conda" in there else ("pip",)
    return (*wanted, f"python={platform.python_version()}")


def plan_base(origin: Origin, specs: tuple[str, ...], context: Context) -> BasePlan:
    """Have conda say what it would change. Raises :class:`~imjoy.effects.process.CommandFailed`."""
    conda = _conda_of(origin)
    argv = [str(conda), *update_arguments(origin.environment, specs), "--dry-run", "--json"]
    said = context.run(argv, timeout=SOLVE_SECONDS, environ=isolated(context.environ), whole=True).output
    document = json.loads(said[said.index("{") :])
    linked = document.get("actions", {}).get("LINK", [])
    there, wanted = _recorded(origin.environment), {each["name"]: each["version"] for each in linked}
    changes = [
        Change(name, there.get(name, ""), version)
        for name, version in sorted(wanted.items())
        if there.get(name) != version
    ]
    return BasePlan(conda, specs, tuple(changes))


def fetch_base(plan: BasePlan, origin: Origin, steps: Steps) -> None:
    """Fetch what conda will need into its cache. Raises :class:`~imjoy.provision.steps.StepFailed`."""
    command = [str(plan.conda), *download_arguments(origin.environment, plan.specs)]
    steps.run("fetching conda and pip", command)


class BaseChange:
    """conda's own change of the environment, under a journal that knows every file as it was."""

    def __init__(self, plan: BasePlan, origin: Origin, steps: Steps, saved: Path) -> None:
        self._plan = plan
        self._origin = origin
        self._steps = steps
        self._saved = saved
        self._journal = Journal(origin.home)

    def do(self) -> None:
        """Save everything, then let conda work. After whatever this raises, :meth:`undo` is due."""
        own = own_folder(self._origin.environment).name
        self._saved.mkdir(parents=True)
        trees = []
        for part in self._origin.environment.iterdir():
            if part.name not in (own, *LEFT_ALONE):
                _save(part, self._saved / part.name, copied=part.name in WRITTEN_INTO)
                trees.append((part, self._saved / part.name))
        # conda is a Python of this environment itself, so nobody waits until it is done.
        self._journal.begin(
            self._origin.site, self._saved, [], exchanged=False, trees=trees, waited_for=False
        )
        offline = [*update_arguments(self._origin.environment, self._plan.specs), "--offline"]
        self._steps.run("having conda work", [str(self._plan.conda), *offline])

    def undo(self) -> None:
        """Make every file what it was. Raises ``OSError``; then the journal is left for the next Python that starts."""
        self._journal.abandon()
        self._journal.close()

    def commit(self) -> None:
        """Make the change final. Raises ``OSError`` when it is not."""
        self._journal.commit()
        self._journal.close()


def _conda_of(origin: Origin) -> Path:
    names = ("conda.exe", "conda.bat") if os.name == "nt" else ("conda",)
    found = [origin.scripts / name for name in names]
    return next((each for each in found if each.exists()), found[0])


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
