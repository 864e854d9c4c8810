"""What the user told conda about channels and caches: read, never written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imjoy.effects.home import home_folder, typed_path
from imjoy_engine.environments.conda_words import DEFAULT_CHANNEL

CHANNEL_ALIAS = "https://conda.anaconda.org"


@dataclass(frozen=True)
class CondaSettings:
    """Where named channels are, and where packages are kept."""

    package_cache: Path
    channel_alias: str = CHANNEL_ALIAS
    custom_channels: tuple[tuple[str, str], ...] = ()

    def url(self, channel: str) -> str:
        """Return the url of a channel that is named, or given by url."""
        if "://" in channel:
            return channel
        first = channel.partition("/")[0]
        for name, base in self.custom_channels:
            if name in (channel, first):
                return f"{base.rstrip('/')}/{channel}"
        return f"{self.channel_alias.rstrip('/')}/{channel}"


def read_conda_settings(environ: Mapping[str, str], conda_prefix: Path | None) -> CondaSettings:
    """Return the settings of conda's files and variables; ``conda_prefix`` is the conda that ImJoy provisioned.

    Packages are kept where the user says (``CONDA_PKGS_DIRS``), else with that conda, so that both use the same files,
    else where other programs that use py-rattler keep theirs.
    """
    alias, custom = CHANNEL_ALIAS, {}
    for path in _condarc_files(environ, conda_prefix):
        document = _load(path)
        if isinstance(document.get("channel_alias"), str):
            alias = str(document["channel_alias"])
        channels = document.get("custom_channels")
        if isinstance(channels, Mapping):
            custom.update({str(name): str(base) for name, base in channels.items()})
    alias = environ.get("CONDA_CHANNEL_ALIAS") or alias
    return CondaSettings(
        _package_cache(environ, conda_prefix),
        alias if "://" in alias else f"https://{alias}",
        tuple(custom.items()),
    )


def environment_folders(environ: Mapping[str, str]) -> list[Path]:
    """Return the folders in which the user told conda to make environments."""
    named = environ.get("CONDA_ENVS_DIRS") or environ.get("CONDA_ENVS_PATH") or ""
    folders = [entry for entry in named.split(os.pathsep) if entry]
    for path in _condarc_files(environ, None):
        document = _load(path)
        for key in ("envs_dirs", "envs_path"):
            listed = document.get(key)
            folders += [str(entry) for entry in listed] if isinstance(listed, list) else []
    return [Path(folder).expanduser() for folder in dict.fromkeys(folders)]


def _package_cache(environ: Mapping[str, str], conda_prefix: Path | None) -> Path:
    named = (
        environ.get("CONDA_PKGS_DIRS", "").split(os.pathsep if sys.platform == "win32" else ",")[0].strip()
    )
    if named:
        return typed_path(named)
    if conda_prefix is not None and (conda_prefix / "conda-meta").is_dir():
        return conda_prefix / "pkgs"
    if environ.get("RATTLER_CACHE_DIR"):
        return Path(environ["RATTLER_CACHE_DIR"], "pkgs")
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder())
    if sys.platform == "win32":
        caches = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        caches = home / "Library" / "Caches"
    else:
        caches = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return caches / "rattler" / "cache" / "pkgs"


def _condarc_files(environ: Mapping[str, str], conda_prefix: Path | None) -> Iterator[Path]:
    """Yield the files in conda's order: a later one replaces an earlier one."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder())
    if sys.platform != "win32":
        yield Path("/etc/conda/.condarc")
        yield Path("/etc/conda/condarc")
    if conda_prefix is not None:
        yield conda_prefix / ".condarc"
        yield conda_prefix / "condarc"
    yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "conda", ".condarc")
    yield home / ".conda" / ".condarc"
    yield home / ".conda" / "condarc"
    yield home / ".condarc"
    if environ.get("CONDARC"):
        yield typed_path(environ["CONDARC"])


def _load(path: Path) -> Mapping[str, object]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}  # conda itself will complain when it is used
    return document if isinstance(document, Mapping) else {}


def channel_urls(channels: tuple[str, ...], settings: CondaSettings) -> list[str]:
    """Return the urls of ``channels`` in their order."""
    return [settings.url(channel) for channel in channels or (DEFAULT_CHANNEL,)]
