"""The app's files in the workspace, compared with what the engine's package pins."""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from imjoy.model.errors import ImJoyError
from imjoy.model.install_line import install_line
from imjoy.model.project import ENGINE_MODULE

CDN_URL = "https://cdn.jsdelivr.net/npm"
STRING = r'^{} = "([^"]+)"'


@dataclass(frozen=True)
class PinnedFile:
    """A file that the app needs: where it lies below the cache, and its SHA-256."""

    path: Path
    sha256: str


@dataclass(frozen=True)
class AppFiles:
    """What is in the cache: nothing missing and nothing damaged is complete."""

    present: bool
    missing: tuple[Path, ...]
    damaged: tuple[Path, ...]

    @property
    def complete(self) -> bool:
        """Whether the app can be served without a network."""
        return self.present and not self.missing and not self.damaged


def look_at_files(root: Path) -> AppFiles:
    """Hash what lies in the cache. Raises ``ImJoyError`` when the engine's package is not there."""
    if not root.is_dir():
        return AppFiles(False, (), ())
    missing, damaged = [], []
    for file in pinned_files():
        try:
            content = (root / file.path).read_bytes()
        except OSError:
            missing.append(file.path)
            continue
        if hashlib.sha256(content).hexdigest() != file.sha256:
            damaged.append(file.path)
    return AppFiles(True, tuple(missing), tuple(damaged))


def pinned_files() -> list[PinnedFile]:
    """Read the engine's list of packages as data: imjoy never imports the engine."""
    spec = find_spec(ENGINE_MODULE)
    if spec is None or not spec.submodule_search_locations:
        raise ImJoyError(
            "engine.missing", "The engine's package is not installed.", fix=install_line(sys.platform)
        )
    file = Path(spec.submodule_search_locations[0]) / "webapp" / "packages.toml"
    pinned = []
    for package in file.read_text(encoding="utf-8").split("[[package]]")[1:]:
        head, *parts = package.split("[[package.file]]")
        name, version = _value("name", head), _value("version", head)
        folder = Path(name.replace("/", "+").lstrip("@")) / version
        pinned += [PinnedFile(folder / _value("path", part), _value("sha256", part)) for part in parts]
    return pinned


def _value(name: str, text: str) -> str:
    match = re.search(STRING.format(name), text, re.MULTILINE)
    return match[1] if match else ""
