"""The environments of a person's own that plugins may use: added, listed, looked at, forgotten.

Each is one small JSON file in the workspace. Forgetting one removes that file and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from imjoy.effects.disk.files import write_private
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.existing.choice import HOST_NAME
from imjoy_engine.environments.existing.installed import changes, conda_packages, installed_packages
from imjoy_engine.environments.existing.probe import probe

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
CHANGES_SHOWN = 6


@dataclass(frozen=True)
class ExistingEnvironment:
    """One environment, as it was when it was last looked at.

    ``stamp`` tells its interpreter's file from any other; ``packages`` are Python packages, ``conda`` conda's, name and
    version; ``variables`` are what conda sets when it is activated.
    """

    name: str
    python: str
    prefix: str
    kind: str
    version: str
    cache_tag: str
    search_path: tuple[str, ...]
    markers: Mapping[str, str]
    packages: Mapping[str, str]
    conda: Mapping[str, str]
    variables: Mapping[str, str]
    stamp: str
    added: float

    @property
    def words(self) -> str:
        """What it is called in front of people."""
        return "the Python that imjoy runs in" if self.name == HOST_NAME else f"{self.name} (yours)"

    def as_json(self) -> dict[str, object]:
        """Return it as a JSON document, without the values of its variables, among which may be secrets."""
        shown = asdict(self)
        del shown["stamp"], shown["markers"], shown["cache_tag"]
        return {**shown, "variables": sorted(self.variables)}


@dataclass(frozen=True)
class Examined:
    """An environment as it is now, and what is other than when it was last looked at, for people."""

    environment: ExistingEnvironment
    notes: tuple[str, ...] = ()


class ExistingEnvironments:
    """Those of one workspace; ``folder`` holds their records."""

    def __init__(self, folder: Path, environ: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._environ = os.environ if environ is None else environ

    @property
    def folder(self) -> Path:
        """Where their records are."""
        return self._folder

    def names(self) -> list[str]:
        """Return the names of those that were added."""
        return sorted(file.stem for file in self._folder.glob("*.json") if file.stem != HOST_NAME)

    def knows(self, name: str) -> bool:
        """Whether there is one of that name."""
        return name == HOST_NAME or (bool(_NAME.fullmatch(name)) and self._file(name).is_file())

    def add(self, name: str, python: Path, *, conda_prefix: Path | None = None) -> ExistingEnvironment:
        """Make the environment of ``python`` known as ``name``; one of that name is replaced.

        Raises:
            ImJoyError: ``env.name`` for a name that cannot be one, and what ``probe`` raises.
        """
        if not _NAME.fullmatch(name) or name == HOST_NAME:
            raise ImJoyError(
                "env.name",
                f"{name!r} cannot be the name of an environment.",
                why=f"{HOST_NAME} is the Python that imjoy runs in."
                if name == HOST_NAME
                else "A name has letters, digits, dots, dashes and underscores, at most 64.",
                fix="imjoy env add NAME --python PATH",
                exit_code=ExitCode.USAGE,
            )
        environment = _examine(name, python, self._environ, conda_prefix)
        self._write(environment)
        return environment

    def get(self, name: str) -> ExistingEnvironment:
        """Return the one of that name, as it was when it was last looked at.

        Raises:
            ImJoyError: ``env.unknown`` when there is none.
        """
        with contextlib.suppress(OSError, ValueError, TypeError):
            if _NAME.fullmatch(name):
                return _from_json(json.loads(self._file(name).read_text(encoding="utf-8")))
        if name == HOST_NAME:
            environment = _examine(HOST_NAME, Path(sys.executable), self._environ, None)
            self._write(environment)
            return environment
        raise ImJoyError(
            "env.unknown",
            f"No environment of yours is called {name}.",
            why=f"There are {', '.join(self.names())}." if self.names() else "None was added yet.",
            fix="imjoy env find\nimjoy env add NAME --python PATH",
            exit_code=ExitCode.USAGE,
        )

    def examine(self, name: str, *, note: bool = True) -> Examined:
        """Return the one of that name as it is now; its record is brought up to date, with ``note``.

        It takes a look at a few folders, and starts its interpreter only when that is another file than before.

        Raises:
            ImJoyError: ``env.unknown``, ``env.gone`` when it is not there any more, and what ``probe`` raises.
        """
        before = self.get(name)
        python = Path(sys.executable) if name == HOST_NAME else Path(before.python)
        stamp = _stamp(python)
        if not stamp:
            raise ImJoyError(
                "env.gone",
                f"{before.words} is not there any more.",
                why=f"There is no {before.python}.",
                fix=f"imjoy env forget {name}\nimjoy env add {name} --python PATH",
            )
        if stamp != before.stamp or str(python) != before.python:
            conda_prefix = Path(before.prefix) if before.kind == "conda" else None
            after = replace(_examine(name, python, self._environ, conda_prefix), added=before.added)
        else:
            after = replace(
                before,
                packages=installed_packages(before.search_path),
                conda=conda_packages(Path(before.prefix)) if before.kind == "conda" else {},
            )
        if after == before:
            return Examined(before)
        if note:
            self._write(after)
        return Examined(after, tuple(_what_changed(before, after)))

    def forget(self, name: str) -> ExistingEnvironment:
        """Forget the one of that name; nothing of it is touched. Raises ImJoyError ``env.unknown``."""
        environment = self.get(name)
        self._file(name).unlink(missing_ok=True)
        return environment

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write(self, environment: ExistingEnvironment) -> None:
        if environment.name == HOST_NAME and not self._folder.parent.is_dir():
            return  # a look makes no workspace
        # What was seen only helps the next look: where it cannot be written a plugin runs all the same.
        try:
            write_private(self._file(environment.name), json.dumps(asdict(environment), indent=1))
        except OSError as error:
            if not self._file(environment.name).exists() and environment.name != HOST_NAME:
                raise ImJoyError(
                    "workspace.unwritable",
                    f"{environment.name} cannot be noted in {self._folder}.",
                    why=str(error),
                    fix="imjoy env add --workspace FOLDER …",
                ) from error


def _examine(
    name: str, python: Path, environ: Mapping[str, str], conda_prefix: Path | None
) -> ExistingEnvironment:
    from imjoy_engine.environments.existing.conda import activation_variables

    found = probe(python, environ)
    is_conda = conda_prefix is not None or (found.prefix / "conda-meta").is_dir()
    if is_conda:
        kind = "conda"
    elif found.prefix != found.base_prefix:
        kind = "venv"
    else:
        kind = "python"
    return ExistingEnvironment(
        name=name,
        python=str(python),
        prefix=str(found.prefix),
        kind=kind,
        version=found.version,
        cache_tag=found.cache_tag,
        search_path=found.search_path,
        markers=found.markers,
        packages=installed_packages(found.search_path),
        conda=conda_packages(found.prefix) if is_conda else {},
        variables=activation_variables(found.prefix, environ) if is_conda else {},
        stamp=_stamp(python),
        added=time.time(),
    )


def _from_json(document: Mapping[str, Any]) -> ExistingEnvironment:
    return ExistingEnvironment(**{**document, "search_path": tuple(document["search_path"])})


def _stamp(python: Path) -> str:
    """Return what changes when the interpreter is another one; empty when there is none."""
    try:
        real = python.resolve(strict=True)
        status = real.stat()
    except OSError:
        return ""
    return f"{real} {status.st_size} {status.st_mtime_ns}"


def _what_changed(before: ExistingEnvironment, after: ExistingEnvironment) -> list[str]:
    changed = []
    if before.version != after.version:
        changed.append(f"Python {before.version} -> {after.version}")
    changed += changes({**before.conda, **before.packages}, {**after.conda, **after.packages})
    if not changed:
        return []
    more = f", and {len(changed) - CHANGES_SHOWN} more" if len(changed) > CHANGES_SHOWN else ""
    return [f"{after.words} has changed since it was last used: {', '.join(changed[:CHANGES_SHOWN])}{more}."]
