"""What there is, set against what is wanted: the plan of an install, or everything that stands in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from imjoy import __version__
from imjoy.context import Context
from imjoy.effects.conda import Conda, environment_of_imjoy
from imjoy.effects.download import reachable
from imjoy.model.results import Result
from imjoy.provision.installers import NAMES, Distribution, Installer, Name, distribution
from imjoy.provision.linked import environment_of, is_link
from imjoy.provision.machine import Machine, PrefixFound, look_at_machine, look_at_prefix, look_for_conda
from imjoy.provision.preflight import (
    IMJOY_MIB,
    VENV_MIB,
    Finding,
    find_in_prefix,
    notices,
    unsuited,
    unsuited_for_conda,
)
from imjoy.provision.receipt import Receipt, read_receipt
from imjoy.provision.source import Source, find_source

Wish = Literal["auto", "miniconda", "miniforge", "existing", "venv"]
Kind = Literal["miniconda", "miniforge", "existing", "venv"]
Action = Literal["install", "finish", "upgrade", "repair", "none", "refuse"]

IN_ENVIRONMENT: dict[str, Action] = {"unfinished": "finish", "interrupted": "repair", "installed": "upgrade"}
"""What is to be done where the environment ``imjoy`` is ours already: an older Python may have had it made."""
REACH_SECONDS = 10.0
WITHOUT_CONDA = "plugins that name conda packages or another Python will not find one"


@dataclass(frozen=True)
class Wanted:
    """What the options of an install say."""

    prefix: Path
    distribution: Wish = "auto"
    source: str | None = None
    mirror: str | None = None
    offline: Path | None = None
    installer: Path | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Found:
    """What there is: the machine, the prefix, a conda, the source, and why a distribution cannot be had.

    ``works`` is whether the imjoy in the prefix is whole, ``python_works`` whether its Python runs; ``environment`` is
    where that conda has, or will have, the environment ``imjoy``.
    """

    machine: Machine
    prefix: PrefixFound
    receipt: Receipt | None
    works: bool
    python_works: bool
    conda: Conda | None
    environment: PrefixFound | None
    source: Source
    unreachable: Callable[[Distribution], str]


@dataclass(frozen=True)
class Plan(Result):
    """What will be done. ``installer`` is what to run and where it comes from, where there is one.

    ``environment`` is that of a conda that is here, which the prefix is then a link to; None where the prefix itself is
    the environment.
    """

    action: Action
    prefix: Path
    distribution: Kind
    why: str
    source: Source
    conda: Conda | None = None
    environment: Path | None = None
    installer: Installer | None = None
    local_installer: Path | None = None
    offline: Path | None = None
    notices: tuple[str, ...] = ()
    problems: tuple[Finding, ...] = field(default=())

    @property
    def steps(self) -> tuple[str, ...]:
        """Return the steps in order, in the words of the progress lines."""
        if self.action in ("none", "refuse"):
            return ()
        first: tuple[str, ...] = ()
        if self.action in ("install", "finish"):
            title = self.distribution.capitalize()
            first = {
                "venv": ("make the environment",),
                "existing": ("have conda make the environment",),
            }.get(self.distribution, (f"download {title}", f"install {title}"))
        built = () if self.source.kind == "wheel" else ("build imjoy",)
        again = " again" if self.action in ("upgrade", "repair") else ""
        return (*first, *built, f"install imjoy and what it needs{again}", "check that it answers")

    def as_json(self) -> dict[str, object]:
        """Return the same document as ``install.sh --dry-run --json``."""
        return {
            "schema": 1,
            "kind": "plan",
            "version": __version__,
            "action": self.action,
            "prefix": str(self.prefix),
            "distribution": {
                "name": self.distribution,
                "why": self.why,
                "url": self.installer.url if self.installer else "",
                "conda": str(self.conda.command) if self.conda else "",
                "environment": str(self.environment or ""),
            },
            "source": self.source.as_json(),
            "steps": list(self.steps),
            "notices": list(self.notices),
            "problems": [{"id": each.id, "what": each.what, "fix": each.fix} for each in self.problems],
        }


def look(
    wanted: Wanted,
    context: Context,
    *,
    works: Callable[[Path], bool],
    python_works: Callable[[Path], bool],
    use_conda: bool,
) -> Found:
    """Look at everything that a plan depends on. Changes nothing.

    ``works`` tells whether the imjoy in a prefix is whole, ``python_works`` whether its Python runs; without
    ``use_conda`` no conda is looked for.
    """
    prefix = look_at_prefix(wanted.prefix)
    receipt = read_receipt(wanted.prefix)
    changes = prefix.standing in ("installed", "interrupted")
    runs = changes and python_works(wanted.prefix)
    kind = receipt.distribution if receipt is not None and changes else wanted.distribution
    search = use_conda and kind in ("auto", "existing") and not runs
    conda = look_for_conda(context, wanted.prefix) if search else None
    environment = environment_of_imjoy(conda) if conda else None
    machine = look_at_machine(context)
    return Found(
        machine=machine,
        prefix=prefix,
        receipt=receipt,
        works=prefix.standing == "installed" and works(wanted.prefix),
        python_works=runs,
        conda=conda if environment else None,
        environment=look_at_prefix(environment) if environment else None,
        source=find_source(wanted.source, context, wanted.offline),
        unreachable=lambda each: _unreachable(each, machine.platform, wanted),
    )


def make_plan(wanted: Wanted, found: Found, *, better_prefix: Path) -> Plan:
    """Return the plan; with ``refuse`` for its action it names every problem there is."""
    problems: list[Finding] = [found.source.finding] if found.source.finding else []
    if found.prefix.standing in ("installed", "interrupted") and found.receipt is not None:
        plan = _plan_again(wanted, found, found.receipt, problems)
        needed, conda_inside = 0, False
    else:
        plan = _plan_anew(wanted, found, problems)
        conda_inside = plan.distribution in NAMES
        needed = _needed_mib(plan)
    if plan.environment is not None and found.environment is not None:
        problems += find_in_prefix(found.environment, needed_mib=needed, conda=False, better=better_prefix)
        needed = 0
    problems += find_in_prefix(found.prefix, needed_mib=needed, conda=conda_inside, better=better_prefix)
    told = (*plan.notices, *notices(found.machine))
    values = {**plan.__dict__, "notices": told, "problems": tuple(problems)}
    if problems:
        values["action"] = "refuse"
    return Plan(**values)


def _plan_again(wanted: Wanted, found: Found, receipt: Receipt, problems: list[Finding]) -> Plan:
    action: Action = "upgrade"
    told: tuple[str, ...] = ()
    if not found.works:
        action = "repair"
    elif found.source.unreachable:
        action = "none"
        told = (f"{found.source.place.removeprefix('git+')} could not be asked for a newer one",)
    elif found.source.id and found.source.id == receipt.source_id:
        action = "none"
    kind: Kind = receipt.distribution if receipt.distribution in (*NAMES, "existing", "venv") else "venv"  # type: ignore[assignment]
    if not found.python_works:
        # The Python is made anew where it was, from what made it.
        anew = _plan_anew(replace(wanted, distribution=kind), found, problems)
        linked = environment_of(wanted.prefix) if is_link(wanted.prefix) else None
        return replace(anew, action="repair", environment=linked)
    why = "it is what the prefix has"
    other = wanted.distribution not in ("auto", kind)
    if other:
        told = (*told, f"the prefix has {kind}; --distribution chooses for a new one")
    return Plan(action, wanted.prefix, kind, why, found.source, offline=wanted.offline, notices=told)


def _plan_anew(wanted: Wanted, found: Found, problems: list[Finding]) -> Plan:
    action: Action = "install" if found.prefix.standing == "new" else "finish"

    def plan(kind: Kind, why: str, **more: object) -> Plan:
        values = {"offline": wanted.offline, **more}
        return Plan(action, wanted.prefix, kind, why, found.source, **values)  # type: ignore[arg-type]

    wish = wanted.distribution
    if wish == "venv":
        return plan("venv", "it was asked for", notices=(f"without a conda, {WITHOUT_CONDA}",))
    if wish == "existing" and found.conda is None:
        problems.append(
            Finding("conda.none", "there is no conda that works", "--distribution miniconda brings one")
        )
        return plan("existing", "it was asked for")
    name_fits = wish != "auto" or not unsuited_for_conda(wanted.prefix)
    reasons = [] if name_fits else [unsuited_for_conda(wanted.prefix)]
    if found.conda is not None and found.environment is not None:
        why = f"conda {found.conda.version} is here: {found.conda.command}"
        folder, standing = found.environment.path, found.environment.standing
        if standing != "foreign":
            offer = plan("existing", why, conda=found.conda, environment=folder)
            return replace(offer, action=IN_ENVIRONMENT.get(standing, action))
        reason = f"{folder} is an environment that no install of imjoy made"
        reasons.append(reason)
        if wish == "existing":
            fix = f"--distribution miniconda, or, if nobody needs it: conda env remove --prefix {folder}"
            problems.append(Finding("conda.foreign", reason, fix))
            return plan("existing", why)
    for each in [distribution(name) for name in NAMES if wish in ("auto", name) and name_fits]:
        misfit = unsuited(each, found.machine)
        if reason := misfit or found.unreachable(each):
            reasons.append(reason)
            if wish == "auto":
                continue
            id = "host.unsuited" if misfit else "network.installer"
            problems.append(Finding(id, reason, "--distribution venv or existing"))
            return plan(each.name, "it was asked for")
        installer = each.installers[found.machine.platform]
        url = _url(installer, wanted.mirror)
        local = wanted.installer or (wanted.offline / installer.file if wanted.offline else None)
        return plan(
            each.name,
            "; ".join(reasons) or "it brings a Python and a conda of its own",
            installer=Installer(installer.file, url, wanted.sha256 or installer.sha256),
            local_installer=local,
        )
    told = (*reasons, f"without a conda, {WITHOUT_CONDA}")
    return plan("venv", "neither Miniconda nor Miniforge can be had", notices=told)


def _unreachable(each: Distribution, platform: str, wanted: Wanted) -> str:
    installer = each.installers[platform]
    if wanted.installer is not None:
        return ""
    if wanted.offline is not None:
        there = (wanted.offline / installer.file).is_file()
        return "" if there else f"{wanted.offline} does not hold {installer.file}"
    url = _url(installer, wanted.mirror)
    reason = reachable(url, REACH_SECONDS)
    # The words of an exception name internals; a status of HTTP is worth reading.
    return f"{url} cannot be reached{f' ({reason})' if reason.startswith('HTTP ') else ''}" if reason else ""


def _url(installer: Installer, mirror: str | None) -> str:
    return f"{mirror.rstrip('/')}/{installer.file}" if mirror else installer.url


def _needed_mib(plan: Plan) -> int:
    if plan.installer is None:
        return VENV_MIB + IMJOY_MIB
    name: Name = "miniforge" if plan.distribution == "miniforge" else "miniconda"
    table = distribution(name)
    return table.download_mib + table.unpacked_mib + IMJOY_MIB
