"""Swaps a candidate in, and back: in one exchange of folders where the disk can, else file by file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.steps.candidate import Candidate
from imjoy.upgrade.steps.journal import Journal, discard_below, exchange, link_or_copy, replace_file


class Swap:
    """One swap under a journal. ``changes`` are files beside the packages: relative path to new file, None: it goes."""

    def __init__(
        self, origin: Origin, candidate: Candidate, changes: Mapping[Path, Path | None], saved: Path
    ) -> None:
        self._origin = origin
        self._candidate = candidate
        self._changes = changes
        self._saved = saved
        self._journal = Journal(origin.home)
        self.exchanged = False

    def do(self) -> None:
        """Swap. Raises ``OSError``; then everything is as before, or, should even that fail, the journal is left."""
        try:
            if os.name == "nt":
                raise _CannotExchange
            self._do(self._changes, exchanged=True)
            self.exchanged = True
        except _CannotExchange:
            # Windows, network disks, and folders that come from a container's image.
            self._do({**self._packages(), **self._changes}, exchanged=False)
        if self.exchanged:
            read_from(self._origin.site, self._candidate.site)

    def undo(self) -> None:
        """Take the swap back. Raises ``OSError``; then the journal is left for the next Python that starts."""
        if self.exchanged:
            read_from(self._candidate.site, self._origin.site)
        self._journal.abandon()
        self._journal.close()

    def commit(self) -> None:
        """Make the swap final. Raises ``OSError`` when it is not."""
        self._journal.commit()
        self._journal.close()

    def _do(self, changes: Mapping[Path, Path | None], *, exchanged: bool) -> None:
        live, waiting = self._origin.site, self._candidate.site
        files = [(self._origin.environment / each, self._save(each)) for each in changes]
        try:
            self._journal.begin(live, waiting, files, exchanged=exchanged)
            for each, new in changes.items():
                if new is not None:
                    replace_file(new, self._origin.environment / each)
                elif not exchanged:
                    self._discard(each)
            if exchanged:
                try:
                    exchange(live, waiting)
                except OSError as error:
                    raise _CannotExchange from error
                # Only now: until then the packages that are in place have these files in their RECORD.
                for each in (each for each, new in changes.items() if new is None):
                    self._discard(each)
            self._journal.swapped()
        except BaseException:
            self._journal.abandon()
            self._journal.close()
            raise

    def _discard(self, relative: Path) -> None:
        discard_below(self._origin.environment, self._origin.environment / relative)

    def _save(self, relative: Path) -> Path | None:
        live, saved = self._origin.environment / relative, self._saved / relative
        if not os.path.lexists(live):
            return None
        saved.parent.mkdir(parents=True, exist_ok=True)
        saved.unlink(missing_ok=True)
        link_or_copy(live, saved)
        return saved

    def _packages(self) -> dict[Path, Path | None]:
        inside = self._origin.site.relative_to(self._origin.environment)
        going = self._candidate.replaced - self._candidate.new
        return {
            each: None if each in going else self._candidate.environment / each
            for each in sorted(self._candidate.new | going)
            if each.is_relative_to(inside)
            and (each not in going or os.path.lexists(self._origin.environment / each))
        }


class _CannotExchange(Exception):
    """This system or this disk has no exchange of folders."""


def read_from(old: Path, new: Path) -> None:
    """Have this process import what it still needs from where its own packages lie now."""
    before, now = str(old), str(new)

    def moved(path: str) -> str:
        return now + path[len(before) :] if path == before or path.startswith(before + os.sep) else path

    sys.path[:] = map(moved, sys.path)
    for module in list(sys.modules.values()):
        folders = getattr(module, "__path__", None)
        if isinstance(folders, list):
            folders[:] = map(moved, folders)
