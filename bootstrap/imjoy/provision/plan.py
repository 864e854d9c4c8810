"""What there is, set against what is wanted: the plan of an install, or everything that stands in its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from imjoy import FLOOR, __version__
from imjoy.context import Context
from imjoy.effects.tools.conda import Conda, environment_of_imjoy, find_condas
from imjoy.model.results import Result
from imjoy.provision.arguments import DistributionChoice
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.facts.installers import (
    NAMES,
    Distribution,
    Installer,
    PythonBuild,
    distribution,
    python_build,
)
from imjoy.provision.facts.machine import Machine, PrefixFound, look_at_machine, look_at_prefix
from imjoy.provision.facts.preflight import (
    IMJOY_MIB,
    PYTHON_MIB,
    VENV_MIB,
    Finding,
    find_in_prefix,
    notices,
    why_build_unsupported,
    why_conda_unsupported,
    why_unsupported,
)
from imjoy.provision.facts.pythons import Python, find_python
from imjoy.provision.facts.source import Source, find_source
from imjoy.provision.records.conda_link import environment_of, is_link
from imjoy.provision.records.receipt import Receipt, read_receipt

Kind = Literal["miniconda", "miniforge", "existing", "venv"]
KINDS: tuple[Kind, ...] = ("miniconda", "miniforge", "existing", "venv")
Action = Literal["install", "finish", "upgrade", "repair", "none", "refuse"]

IN_ENVIRONMENT: dict[str, Action] = {"unfinished": "finish", "interrupted": "repair", "installed": "upgrade"}
"""What is to be done where the environment ``imjoy`` is ours already: an older Python may have had it made."""
REACH_SECONDS = 10.0


@dataclass(frozen=True)
class Wanted:
    """What the options of an install say."""

    prefix: Path
    distribution: DistributionChoice = "auto"
    source: str | None = None
    mirror: str | None = None
    offline: Path | None = None
    installer: Path | None = None
    sha256: str | None = None
    python_url: str = ""
    python_sha256: str = ""


@dataclass(frozen=True)
class Found:
    """What there is: the machine, the prefix, a conda, the source, and how to ask what costs time.

    ``works`` is whether the imjoy in the prefix is whole, ``python_works`` whether its Python runs; ``environment`` is
    where that conda has, or will have, the environment ``imjoy``; ``conda_reasons`` say why a conda was passed over.
    """

    machine: Machine
    prefix: PrefixFound
    receipt: Receipt | None
    works: bool
    python_works: bool
    conda: Conda | None
    conda_reasons: tuple[str, ...]
    environment: PrefixFound | None
    source: Source
    script: InstallScript
    python: Callable[[], tuple[Python | None, Python | None]]
    reach: Callable[[str], str]


@dataclass(frozen=True)
class Plan(Result):
    """What will be done. ``installer`` is what to run and where it comes from, where there is one.

    ``environment`` is that of a conda that is here, which the prefix is then a link to; None where the prefix itself is
    the environment. ``python`` makes the environment, or ``brought_python``, a whole Python that the install script
    downloaded, or ``python_build``, which is to be downloaded.
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
    python: Python | None = None
    python_build: PythonBuild | None = None
    brought_python: Path | None = None
    offline: Path | None = None
    make_python: bool = False
    notices: tuple[str, ...] = ()
    problems: tuple[Finding, ...] = field(default=())

    @property
    def target(self) -> Path:
        """Return the folder in which Python really lies."""
        return self.environment or environment_of(self.prefix)

    @property
    def steps(self) -> tuple[str, ...]:
        """Return the steps in order, in the words of the progress lines."""
        if self.action in ("none", "refuse"):
            return ()
        first: tuple[str, ...] = ()
        if self.make_python:
            title = self.distribution.capitalize()
            first = {
                "venv": ("make the environment",),
                "existing": ("have conda make the environment",),
            }.get(self.distribution, (f"download {title}", f"install {title}", "make the environment"))
            if self.python_build is not None:
                first = ("download Python", *first)
        built = () if self.source.kind == "wheel" else ("build imjoy",)
        again = " again" if self.action in ("upgrade", "repair") else ""
        return (*first, *built, f"install imjoy and what it needs{again}", "check that it answers")

    def as_json(self) -> dict[str, object]:
        """Return the document of ``--dry-run --json``."""
        return {
            "schema": 1,
            "kind": "plan",
            "version": __version__,
            "action": self.action,
            "prefix": str(self.prefix),
            "python": {
                "path": self.python.base if self.python else "",
                "version": self.python.release if self.python else "",
                "url": self.python_build.url if self.python_build else "",
            },
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
    script: InstallScript,
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
    changes = prefix.state in ("installed", "interrupted")
    runs = changes and python_works(wanted.prefix)
    kind = receipt.distribution if receipt is not None and changes else wanted.distribution
    search = use_conda and kind in ("auto", "existing") and not runs
    conda, reasons = (
        find_condas(context.home, context.environ, except_in=wanted.prefix) if search else (None, ())
    )
    environment = environment_of_imjoy(conda) if conda else None
    return Found(
        machine=look_at_machine(),
        prefix=prefix,
        receipt=receipt,
        works=prefix.state == "installed" and works(wanted.prefix),
        python_works=runs,
        conda=conda if environment else None,
        conda_reasons=reasons,
        environment=look_at_prefix(environment) if environment else None,
        source=find_source(wanted.source, context, wanted.offline, script),
        script=script,
        python=lambda: find_python(context.environ),
        reach=_reach,
    )


def make_plan(wanted: Wanted, found: Found, *, better_prefix: Path) -> Plan:
    """Return the plan; with ``refuse`` for its action it names every problem there is."""
    problems: list[Finding] = [found.source.finding] if found.source.finding else []
    if found.prefix.state in ("installed", "interrupted") and found.receipt is not None:
        plan = _plan_again(wanted, found, found.receipt, problems)
    else:
        plan = _plan_anew(wanted, found, problems)
    plan = _with_python(plan, wanted, found, problems)
    needed = _needed_mib(plan) if plan.make_python else 0
    if plan.environment is not None and found.environment is not None:
        problems += find_in_prefix(found.environment, needed_mib=needed, conda=False, better=better_prefix)
        needed = 0
    inside = plan.distribution in NAMES and plan.make_python
    problems += find_in_prefix(found.prefix, needed_mib=needed, conda=inside, better=better_prefix)
    noticed = (*found.script.notices, *plan.notices, *_foreign_conda(plan, found), *notices(found.machine))
    plan = replace(plan, notices=tuple(dict.fromkeys(noticed)), problems=tuple(problems))
    return replace(plan, action="refuse") if problems else plan


def _plan_again(wanted: Wanted, found: Found, receipt: Receipt, problems: list[Finding]) -> Plan:
    action: Action = "upgrade"
    noticed: tuple[str, ...] = ()
    if not found.works:
        action = "repair"
    elif found.source.unreachable:
        action = "none"
        noticed = (f"{found.source.place.removeprefix('git+')} could not be asked for a newer one",)
    elif found.source.id and found.source.id == receipt.source_id:
        action = "none"
    kind: Kind = next((each for each in KINDS if each == receipt.distribution), "venv")
    if not found.python_works:
        # The Python is made anew where it was, from what made it.
        anew = _plan_anew(replace(wanted, distribution=kind), found, problems)
        linked = environment_of(wanted.prefix) if is_link(wanted.prefix) else None
        return replace(anew, action="repair", environment=linked)
    why = "it is what the prefix has"
    if wanted.distribution not in ("auto", kind):
        noticed = (*noticed, f"the prefix has {kind}; --distribution chooses for a new one")
    return Plan(action, wanted.prefix, kind, why, found.source, offline=wanted.offline, notices=noticed)


def _plan_anew(wanted: Wanted, found: Found, problems: list[Finding]) -> Plan:
    action: Action = "install" if found.prefix.state == "new" else "finish"

    def plan(kind: Kind, why: str, **more: object) -> Plan:
        values = {"offline": wanted.offline, "make_python": True, **more}
        return Plan(action, wanted.prefix, kind, why, found.source, **values)  # type: ignore[arg-type]

    choice = wanted.distribution
    if choice == "venv":
        return plan("venv", "it was asked for")
    passed = found.conda_reasons
    if choice == "existing" and found.conda is None:
        problems.append(
            Finding("conda.none", "there is no conda that works", "--distribution miniconda brings one")
        )
        return plan("existing", "it was asked for", notices=passed)
    misnamed = why_conda_unsupported(wanted.prefix) if choice == "auto" else ""
    reasons = [*passed, *([misnamed] if misnamed else [])]
    if found.conda is not None and found.environment is not None:
        why = f"conda {found.conda.version} is here: {found.conda.command}"
        folder, state = found.environment.path, found.environment.state
        linkable = found.prefix.takes_links
        if state != "foreign" and linkable:
            offer = plan("existing", why, conda=found.conda, environment=folder, notices=passed)
            return replace(offer, action=IN_ENVIRONMENT.get(state, action))
        id, reason = "conda.foreign", f"{folder} is an environment that no install of imjoy made"
        fix = f"--distribution miniconda, or, if nobody needs it: conda env remove --prefix {folder}"
        if not linkable:
            id, fix = "prefix.link", "choose a folder on another disk: --prefix DIR"
            reason = f"the disk of {found.prefix.nearest} takes no link, which would lead to {folder}"
        reasons.append(reason)
        if choice == "existing":
            problems.append(Finding(id, reason, fix))
            return plan("existing", why)
    for each in [distribution(name) for name in NAMES if choice in ("auto", name) and not misnamed]:
        misfit = why_unsupported(each, found.machine)
        if reason := misfit or _unreachable(each, found, wanted):
            reasons.append(reason)
            if choice == "auto":
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
            notices=tuple(reasons),
        )
    why = "conda cannot live in this prefix" if misnamed else "neither Miniconda nor Miniforge is available"
    return plan("venv", why, notices=tuple(reasons))


def _with_python(plan: Plan, wanted: Wanted, found: Found, problems: list[Finding]) -> Plan:
    """Choose the Python that makes the environment, or what to download where none is good enough."""
    if not plan.make_python or plan.distribution not in ("venv", "existing"):
        return plan
    if found.script.python is not None:
        return replace(plan, brought_python=found.script.python)
    python, best = found.python()
    if python is not None:
        return replace(plan, python=python)
    if best is None:
        lack = f"imjoy needs Python {_floor()} or newer, and there is none on PATH"
    elif best.missing and best.version[:2] >= FLOOR:
        lack = f"{best.executable} is Python {best.release}, which lacks {best.missing}"
    else:
        lack = f"imjoy needs Python {_floor()} or newer, and the best here is Python {best.release}"
    noticed = (*plan.notices, lack)
    build = _build(found.machine, wanted)
    reason = f"there is no Python to be downloaded for {found.machine.platform or 'this machine'}"
    if build is not None:
        reason = why_build_unsupported(build, found.machine)
        if not reason and wanted.offline is not None:
            there = (wanted.offline / build.file).is_file()
            reason = "" if there else f"{wanted.offline} does not hold {build.file}"
        elif not reason:
            reason = _words_of(build.url, found.reach(build.url))
    if not reason:
        return replace(plan, python_build=build, notices=noticed)
    if best is not None and best.missing and best.version[:2] >= FLOOR:
        short = ".".join(map(str, best.version[:2]))
        problems.append(
            Finding("host.venv", lack, f"sudo apt install python{short}-venv brings it on Debian")
        )
    else:
        asked = build is not None and "cannot be reached" in reason
        id = "network.python" if asked else "host.python"
        problems.append(Finding(id, lack, "install Python 3.12 from https://www.python.org/downloads"))
    return replace(plan, notices=(*plan.notices, reason))


def _build(machine: Machine, wanted: Wanted) -> PythonBuild | None:
    build = python_build(machine.platform + ("-musl" if machine.libc == "musl" else ""))
    if build is None:
        return None
    if wanted.python_url:
        name = wanted.python_url.rstrip("/").rpartition("/")[2]
        return replace(build, url=wanted.python_url, file=name, sha256=wanted.python_sha256)
    return replace(build, url=f"{wanted.mirror.rstrip('/')}/{build.file}") if wanted.mirror else build


def _foreign_conda(plan: Plan, found: Found) -> Iterator[str]:
    """Yield what has to be known of a conda that makes environments for another kind of processor."""
    conda, here = plan.conda, found.machine.platform
    if conda is not None and conda.platform and here and conda.platform != here:
        yield (
            f"{conda.command} is for {conda.platform} and this machine is {here}: what it makes is translated, and "
            "slower; --distribution miniforge brings one for this machine"
        )


def _reach(url: str) -> str:
    # Most installs ask no server, and without this one starts in half the time.
    from imjoy.effects.network.http import reachable

    return reachable(url, REACH_SECONDS)


def _unreachable(each: Distribution, found: Found, wanted: Wanted) -> str:
    installer = each.installers[found.machine.platform]
    if wanted.installer is not None:
        return ""
    if wanted.offline is not None:
        there = (wanted.offline / installer.file).is_file()
        return "" if there else f"{wanted.offline} does not hold {installer.file}"
    url = _url(installer, wanted.mirror)
    return _words_of(url, found.reach(url))


def _words_of(url: str, reason: str) -> str:
    # The words of an exception name internals; a status of HTTP is worth reading.
    return f"{url} cannot be reached{f' ({reason})' if reason.startswith('HTTP ') else ''}" if reason else ""


def _url(installer: Installer, mirror: str | None) -> str:
    return f"{mirror.rstrip('/')}/{installer.file}" if mirror else installer.url


def _floor() -> str:
    return ".".join(map(str, FLOOR))


def _needed_mib(plan: Plan) -> int:
    python = PYTHON_MIB if plan.python_build or plan.brought_python else 0
    if plan.installer is None or plan.distribution not in NAMES:
        return VENV_MIB + IMJOY_MIB + python
    table = distribution(plan.distribution)
    return table.download_mib + table.unpacked_mib + IMJOY_MIB
