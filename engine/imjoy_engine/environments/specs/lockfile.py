"""A plugin's lock, as `imjoy lock` writes it: read for one platform, and held against what the plugin asks for today.

It is a ``conda-lock.yml`` (version 1) whose ``custom_metadata`` says which normal form it answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.specs.spec import EnvironmentSpec, LockedPackage

VERSION = 1
SUFFIX = ".conda-lock.yml"
PLUGIN_SUFFIX = ".imjoy.html"
ANSWERS = "imjoy_answers_"
"""Before a platform's name, in ``custom_metadata``: the digest of what was wanted there."""


@dataclass(frozen=True)
class PlatformLock:
    """What a lock has for one platform: conda packages, lines of a requirements file, the digest that it answers."""

    conda: tuple[LockedPackage, ...]
    pip: tuple[str, ...]
    answers: str


def lock_file_of(plugin: Path, tag: str | None) -> Path:
    """Return where the lock of a plugin file lies: beside it, one for each tag that is named."""
    stem = plugin.name.removesuffix(PLUGIN_SUFFIX)
    return plugin.with_name(f"{stem}.{tag}{SUFFIX}" if tag else f"{stem}{SUFFIX}")


def digest_of(spec: EnvironmentSpec) -> str:
    """Return what changes when a plugin asks for other packages."""
    wanted = [spec.python, spec.channels, spec.conda, sorted(spec.requirements)]
    return hashlib.sha256(json.dumps(wanted).encode()).hexdigest()


def locked(spec: EnvironmentSpec, text: str) -> EnvironmentSpec:
    """Return ``spec`` with its packages replaced by those that the lock ``text`` names for its platform.

    Raises ImJoyError ``lock.unreadable``, ``lock.platform`` when it has nothing for this platform, ``lock.stale`` when
    the plugin has come to ask for something else since, ``lock.unlockable`` for what no lock can hold.
    """
    refuse_unlockable(spec)
    lock = read_lock(text, spec.platform)
    if lock.answers != digest_of(spec):
        raise ImJoyError(
            "lock.stale",
            "The lock is not for what the plugin asks for now.",
            why='Its "env" or "requirements" have changed since it was locked, or it is another plugin\'s.',
            fix="imjoy lock FILE",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    python = next(each.version for each in lock.conda if each.name == "python")
    return replace(spec, python=python, conda=(), requirements=lock.pip, locked=lock.conda)


def read_lock(text: str, platform: str) -> PlatformLock:
    """Return what a lock has for a platform. Raises ImJoyError as :func:`locked` does."""
    try:
        document = _load(text)
        mine = [each for each in document["package"] if each["platform"] == platform]
        conda = tuple(_conda_package(each) for each in mine if each["manager"] == "conda")
        pip = tuple(sorted(_pip_line(each) for each in mine if each["manager"] == "pip"))
        known = document["metadata"].get("custom_metadata") or {}
        answers = str(known.get(ANSWERS + platform, ""))
        platforms = ", ".join(map(str, document["metadata"]["platforms"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ImJoyError(
            "lock.unreadable",
            "The lock cannot be read.",
            why=f"{type(error).__name__}: {error}",
            fix="imjoy lock FILE writes it again",
            exit_code=ExitCode.USAGE,
        ) from error
    if not any(each.name == "python" for each in conda):
        raise ImJoyError(
            "lock.platform",
            f"The lock has nothing for {platform}.",
            why=f"It was made for {platforms}.",
            fix=f"imjoy lock FILE --platform {platform}",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    return PlatformLock(conda, pip, answers)


def refuse_unlockable(spec: EnvironmentSpec) -> None:
    """Raise ImJoyError ``lock.unlockable`` when a plugin takes packages from its work folder, which no lock knows."""
    if spec.local or spec.files:
        raise ImJoyError(
            "lock.unlockable",
            "The plugin takes packages from its work folder, and a lock cannot hold those.",
            why="\n".join([*spec.local, *spec.files]),
            fix="Name the packages in the plugin's config, then lock it.",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )


def _load(text: str) -> Mapping[str, Any]:
    import yaml

    # The one in C takes 0.1 s for a big lock, the other one over a second.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        document = yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not isinstance(document, Mapping) or document.get("version") != VERSION:
        raise ValueError(f"this is no conda-lock.yml of version {VERSION}")
    return document


def _conda_package(entry: Mapping[str, Any]) -> LockedPackage:
    depends = tuple(f"{name} {constraint}".strip() for name, constraint in entry["dependencies"].items())
    return LockedPackage(
        str(entry["name"]), str(entry["version"]), str(entry["url"]), _sha256(entry), depends
    )


def _pip_line(entry: Mapping[str, Any]) -> str:
    url = str(entry["url"])
    if url.startswith("git+"):
        return f"{entry['name']} @ {url}"
    if entry.get("source"):
        return f"{entry['name']} @ {url} --hash=sha256:{_sha256(entry)}"
    # By its name, so that the index or mirror of this machine may serve it: the hash says that it is the same.
    return f"{entry['name']}=={entry['version']} --hash=sha256:{_sha256(entry)}"


def _sha256(entry: Mapping[str, Any]) -> str:
    digest = str(entry["hash"].get("sha256") or "")
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise ValueError(f"{entry['name']} has no sha256")
    return digest
