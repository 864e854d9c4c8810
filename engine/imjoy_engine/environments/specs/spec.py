"""The normal form of an environment; how plugins ask for one is read in ``planning``. Nothing here runs anything."""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, field, replace

# What the worker imports, with the last releases that its oldest interpreters can use, and what plugins have always
# found there without asking (20 of 57 published ones use numpy undeclared, 9 requests).
BASE_REQUIREMENTS = (
    "imjoy-rpc<0.6,>=0.5.59",
    "msgpack<2,>=1.0.5",
    "numpy",
    "psutil",
    "requests",
    "six",
    'websockets<18,>=11; python_version >= "3.7"',
    'websockets<10,>=9.1; python_version < "3.7"',
)


def this_platform() -> str:
    """Return the name that conda has for this kind of machine, such as ``linux-64``."""
    system = {"linux": "linux", "darwin": "osx", "win32": "win"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    if machine in ("arm64", "aarch64"):
        return f"{system}-{'aarch64' if system == 'linux' else 'arm64'}"
    return f"{system}-{'64' if machine in ('x86_64', 'amd64') else machine}"


@dataclass(frozen=True)
class Repository:
    """A git repository that is wanted in ``folder`` of the plugin's work folder."""

    url: str
    folder: str
    branch: str = ""
    submodules: bool = False


@dataclass(frozen=True)
class GpuRequest:
    """How many GPUs are wanted, and how busy (0 to 1) one may be and still count as free."""

    limit: int = 1
    max_load: float = 0.5
    max_memory: float = 0.5
    order: str = "first"


@dataclass(frozen=True)
class LockedPackage:
    """One conda package of a lock: exactly this file. ``depends`` are conda's words for what it needs."""

    name: str
    version: str
    url: str
    sha256: str
    depends: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnvironmentSpec:
    """The normal form: equal specs mean the same environment.

    ``python`` is a constraint of conda (``3.8``, ``>=3.6``), or None for the Python that runs the engine, with pip
    packages alone. ``requirements`` are PEP 508 requirements or bare urls, ``conda`` conda packages; both sorted,
    without repetition, the base packages among the former; ``indexes`` are lines of a requirements file that say where
    else the former may come from. ``channels`` are in order of priority, and empty where no
    conda is needed. ``local`` are lines of a requirements file, and ``files`` conda's environment files, that lie in
    the work folder ``work_dir``. ``commands`` and ``repos`` keep their order. ``notes`` tell a person what was left
    out, ``label`` is what the plugin calls the environment, ``asked`` those of ``requirements`` that it names itself,
    ``activates`` an environment of the person's own that it would have, ``as_of`` the day of which its packages are to
    be (empty: today), on which a person may insist; these do not belong to the identity, nor that it is ``dated``: its
    versions are those of that day. With
    ``locked`` the environment is these conda packages and ``requirements`` (lines with hashes), and nothing is solved.
    """

    python: str | None
    requirements: tuple[str, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)
    channels: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    repos: tuple[Repository, ...] = ()
    commands: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    gpu: GpuRequest | None = None
    platform: str = field(default_factory=this_platform)
    work_dir: str = ""
    locked: tuple[LockedPackage, ...] = ()
    indexes: tuple[str, ...] = ()
    label: str = field(default="", compare=False)
    asked: tuple[str, ...] = field(default=(), compare=False)
    activates: str = field(default="", compare=False)
    as_of: str = field(default="", compare=False)
    explicit_day: bool = field(default=False, compare=False)
    dated: bool = field(default=False, compare=False)

    @property
    def needs_conda(self) -> bool:
        """It has a Python of its own, which pip cannot bring."""
        return self.python is not None or bool(self.files)

    @property
    def needs_work_folder(self) -> bool:
        """Something is to be done in the plugin's work folder."""
        return bool(self.repos or self.commands or self.local or self.files)

    def at(self, work_dir: str) -> EnvironmentSpec:
        """Return the spec for one work folder; only what lies in that folder makes it another environment."""
        return replace(self, work_dir=work_dir if self.local or self.files else "")

    def as_json(self) -> dict[str, object]:
        """Return the whole normal form, notes and label too."""
        # Absent where there is none, as the names of environments from before are made of this.
        locked = (
            {"locked": [f"{each.url}#sha256:{each.sha256}" for each in self.locked]} if self.locked else {}
        )
        indexes = {"indexes": list(self.indexes)} if self.indexes else {}
        return {
            **locked,
            **indexes,
            "platform": self.platform,
            "label": self.label,
            "python": self.python,
            "channels": list(self.channels),
            "conda": list(self.conda),
            "pip": list(self.requirements),
            "local": list(self.local),
            "files": list(self.files),
            "repos": [vars(repository) for repository in self.repos],
            "commands": list(self.commands),
            "variables": dict(self.variables),
            "gpu": vars(self.gpu) if self.gpu else None,
            "notes": list(self.notes),
        }


DEFAULT_ENVIRONMENT = EnvironmentSpec(None, tuple(sorted(BASE_REQUIREMENTS)))
