"""What Pythons there are on this machine, told from their folders: none is started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from imjoy_engine.environments.existing.conda import (
    BASE_NAME,
    conda_prefixes,
    home_folder,
    is_root,
    python_of,
)
from imjoy_engine.environments.existing.installed import conda_packages, installed_packages
from imjoy_engine.environments.existing.probe import OLDEST_PYTHON
from imjoy_engine.environments.existing.records import ExistingEnvironments
from imjoy_engine.environments.existing.sizes import sizes_of

SIZE_SECONDS = 0.3
"""How long sizes are counted: the whole of `imjoy env find` should take less than a second."""
NOTABLE_PACKAGES = (
    "numpy", "scipy", "scikit-image", "scikit-learn", "opencv-python", "torch", "tensorflow", "jax", "keras",
    "cellpose", "stardist", "napari", "cupy", "itk", "simpleitk", "bioio", "aicsimageio", "pandas", "zarr", "dask",
)  # fmt: skip
"""Packages that tell a scientist which environment this is."""
ALIASES = {
    "pytorch": "torch",
    "tensorflow-gpu": "tensorflow",
    "py-opencv": "opencv-python",
    "opencv": "opencv-python",
}
VENV_FOLDERS = (".virtualenvs", "venvs", ".venvs", "envs", "virtualenvs", "Envs")
_PYTHON = re.compile(r"python(\d+\.\d+)(?:\.exe)?")
_VERSION_LINE = re.compile(r"^version(?:_info)?\s*=\s*(\d+(?:\.\d+)+)", re.MULTILINE)
_NUMBERS = re.compile(r"\d+(?:\.\d+)+")


@dataclass(frozen=True)
class Found:
    """One environment that is there. ``added`` is the name under which plugins may use it; empty when they may not."""

    name: str
    kind: str
    python: Path
    prefix: Path
    version: str
    packages: Mapping[str, str]
    added: str = ""
    bytes: int = 0
    counted: bool = False

    def as_json(self) -> dict[str, object]:
        """Return it as a JSON document."""
        return {
            "name": self.name,
            "kind": self.kind,
            "python": str(self.python),
            "prefix": str(self.prefix),
            "version": self.version,
            "packages": dict(self.packages),
            "added": self.added,
            "bytes": self.bytes,
            "counted": self.counted,
        }


def find_environments(
    environ: Mapping[str, str], workspace: Path, existing: ExistingEnvironments
) -> list[Found]:
    """Return what is there, those with the most telling packages first; environments of the engine's own are left out.

    A size that takes too long to count is the least that it is (``counted`` is false).
    """
    added = {os.path.realpath(existing.get(name).prefix): name for name in existing.names()}
    seen: set[str] = set()
    found = []
    for each in _all(environ):
        place = os.path.realpath(each.prefix)
        if place in seen or Path(place).is_relative_to(os.path.realpath(workspace)):
            continue
        seen.add(place)
        if each.version and tuple(map(int, each.version.split(".")[:2])) < OLDEST_PYTHON:
            continue
        found.append(replace(each, added=added.get(place, "")))
    sizes = sizes_of([each.prefix for each in found if each.kind != "python"], SIZE_SECONDS)
    found = [
        replace(each, bytes=sizes[each.prefix][0], counted=sizes[each.prefix][1])
        if each.prefix in sizes
        else each
        for each in found
    ]
    return sorted(found, key=lambda each: (-len(each.packages), str(each.prefix)))


def _all(environ: Mapping[str, str]) -> Iterator[Found]:
    for prefix in conda_prefixes(environ):
        if python_of(prefix).exists():
            yield _conda(prefix)
    for python in _kernels(environ):
        yield from _of_interpreter(python, "kernel")
    for prefix in _venvs(environ):
        yield from _of_interpreter(_interpreter_in(prefix), "venv")
    for prefix in _pyenv(environ):
        yield from _of_interpreter(_interpreter_in(prefix), "pyenv")
    for python in _on_path(environ):
        yield from _of_interpreter(python, "python")


def _conda(prefix: Path) -> Found:
    conda = conda_packages(prefix)
    library = _library(prefix)
    packages = {**conda, **(installed_packages([str(library)]) if library else {})}
    name = BASE_NAME if is_root(prefix) else prefix.name
    return Found(name, "conda", python_of(prefix), prefix, conda.get("python", ""), _notable(packages))


def _of_interpreter(python: Path | None, kind: str) -> Iterator[Found]:
    """Yield the environment whose interpreter this is, if it is one."""
    if python is None or not python.exists():
        return
    prefix = python.parent.parent if python.parent.name in ("bin", "Scripts") else python.parent
    if (prefix / "conda-meta").is_dir():
        yield _conda(prefix)
        return
    marker = prefix / "pyvenv.cfg"
    settings = ""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        settings = marker.read_text(encoding="utf-8")
    if not settings and kind in ("kernel", "venv"):
        kind = "python"
    # Links of the system, such as /usr/bin/python3, are one Python.
    real = python if settings else Path(os.path.realpath(python))
    home = (
        prefix if settings else real.parent.parent if real.parent.name in ("bin", "Scripts") else real.parent
    )
    match = _VERSION_LINE.search(settings) or None
    named = _NUMBERS.search(home.name) if kind == "pyenv" else None
    library = _library(home, real.name)
    from_library = re.search(r"python(\d+\.\d+)", str(library)) if library else None
    version = match[1] if match else named[0] if named else from_library[1] if from_library else ""
    folders = [str(folder) for folder in _site_folders(home, library, version)]
    if re.search(r"include-system-site-packages\s*=\s*true", settings):
        base = re.search(r"^home\s*=\s*(.+)$", settings, re.MULTILINE)
        outer = _library(Path(base[1].strip()).parent) if base else None
        folders += [str(outer)] if outer else []
    name = home.parent.name if home.name in (".venv", "venv", "env") else home.name
    if kind == "python" and not settings:
        name = f"python{version}"
    yield Found(name, kind, real, home, version, _notable(installed_packages(folders)))


def _library(prefix: Path, interpreter: str = "") -> Path | None:
    """Return the folder of a prefix into which packages are installed."""
    if sys.platform == "win32":
        folder = prefix / "Lib" / "site-packages"
        return folder if folder.is_dir() else None
    match = _PYTHON.fullmatch(interpreter)
    if match and (prefix / "lib" / f"python{match[1]}").is_dir():
        return prefix / "lib" / f"python{match[1]}" / "site-packages"
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(prefix / "lib")):  # noqa: PTH208
            if re.fullmatch(r"python3\.\d+t?", name):
                return prefix / "lib" / name / "site-packages"
    return None


def _site_folders(home: Path, library: Path | None, version: str) -> Iterator[Path]:
    if library is not None:
        yield library
    if str(home) == "/usr":
        # Debian's places.
        minor = ".".join(version.split(".")[:2])
        yield Path("/usr/local/lib", f"python{minor}", "dist-packages")
        yield Path("/usr/lib/python3/dist-packages")


def _notable(packages: Mapping[str, str]) -> dict[str, str]:
    by_name = {ALIASES.get(name, name): version for name, version in packages.items()}
    return {name: by_name[name] for name in NOTABLE_PACKAGES if name in by_name}


def _interpreter_in(prefix: Path) -> Path | None:
    for name in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
        if (prefix / name).exists():
            return prefix / name
    return None


def _kernels(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the interpreters of Jupyter's kernels."""
    home = home_folder(environ)
    folders = [Path(entry) for entry in environ.get("JUPYTER_PATH", "").split(os.pathsep) if entry]
    data = environ.get("JUPYTER_DATA_DIR")
    folders += [Path(data)] if data else []
    folders += [
        Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share", "jupyter"),
        home / "Library" / "Jupyter",
        Path(environ.get("APPDATA") or home / "AppData" / "Roaming", "jupyter"),
        Path("/usr/local/share/jupyter"),
        Path("/usr/share/jupyter"),
        Path(sys.prefix, "share", "jupyter"),
    ]
    for folder in folders:
        for file in sorted(folder.glob("kernels/*/kernel.json")):
            with contextlib.suppress(OSError, ValueError, KeyError, IndexError, TypeError):
                python = Path(json.loads(file.read_text(encoding="utf-8"))["argv"][0])
                if python.is_absolute() and python.name.startswith("python"):
                    yield python


def _venvs(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the virtual environments in the places where people and their tools make them."""
    home = home_folder(environ)
    if environ.get("VIRTUAL_ENV"):
        yield Path(environ["VIRTUAL_ENV"])
    folders = [home / name for name in VENV_FOLDERS]
    folders += [Path(environ["WORKON_HOME"])] if environ.get("WORKON_HOME") else []
    folders += [
        Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share", "virtualenvs"),
        Path(environ.get("XDG_CACHE_HOME") or home / ".cache", "pypoetry", "virtualenvs"),
        home / "Library" / "Caches" / "pypoetry" / "virtualenvs",
    ]
    for folder in folders:
        yield from _with_marker(folder)
    for project in (Path.cwd(), *_folders_in(home)):
        for name in (".venv", "venv", "env"):
            if (project / name / "pyvenv.cfg").is_file():
                yield project / name
    yield from _with_marker(home)


def _with_marker(folder: Path) -> Iterator[Path]:
    for entry in _folders_in(folder):
        if (entry / "pyvenv.cfg").is_file():
            yield entry


def _folders_in(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if entry.is_dir())
    return []


def _pyenv(environ: Mapping[str, str]) -> Iterator[Path]:
    root = Path(environ.get("PYENV_ROOT") or home_folder(environ) / ".pyenv")
    for version in _folders_in(root / "versions"):
        yield version
        yield from _folders_in(version / "envs")


def _on_path(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the Pythons of PATH, without the stand-ins of pyenv, which start whatever is chosen elsewhere."""
    for folder in dict.fromkeys(environ.get("PATH", os.defpath).split(os.pathsep)):
        if not folder or "shims" in Path(folder).parts:
            continue
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = os.listdir(folder)  # noqa: PTH208
        for name in sorted(names):
            if name in ("python3", "python", "python.exe") or _PYTHON.fullmatch(name):
                yield Path(folder, name)
