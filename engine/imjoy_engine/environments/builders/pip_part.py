"""The pip part of a conda environment, kept as one package of conda's kind, and linked with the others the next time.

What pip adds to the same conda packages for the same requirements is the same again, within a day. Linked in one go
with the rest it costs next to nothing; uv would first look at the new interpreter, which takes as long as all of
conda's part.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PIP_PARTS = "pip-parts"


class PipPart:
    """One kept part: ``key`` stands for the conda packages, the requirements and where pip's packages come from.

    It lies beside the environments, whose files it shares by hard links.
    """

    def __init__(self, environments: Path, key: str) -> None:
        self.cache = environments / PIP_PARTS
        self.name = f"imjoy-pip-{key}"
        self.folder = self.cache / f"{self.name}-0-0"

    @property
    def kept(self) -> bool:
        """Whether it is there, as a whole."""
        return (self.folder / "info" / "paths.json").exists()

    def record(self, rattler: Any, platform: str) -> Any:
        """Return what py-rattler links it by; it is never fetched."""
        package = rattler.PackageRecord(self.name, "0", rattler.BuildString("0"), 0, platform)
        archive = f"{self.name}-0-0.conda"
        channel = self.cache.as_uri()
        return rattler.RepoDataRecord(package, archive, f"{channel}/{platform}/{archive}", channel)

    def hide_from_conda(self, prefix: Path) -> None:
        """Leave no sign of it among conda's packages: pip's are known by their own metadata."""
        (prefix / "conda-meta" / f"{self.name}-0-0.json").unlink(missing_ok=True)

    def forget(self) -> None:
        """Remove it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self, prefix: Path, platform: str, seconds: float) -> None:
        """Keep what pip has put into ``prefix``, and forget parts older than ``seconds``.

        Where that does not work, or a file does not lie where an environment has it, nothing is kept: it is a cache.
        """
        growing = self.cache / f".{self.name}.{os.getpid()}"
        try:
            self._forget_old(seconds)
            files = sorted(set(_files_of_pip(prefix)))
            paths = [_link(prefix, path, growing) for path in files]
            info = growing / "info"
            info.mkdir(parents=True)
            index = {"name": self.name, "version": "0", "build": "0", "build_number": 0, "depends": []}
            (info / "index.json").write_text(json.dumps({**index, "subdir": platform}), encoding="utf-8")
            (info / "paths.json").write_text(
                json.dumps({"paths": paths, "paths_version": 1}), encoding="utf-8"
            )
            self.forget()
            growing.rename(self.folder)
        except (OSError, ValueError, KeyError):
            shutil.rmtree(growing, ignore_errors=True)

    def _forget_old(self, seconds: float) -> None:
        for folder in self.cache.glob("imjoy-pip-*-0-0"):
            if time.time() - folder.stat().st_mtime > seconds:
                shutil.rmtree(folder, ignore_errors=True)
                folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)


def _files_of_pip(prefix: Path) -> Iterator[str]:
    """Yield the files that pip or uv installed, relative to ``prefix``.

    Raises ValueError for one that lies outside, and when pip has replaced a package of conda's: then its part is not
    all that makes the difference.
    """
    condas = set()
    for record in prefix.glob("conda-meta/*.json"):
        condas.update(json.loads(record.read_bytes())["files"])
    if not all((prefix / path).exists() for path in condas if path.endswith(".dist-info/METADATA")):
        raise ValueError("pip has replaced a package of conda's")
    for record in prefix.glob("lib/python3*/site-packages/*.dist-info/RECORD"):
        if record.relative_to(prefix).as_posix() in condas:
            continue
        with record.open(encoding="utf-8", newline="") as rows:
            for name, *_ in csv.reader(rows):
                path = Path(os.path.normpath(record.parent.parent / name))
                if path.suffix != ".pyc":
                    yield path.relative_to(prefix).as_posix()


def _link(prefix: Path, path: str, growing: Path) -> dict[str, object]:
    """Link one file, and return its entry; a command names its interpreter, which is another one in the next place."""
    source, target = prefix / path, growing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target, follow_symlinks=False)
    entry: dict[str, object] = {
        "_path": path,
        "path_type": "hardlink",
        "size_in_bytes": source.stat().st_size,
    }
    if path.startswith("bin/") and os.fsencode(prefix) in source.read_bytes():
        entry.update(prefix_placeholder=str(prefix), file_mode="text")
    return entry
