"""The versions that upgrades took the place of, kept so that one may go back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from imjoy.effects.disk.files import read_json
from imjoy.upgrade.steps.journal import link_or_copy

MAX_KEPT = 2
FACTS = "facts.json"


@dataclass(frozen=True)
class Snapshot:
    """What one upgrade replaced: ``layer`` has the shape of the environment. ``added`` was not there before it.

    ``versions`` are those of the distributions in the layer.
    """

    folder: Path
    version: str
    source: str
    id: str
    versions: dict[str, str]
    added: tuple[str, ...]

    @property
    def layer(self) -> Path:
        """The files."""
        return self.folder / "layer"

    @property
    def facts(self) -> Path:
        """The file that says all this; without it a snapshot is not whole, and does not count."""
        return self.folder / FACTS


def newest_snapshot(home: Path) -> Snapshot | None:
    """Return what the last upgrade replaced, or None."""
    return next(reversed(_snapshots(home)), None)


def keep_files(snapshot: Snapshot, environment: Path, files: Iterable[Path]) -> None:
    """Put those of ``files`` that are there, relative to the environment, into the layer. Raises ``OSError``."""
    shutil.rmtree(snapshot.folder, ignore_errors=True)
    for each in files:
        if os.path.lexists(environment / each):
            target = snapshot.layer / each
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(environment / each, target)


def write_facts(snapshot: Snapshot, folder: Path) -> Path:
    """Write the facts of a snapshot into a folder; return the file, which belongs at ``facts``. Raises ``OSError``."""
    values = {name: value for name, value in asdict(snapshot).items() if name != "folder"}
    file = folder / FACTS
    file.write_text(json.dumps(values), encoding="utf-8")
    return file


def sweep_snapshots(home: Path) -> None:
    """Remove all but the newest two, and what is left of others.

    One whose facts are there and cannot be read now, as on a disk that fails, counts and stays.
    """
    folders = _folders(home)
    kept = [folder for folder in folders if os.path.lexists(folder / FACTS)][-MAX_KEPT:]
    for folder in folders:
        if folder not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def next_folder(home: Path) -> Path:
    """Return the folder for the next snapshot."""
    used = [int(folder.name) for folder in _folders(home) if os.path.lexists(folder / FACTS)]
    return home / "snapshots" / f"{max(used, default=0) + 1:04d}"


def _folders(home: Path) -> list[Path]:
    """Return the folders of snapshots, whole ones or not, the newest last."""
    return sorted(
        (folder for folder in (home / "snapshots").glob("[0-9]*") if folder.name.isdecimal()),
        key=lambda folder: int(folder.name),
    )


def _snapshots(home: Path) -> list[Snapshot]:
    found = []
    for folder in _folders(home):
        try:
            facts = cast("dict[str, Any]", read_json(folder / FACTS))
            known = {each.name: facts[each.name] for each in fields(Snapshot) if each.name != "folder"}
            found.append(Snapshot(folder, **{**known, "added": tuple(known["added"])}))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return found
