"""The environment as it would be: a complete copy with the staged packages in it, in which an imjoy can be tried."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imjoy.model.errors import ImJoyError
from imjoy.provision.apply import interpreter
from imjoy.provision.steps.commands import Steps
from imjoy.upgrade.facts.origin import NAME, Origin
from imjoy.upgrade.steps.journal import link_or_copy
from imjoy.upgrade.steps.package_files import (
    copy_layer,
    copy_tree,
    files_in,
    installed_versions,
    name_origin,
    recorded_files,
    remove_files,
    same_file,
)


@dataclass(frozen=True)
class Candidate:
    """An environment to be tried, beside the live one, of the same shape, and what differs, as paths relative to both.

    ``replaced`` are the files of the distributions that go, ``new`` those that come; a file may be in both.
    """

    environment: Path
    site: Path
    replaced: frozenset[Path]
    new: frozenset[Path]
    entries: frozenset[str]

    @property
    def interpreter(self) -> Path:
        """The Python of the candidate."""
        return interpreter(self.environment)


def make_candidate(
    origin: Origin,
    layer: Path,
    replaced: Mapping[str, str],
    direct_url: Mapping[str, object] | None,
    folder: Path,
    steps: Steps,
) -> Candidate:
    """Build a candidate in ``folder``: all that is installed, but ``layer`` in place of the distributions ``replaced``.

    ``direct_url`` says where imjoy comes from (PEP 610). Raises :class:`ImJoyError` ``upgrade.unrecorded``,
    :class:`~imjoy.provision.steps.commands.StepFailed` and ``OSError``.
    """
    python = str(origin.interpreter)
    steps.run("making the trial", [python, "-I", "-m", "venv", "--without-pip", str(folder)])
    inside = origin.site.relative_to(origin.environment)
    site = folder / inside
    entries = entries_of(origin.site)
    copy_tree(origin.site, site)
    going = [file for name in replaced for file in recorded_files(site, name)]
    remove_files(going, site)
    # Its commands too, though their first lines name the live Python: an imjoy without them is not whole.
    copy_layer(layer, folder)
    replaced_files = frozenset(_relative(going, folder, origin.environment))
    _keep_outside(origin, folder, replaced_files)
    named = name_origin(site, NAME, direct_url) if direct_url is not None else None
    return Candidate(
        environment=folder,
        site=site,
        replaced=replaced_files,
        new=frozenset(file.relative_to(layer) for file in files_in(layer))
        | {inside / each for each in named or ()},
        entries=entries,
    )


def _keep_outside(origin: Origin, candidate: Path, replaced: frozenset[Path]) -> None:
    """Give the candidate what stays beside the packages: commands, and imjoy's manual page, which its RECORD names."""
    kept = list(origin.scripts.iterdir())
    with suppress(ImJoyError):
        kept += recorded_files(origin.site, NAME)
    for file in kept:
        if not file.is_file() or not file.is_relative_to(origin.environment):
            continue
        inside = file.relative_to(origin.environment)
        if inside not in replaced and not os.path.lexists(candidate / inside):
            (candidate / inside).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(file, candidate / inside)


def entries_of(site: Path) -> frozenset[str]:
    """Return what stands in a folder of packages; it differs when a package came, went, or changed its version."""
    return frozenset(each.name for each in site.iterdir() if each.name != "__pycache__")


def outside(files: frozenset[Path], origin: Origin) -> Iterator[Path]:
    """Yield those relative paths that are not below the folder of packages."""
    inside = origin.site.relative_to(origin.environment)
    yield from (each for each in sorted(files) if not each.is_relative_to(inside))


def changed_outside(candidate: Candidate, layer: Path, origin: Origin) -> dict[Path, Path | None]:
    """Return what changes beside the folder of packages: relative path to the new file, None for one that goes."""
    changes: dict[Path, Path | None] = {
        each: layer / each
        for each in outside(candidate.new, origin)
        if not same_file(layer / each, origin.environment / each)
    }
    for each in outside(candidate.replaced - candidate.new, origin):
        if os.path.lexists(origin.environment / each):
            changes[each] = None
    return changes


def _relative(files: list[Path], candidate: Path, environment: Path) -> Iterator[Path]:
    for file in files:
        for root in (candidate, environment):
            if file.is_relative_to(root):
                yield file.relative_to(root)
                break


def replaced_versions(
    origin: Origin, names: Mapping[str, str], added: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return what is installed of ``names`` and ``added``, with its version."""
    there = installed_versions(origin.site)
    return {name: there[name] for name in (*names, *added) if name in there}
