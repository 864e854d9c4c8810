"""What a worker needs in an interpreter that is not ours: a folder of ours, and which of it has to be used.

It holds copies of the engine's own packages. They are pure Python, but for compiled parts that only the interpreters
import which they were made for; so no network is needed, whatever the interpreter.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement

from imjoy.effects.processes.process import ask
from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.existing.compatibility import contains
from imjoy_engine.environments.existing.installed import normal_name
from imjoy_engine.environments.existing.probe import outside_variables
from imjoy_engine.environments.existing.records import ExistingEnvironment
from imjoy_engine.environments.specs.spec import BASE_REQUIREMENTS

COMPILE_SECONDS = 120.0
# The module of each project. websockets is not copied: the worker can do without it.
MODULES = {"imjoy-rpc": "imjoy_rpc", "msgpack": "msgpack"}
WORKER = Path(__file__).parents[2] / "worker"
SHIMS = WORKER / "python36"


def packages_to_bring(environment: ExistingEnvironment) -> list[str]:
    """Return what the worker imports and ``environment`` has not, or not new enough: names of modules."""
    wanted = []
    for line in BASE_REQUIREMENTS:
        requirement = Requirement(line)
        name = normal_name(requirement.name)
        if name not in MODULES and name != "websockets":
            continue
        if requirement.marker is not None and not requirement.marker.evaluate(dict(environment.markers)):
            continue
        found = environment.packages.get(name)
        if found is None or not contains(requirement.specifier, found):
            wanted.append(MODULES.get(name, name))
    return sorted(wanted)


def worker_packages(root: Path, environment: ExistingEnvironment, environ: Mapping[str, str]) -> Path:
    """Return the folder for the end of the search path, made and compiled for this interpreter when it is not yet.

    Raises:
        ImJoyError: ``workspace.unwritable`` when it cannot be made.
    """
    old = environment.version.startswith("3.6.")
    folder = root / (_key() + ("-3.6" if old else ""))
    done = folder / f".{environment.cache_tag or environment.version}"
    if done.exists():
        return folder
    try:
        if not folder.exists():
            _copy(root, folder, shims=old)
        # The interpreter may write nothing by itself, and reading source again at each start would be felt.
        ask(
            [environment.python, "-B", "-E", "-s", "-m", "compileall", "-q", str(folder), str(WORKER)],
            timeout=COMPILE_SECONDS,
            environ=outside_variables(environ),
        )
        done.touch()
    except OSError as error:
        raise ImJoyError(
            "workspace.unwritable", f"The workspace's folder {root} cannot be written.", why=str(error)
        ) from error
    return folder


def _copy(root: Path, folder: Path, *, shims: bool) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = root / f".{folder.name}.{os.getpid()}"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    for module in MODULES.values():
        shutil.copytree(_source_of(module), beside / module, ignore=shutil.ignore_patterns("__pycache__"))
    for file in SHIMS.glob("*.py") if shims else ():
        shutil.copy(file, beside)
    try:
        beside.rename(folder)
    except OSError:
        shutil.rmtree(beside, ignore_errors=True)
        if not folder.exists():  # else another process was first
            raise


def _source_of(module: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise OSError(f"{module} is not installed beside the engine")
    return Path(next(iter(spec.submodule_search_locations)))


def _key() -> str:
    """Return a name that changes with whatever is copied or compiled."""
    parts = [f"{project} {importlib.metadata.version(project)}" for project in MODULES]
    parts += [sys.implementation.cache_tag or "", *(f"{path.name} {size}" for path, size in _worker_files())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _worker_files() -> Iterator[tuple[Path, str]]:
    for path in sorted(WORKER.rglob("*.py")):
        status = path.stat()
        yield path, f"{status.st_size} {status.st_mtime_ns}"
