"""The versions that upgrades took the place of, kept so that one may go back."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from imjoy.effects.disk.files import read_json
from imjoy.upgrade.steps.journal import link_or_copy

MAX_KEPT = 2


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


def newest_snapshot(home: Path) -> Snapshot | None:
    """Return what the last upgrade replaced, or None."""
    return next(reversed(_snapshots(home)), None)


def keep_snapshot(home: Path, snapshot: Snapshot, files: dict[Path, Path]) -> None:
    """Keep a snapshot made of these files, each under a path relative to its layer, and drop all but the newest two.

    Raises ``OSError``.
    """
    shutil.rmtree(snapshot.folder, ignore_errors=True)
    for relative, source in files.items():
        target = snapshot.layer / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(source, target)
    facts = {name: value for name, value in asdict(snapshot).items() if name != "folder"}
    # Written last: a snapshot without it is not whole.
    (snapshot.folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    for old in _snapshots(home)[:-MAX_KEPT]:
        drop_snapshot(old)


def drop_snapshot(snapshot: Snapshot) -> None:
    """Forget a snapshot."""
    shutil.rmtree(snapshot.folder, ignore_errors=True)


def next_folder(home: Path) -> Path:
    """Return the folder for the next snapshot."""
    newest = newest_snapshot(home)
    return home / "snapshots" / f"{int(newest.folder.name) + 1 if newest else 1:04d}"


def _snapshots(home: Path) -> list[Snapshot]:
    found = []
    for folder in sorted((home / "snapshots").glob("[0-9]*")):
        try:
            facts = cast("dict[str, Any]", read_json(folder / "facts.json"))
            found.append(Snapshot(folder, **{**facts, "added": tuple(facts["added"])}))
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return found
