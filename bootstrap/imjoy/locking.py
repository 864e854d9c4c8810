"""Re-solves the lock that imjoy ships, in a checkout: `imjoy lock` without a plugin."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

import imjoy
from imjoy.context import Context
from imjoy.effects.tools.conda_lock import render, require_conda_lock, solve
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.results import Result
from imjoy.provision.facts.source import is_checkout

SOURCE_NAME = "environment.yml"
LOCK_NAME = "conda-lock.yml"


@dataclass(frozen=True)
class OwnLock(Result):
    """The lock as it is now. ``changes`` are lines ``platform: name old -> new``; a dry run is not ``written``."""

    folder: Path
    platforms: tuple[str, ...]
    changes: tuple[str, ...]
    written: bool


def lock_ourselves(context: Context, *, dry_run: bool) -> OwnLock:
    """Solve ``environment.yml`` anew on every platform, and write the lock and its rendered files.

    All files are replaced once all are made. Raises :class:`ImJoyError` ``lock.no-checkout`` and what conda-lock's
    functions raise.
    """
    package = Path(imjoy.__file__).resolve().parent
    folder = package / "locks"
    if not is_checkout(package.parents[1]):
        raise ImJoyError(
            "lock.no-checkout",
            "Without a plugin file `imjoy lock` re-solves imjoy's own lock, and this is no checkout of imjoy.",
            fix="imjoy lock PLUGIN.imjoy.html",
            exit_code=ExitCode.USAGE,
        )
    conda = require_conda_lock(context.home, context.environ)
    with tempfile.TemporaryDirectory(prefix="imjoy-lock-") as name:
        made = Path(name)
        shutil.copy(folder / SOURCE_NAME, made)
        solve([made / SOURCE_NAME], made / LOCK_NAME, conda, made)
        document = yaml.safe_load((made / LOCK_NAME).read_text(encoding="utf-8"))
        platforms = tuple(map(str, document["metadata"]["platforms"]))
        changes = tuple(_changes(_versions(folder / LOCK_NAME), _versions(made / LOCK_NAME)))
        if not dry_run:
            render(made / LOCK_NAME, platforms, made)
            for old in folder.glob("conda-*.lock"):
                old.unlink()
            for new in (made / LOCK_NAME, *sorted(made.glob("conda-*.lock"))):
                shutil.copy(new, folder / new.name)
    return OwnLock(folder, platforms, changes, not dry_run)


def _versions(lock: Path) -> dict[tuple[str, str], str]:
    """Return the version and build of every package by platform and name."""
    packages = yaml.safe_load(lock.read_text(encoding="utf-8"))["package"]
    return {
        (each["platform"], each["name"]): each["url"].rpartition("/")[2].removeprefix(f"{each['name']}-")
        for each in packages
    }


def _changes(old: Mapping[tuple[str, str], str], new: Mapping[tuple[str, str], str]) -> list[str]:
    return [
        f"{platform}: {name} {old.get((platform, name), 'absent')} -> {new.get((platform, name), 'absent')}"
        for platform, name in sorted({**old, **new})
        if old.get((platform, name)) != new.get((platform, name))
    ]
