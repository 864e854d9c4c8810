"""What the user told conda about channels and caches: read, never written."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from imjoy.effects.machine.home import home_folder, typed_path
from imjoy.effects.tools.conda import CHANNEL_ALIAS, conda_of_prefix, root_of
from imjoy.effects.tools.pip_settings import system_proxies
from imjoy_engine.environments.specs.conda_spec_parser import DEFAULT_CHANNEL

YES = ("true", "yes", "on", "1")
NO = ("false", "no", "off", "0")


@dataclass(frozen=True)
class CondaSettings:
    """Where named channels are, where packages are kept, how the network is reached; the conda of the prefix, if any.

    ``ssl_verify`` may be a file of certificates; ``no_proxy`` is what ``NO_PROXY`` says, and ``asks_system`` whether
    the proxies are the system's, which has exceptions of its own.
    """

    package_cache: Path
    channel_alias: str = CHANNEL_ALIAS
    custom_channels: tuple[tuple[str, str], ...] = ()
    proxy_servers: tuple[tuple[str, str], ...] = ()
    no_proxy: tuple[str, ...] = ()
    asks_system: bool = False
    ssl_verify: bool | str = True
    offline: bool = False
    command: Path | None = None

    def url(self, channel: str) -> str:
        """Return the url of a channel that is named, or given by url."""
        if "://" in channel:
            return channel
        first = channel.partition("/")[0]
        for name, base in self.custom_channels:
            if name in (channel, first):
                return f"{base.rstrip('/')}/{channel}"
        return f"{self.channel_alias.rstrip('/')}/{channel}"


def read_conda_settings(environ: Mapping[str, str], prefix: Path | None) -> CondaSettings:
    """Return the settings of conda's files and variables, those of the conda of ImJoy's ``prefix`` among them.

    Packages are kept where the user says (``CONDA_PKGS_DIRS``, ``pkgs_dirs``), else with that conda where it can be
    written to, so that both use the same files, else where other programs that use py-rattler keep theirs.
    """
    command = conda_of_prefix(prefix) if prefix is not None else None
    root = root_of(command) if command is not None else None
    alias, verify, offline = CHANNEL_ALIAS, "true", "false"
    custom: dict[str, str] = {}
    # py-rattler knows variables, and not what is set in the system.
    of_system = {name[: -len("_PROXY")].lower(): url for name, url in system_proxies(environ).items()}
    # What it excepts is asked of itself, host by host.
    of_system.pop("no", None)
    proxies = dict(of_system)
    no_proxy = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    caches: list[str] = []
    for path in _condarc_files(environ, root):
        document = _load(path)
        if isinstance(document.get("channel_alias"), str):
            alias = str(document["channel_alias"])
        custom.update(_texts(document.get("custom_channels")))
        proxies.update(_texts(document.get("proxy_servers")))
        if isinstance(folders := document.get("pkgs_dirs"), list):
            caches = [*map(str, folders), *caches]
        verify = str(document.get("ssl_verify", verify))
        offline = str(document.get("offline", offline))
    alias = environ.get("CONDA_CHANNEL_ALIAS") or alias
    return CondaSettings(
        _package_cache(environ, caches, root),
        alias if "://" in alias else f"https://{alias}",
        tuple(custom.items()),
        tuple(proxies.items()),
        tuple(each.strip() for each in no_proxy.split(",") if each.strip()),
        bool(proxies) and proxies == of_system,
        _verify(environ.get("CONDA_SSL_VERIFY") or verify, environ),
        (environ.get("CONDA_OFFLINE") or offline).lower() in YES,
        command,
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
    return [typed_path(folder) for folder in dict.fromkeys(folders)]


def _texts(document: object) -> dict[str, str]:
    if not isinstance(document, Mapping):
        return {}
    return {str(name): str(value) for name, value in document.items() if value}


def _verify(value: str, environ: Mapping[str, str]) -> bool | str:
    if value.lower() in (*YES, "truststore", "none", ""):
        return True
    return False if value.lower() in NO else str(_path(value, environ))


def _path(text: str, environ: Mapping[str, str]) -> Path:
    """Return the path that a setting names, which may hold variables and the home."""
    known = re.sub(
        r"\$(?:\{(\w+)\}|(\w+))", lambda found: environ.get(found[1] or found[2]) or found[0], text
    )
    return typed_path(known)


def _package_cache(environ: Mapping[str, str], caches: list[str], root: Path | None) -> Path:
    separator = os.pathsep if sys.platform == "win32" else ","
    named = environ.get("CONDA_PKGS_DIRS", "").split(separator)[0].strip()
    if named:
        return typed_path(named)
    folders = [_path(each, environ) for each in caches] + ([root / "pkgs"] if root is not None else [])
    for folder in folders:
        nearest = next((each for each in (folder, *folder.parents) if each.exists()), None)
        # On Windows the drive itself may be gone.
        if nearest is not None and os.access(nearest, os.W_OK | os.X_OK):
            return folder
    if environ.get("RATTLER_CACHE_DIR"):
        return Path(environ["RATTLER_CACHE_DIR"], "pkgs")
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder())
    if sys.platform == "win32":
        folder = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = home / "Library" / "Caches"
    else:
        folder = Path(environ.get("XDG_CACHE_HOME") or home / ".cache")
    return folder / "rattler" / "cache" / "pkgs"


def _condarc_files(environ: Mapping[str, str], root: Path | None) -> Iterator[Path]:
    """Yield the files in conda's order: a later one replaces an earlier one."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder())
    if sys.platform != "win32":
        yield Path("/etc/conda/.condarc")
        yield Path("/etc/conda/condarc")
    if root is not None:
        yield root / ".condarc"
        yield root / "condarc"
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


def direct_hosts(urls: Iterable[str], settings: CondaSettings) -> tuple[str, ...]:
    """Return the hosts for which no proxy is asked: those of ``NO_PROXY``, and which of ``urls`` the system excepts.

    May wait for a name server.
    """
    from urllib.request import proxy_bypass

    hosts = {urlsplit(url).hostname or "" for url in urls} - {""} if settings.asks_system else set()
    return (*settings.no_proxy, *(host for host in sorted(hosts) if proxy_bypass(host)))


def find_conda(environ: Mapping[str, str]) -> str | None:
    """Return the conda command: ``CONDA_EXE``, else the first on PATH."""
    return environ.get("CONDA_EXE") or shutil.which("conda", path=environ.get("PATH"))
