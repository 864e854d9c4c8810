"""What is in the store: listed, shown, removed, collected."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imjoy.effects.disk.file_lock import take_lock
from imjoy.effects.disk.files import read_json
from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.builders.pip_part import PIP_PARTS
from imjoy_engine.environments.disk_use import bytes_of
from imjoy_engine.environments.prefix import MARKER_NAME, interpreter_of, remove_tree
from imjoy_engine.environments.specs.conda_settings import find_conda
from imjoy_engine.environments.store.usage import Use, read_uses, running

CONDA_LIST = Path(".conda", "environments.txt")


@dataclass(frozen=True)
class Environment:
    """One folder of the store. ``bytes`` counts a file that other folders share (hard links) only in part."""

    id: str
    path: Path
    ready: bool
    in_use: bool
    bytes: int
    created: float | None
    spec: Mapping[str, Any]
    uses: tuple[Use, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as a JSON document."""
        return {
            "id": self.id,
            "path": str(self.path),
            "ready": self.ready,
            "in_use": self.in_use,
            "bytes": self.bytes,
            "created": self.created,
            "spec": dict(self.spec),
            "plugins": [
                {"name": use.plugin, "tag": use.tag, "workspace": use.workspace, "last_used": use.time}
                for use in self.uses
            ],
        }


def list_environments(root: Path) -> list[Environment]:
    """Return what is in the store, the most recently made first."""
    uses = list(read_uses(root))
    noted = running(root)
    busy = _running_interpreters()
    found = [
        _look(folder, tuple(use for use in uses if use.environment == folder.name), noted, busy)
        for folder in _folders(root)
    ]
    return sorted(found, key=lambda each: -(each.created or 0.0))


def find_environment(root: Path, name: str) -> Environment:
    """Return the environment whose id begins with ``name``, or that the plugin ``name`` used last.

    Raises:
        ImJoyError: ``env.not-found``, also when it could be several.
    """
    environments = list_environments(root)
    matching = [each for each in environments if name and each.id.startswith(name)]
    if not matching:
        last = max(
            (use for each in environments for use in each.uses if use.plugin == name),
            key=lambda use: use.time,
            default=None,
        )
        matching = [each for each in environments if last is not None and each.id == last.environment]
    if len(matching) != 1:
        raise ImJoyError(
            "env.not-found",
            f"{'Several environments begin' if matching else 'No environment begins'} with {name!r}.",
            why=f"It is neither the id of one in {root} nor the name of a plugin that used one."
            if not matching
            else f"They are {', '.join(each.id for each in matching)}.",
            fix="imjoy env list",
        )
    return matching[0]


async def remove_environment(
    root: Path, environment: Environment, environ: Mapping[str, str], *, dry_run: bool = False
) -> None:
    """Delete an environment; the next plugin that needs it builds it again. With ``dry_run`` only look whether it can.

    Raises:
        ImJoyError: ``env.in-use`` when a process runs in it, or builds it.
    """
    lock = take_lock(root / f"{environment.id}.lock")
    if lock is None:
        raise _in_use(environment, "It is being built.")
    try:
        if environment.in_use:
            raise _in_use(environment, "A plugin runs in it.")
        if dry_run:
            return
        # Without its marker it is no environment any more, however much of it is left.
        (environment.path / MARKER_NAME).unlink(missing_ok=True)
        await remove_tree(environment.path)
        # Its files have names there too, and would still take their room.
        await remove_tree(root / PIP_PARTS)
        _forget_at_conda(environment.path, environ)
    finally:
        lock.release()


async def collect(
    root: Path, environ: Mapping[str, str], unused_seconds: float | None, *, dry_run: bool = False
) -> list[Environment]:
    """Delete what no plugin uses any more; return it. With ``dry_run`` nothing is deleted.

    That is what was never finished, what no plugin used last, and, with ``unused_seconds``, what none used for so long.
    What is in use or being built stays.
    """
    removed = []
    now = time.time()
    for environment in list_environments(root):
        last = max((use.time for use in environment.uses), default=None)
        fresh = last is not None and (unused_seconds is None or now - last < unused_seconds)
        if environment.ready and fresh:
            continue
        try:
            await remove_environment(root, environment, environ, dry_run=dry_run)
        except ImJoyError:
            continue
        removed.append(environment)
    if not dry_run:
        # What it has is in the environments that are left; it only saves time when one is made again.
        await remove_tree(root / PIP_PARTS)
    return removed


def register_with_conda(prefix: Path, environ: Mapping[str, str]) -> None:
    """Let ``conda env list`` show an environment, when there is a conda."""
    path = _conda_list(environ)
    if path is None or not (path.exists() or find_conda(environ)):
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if str(prefix) not in known:
            path.write_text("".join(f"{line}\n" for line in [*known, str(prefix)]), encoding="utf-8")


def _forget_at_conda(prefix: Path, environ: Mapping[str, str]) -> None:
    path = _conda_list(environ)
    with contextlib.suppress(OSError):
        if path is not None and path.exists():
            lines = path.read_text(encoding="utf-8").splitlines()
            if str(prefix) in lines:
                path.write_text(
                    "".join(f"{each}\n" for each in lines if each != str(prefix)), encoding="utf-8"
                )


def _conda_list(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("HOME") or environ.get("USERPROFILE")
    return Path(home) / CONDA_LIST if home else None


def _in_use(environment: Environment, why: str) -> ImJoyError:
    return ImJoyError(
        "env.in-use",
        f"The environment {environment.id} is in use.",
        why=why,
        fix="Close the plugin (`imjoy status` lists them), then try again.",
    )


def _folders(root: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError):
        for folder in sorted(root.iterdir()):
            if folder.is_dir() and len(folder.name) == 24 and folder.name.isalnum():
                yield folder


def _look(folder: Path, uses: tuple[Use, ...], noted: set[str], busy: list[str]) -> Environment:
    content: dict[str, Any] = {}
    with contextlib.suppress(OSError):
        document = read_json(folder / MARKER_NAME)
        content = document if isinstance(document, dict) else {}
    created = content.get("created")
    spec = content.get("spec")
    return Environment(
        id=folder.name,
        path=folder,
        ready=bool(content) and interpreter_of(folder).exists(),
        in_use=folder.name in noted or any(program.startswith(f"{folder}{os.sep}") for program in busy),
        bytes=_disk_use(folder),
        created=float(created) if isinstance(created, (int, float)) else None,
        spec=spec if isinstance(spec, dict) else {},
        uses=tuple(sorted(uses, key=lambda use: -use.time)),
    )


def _disk_use(folder: Path) -> int:
    """Return the bytes that the folder takes, what it shares with others shared out among them."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += bytes_of(entry)
    return total


def _running_interpreters() -> list[str]:
    """Return the programs that run on this machine, as they were started."""
    import psutil

    programs = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            programs += process.cmdline()[:1]
    return programs
