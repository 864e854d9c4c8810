"""Folders of packages: copied by hard links, without some distributions, with others put in."""

from __future__ import annotations

import base64
import csv
import filecmp
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.upgrade.steps.journal import link_or_copy, replace_file


def copy_tree(source: Path, target: Path) -> None:
    """Make ``target`` a folder with the same files, by hard links where the disk has them. Raises ``OSError``."""
    target.mkdir(parents=True, exist_ok=True)
    with os.scandir(source) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                copy_tree(Path(entry.path), target / entry.name)
            else:
                link_or_copy(Path(entry.path), target / entry.name)


def installed_versions(site: Path) -> dict[str, str]:
    """Return the version of each distribution in a folder of packages, by its name in normal form."""
    return {name: found.version for name, found in _installed(site)}


def find_distribution(site: Path, name: str) -> Distribution | None:
    """Return a distribution by its name in normal form, or None."""
    return next((found for each, found in _installed(site) if each == name), None)


def recorded_files(site: Path, name: str) -> list[Path]:
    """Return the paths of all files of a distribution, byte code included; those outside ``site`` as well.

    Raises :class:`ImJoyError` ``upgrade.unrecorded`` where the installer left no list of them.
    """
    found = find_distribution(site, name)
    text = found.read_text("RECORD") if found else None
    if not text:
        raise ImJoyError(
            "upgrade.unrecorded",
            f"{name} has to be replaced, and there is no list of its files.",
            why=f"It was not installed by pip or a tool of its kind: {site} has no RECORD of it.",
            fix=f"uninstall {name} with what installed it, then imjoy upgrade",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    files = []
    for row in csv.reader(text.splitlines()):
        if row:
            path = Path(os.path.normpath(site / row[0]))
            files += (
                [path, *(path.parent / "__pycache__").glob(f"{path.stem}.*.pyc")]
                if path.suffix == ".py"
                else [path]
            )
    return list(dict.fromkeys(files))


def remove_files(files: Iterable[Path], site: Path) -> None:
    """Delete files below ``site``, and folders that become empty by that. Raises ``OSError``."""
    folders: set[Path] = set()
    for file in files:
        if file.is_relative_to(site):
            file.unlink(missing_ok=True)
            folders.update(each for each in file.parents if each != site and each.is_relative_to(site))
    for folder in sorted(folders, key=lambda each: len(each.parts), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def copy_layer(layer: Path, site: Path) -> None:
    """Put every file of one folder at the same place in another. Raises ``OSError``."""
    for file in files_in(layer):
        replace_file(file, site / file.relative_to(layer))


def files_in(folder: Path) -> Iterator[Path]:
    """Yield every file and symbolic link below a folder."""
    for parent, folders, names in os.walk(folder):
        links = (each for each in folders if (Path(parent) / each).is_symlink())
        yield from (Path(parent) / name for name in (*names, *links))


def same_file(one: Path, other: Path) -> bool:
    """Whether two files have the same content and may be run alike."""
    if not other.is_file() or one.is_symlink() or other.is_symlink():
        return False
    return filecmp.cmp(one, other, shallow=False) and os.access(one, os.X_OK) == os.access(other, os.X_OK)


def name_origin(site: Path, name: str, document: Mapping[str, object]) -> list[Path]:
    """Write down where a distribution came from as pip would (PEP 610), in RECORD too; return the files, relative."""
    found = find_distribution(site, name)
    record = Path(str(found.locate_file(""))) / _folder_name(found) / "RECORD" if found else None
    if record is None:
        return []
    file = record.with_name("direct_url.json")
    relative = file.relative_to(site).as_posix()
    rows = [
        row for row in csv.reader(record.read_text(encoding="utf-8").splitlines()) if row[:1] != [relative]
    ]
    content = json.dumps(document).encode()
    file.unlink(missing_ok=True)
    file.write_bytes(content)
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    rows.append([relative, f"sha256={digest}", str(len(content))])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    record.unlink()
    record.write_text(text.getvalue(), encoding="utf-8")
    return [file.relative_to(site), record.relative_to(site)]


def _installed(site: Path) -> Iterator[tuple[str, Distribution]]:
    from packaging.utils import canonicalize_name

    for found in distributions(path=[str(site)]):
        yield canonicalize_name(found.metadata["Name"] or ""), found


def _folder_name(found: Distribution) -> str:
    record = next((each for each in found.files or () if each.name == "RECORD"), None)
    return record.parent.name if record else ""
