"""What the user told pip about indexes, certificates and proxies, so that uv, which does not read it, can obey it too.

The places and their order are those of pip's own documentation: global, user, environment and ``PIP_CONFIG_FILE``
files, then ``PIP_…`` variables; a later one replaces an earlier one.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from imjoy.effects.machine.home import home_folder, typed_path
from imjoy.model.errors import ImJoyError

SYSTEM_FOLDER = Path("/etc")

_SECTIONS = ("global", "install")
# Several values in one pip option are separated by white space; uv wants them as given here.
_SAME_MEANING = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "constraint": ("UV_CONSTRAINT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "proxy": ("ALL_PROXY", " "),
}
_LOCAL_OPTIONS = frozenset({"cert", "constraint", "find-links"})
_INDEX_VARIABLES = frozenset(
    {
        "UV_CONFIG_FILE",
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INDEX",
        "UV_INDEX_STRATEGY",
        "UV_INDEX_URL",
    }
)
_PROXIES = frozenset({"ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"})
_NETWORK = re.compile(r"(?P<bytes>\d{1,3}(\.\d{1,3}){0,3})(/(?P<bits>\d{1,2})|\.\*)")
_INTERNET_SETTINGS = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"
_TRUSTED = (
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "NPM_CONFIG_CAFILE",
)
"""Each read by a tool of its own, none by all."""
_ELSEWHERE = frozenset(
    {
        "config-file",
        "dry-run",
        "ignore-installed",
        "no-deps",
        "only-deps",
        "prefix",
        "python",
        "quiet",
        "report",
        "require-virtualenv",
        "root",
        "target",
        "user",
    }
)
"""Options that have pip install into another place, or not at all, or not tell."""
_TRUE = frozenset({"1", "on", "true", "y", "yes"})


def uv_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make uv use what pip is configured to use; those already in ``environ`` win.

    A user who configured indexes for uv itself, by variables or in a ``uv.toml``, gets exactly those.
    """
    settings = read_pip_settings(environ)
    translated: dict[str, str] = {}
    for option, (variable, separator) in _SAME_MEANING.items():
        values = [_as_uv_takes_it(option, value) for value in settings.get(option, "").split()]
        # uv stops at a place that is not there, where pip goes on with a warning.
        values = [value for value in values if value]
        if values:
            translated[variable] = separator.join(values)
    if "UV_INDEX" in translated:
        # pip has no order among indexes and takes the best version of them all.
        translated["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if _configured_for_uv(environ):
        translated = {name: value for name, value in translated.items() if name not in _INDEX_VARIABLES}
    return {name: value for name, value in translated.items() if name not in environ}


def uv_options(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the options for ``uv pip install`` that pip's settings ask for and that have no variable."""
    alone = read_pip_settings(environ).get("no-index", "").lower() in _TRUE
    return ("--no-index",) if alone and not _configured_for_uv(environ) else ()


def refuse_hashes(environ: Mapping[str, str]) -> None:
    """Raise ImJoyError ``env.hashes`` where pip is configured to install nothing but what has a hash."""
    if read_pip_settings(environ).get("require-hashes", "").lower() in _TRUE:
        raise ImJoyError(
            "env.hashes",
            "pip is configured here to install only what is named with its hash, and a plugin names packages without.",
            why="PIP_REQUIRE_HASHES, or require-hashes in a pip.conf (`pip config list` shows it).",
            fix="imjoy lock FILE\nimjoy run --locked FILE",
        )


def refuse_missing_constraint(environ: Mapping[str, str]) -> None:
    """Raise ImJoyError ``env.constraint`` where pip is to obey a file that is not there: uv would not miss it."""
    for value in read_pip_settings(environ).get("constraint", "").split():
        if not _as_uv_takes_it("constraint", value):
            raise ImJoyError(
                "env.constraint",
                f"pip is configured here to obey {value}, which is not there.",
                why="PIP_CONSTRAINT, or constraint in a pip.conf (`pip config list` shows it).",
                fix="Bring that file back, or take the setting away: unset PIP_CONSTRAINT, pip config unset "
                "global.constraint",
            )


def trust_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which each tool finds the certificates that the user named for one of them.

    Those already in ``environ`` win. In the order of their weight for pip, where the variables of requests come before
    its own ``cert``; then what uv, git, cargo and npm read. A folder of certificates is one in OpenSSL's form.
    """
    named = [environ.get(name, "") for name in _TRUSTED]
    named.insert(2, read_pip_settings(environ).get("cert", ""))
    bundle = next((typed_path(each) for each in named if each and typed_path(each).exists()), None)
    if bundle is None:
        return {}
    names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_DIR") if bundle.is_dir() else _TRUSTED
    wanted = dict.fromkeys(names, str(bundle))
    return {name: value for name, value in wanted.items() if not environ.get(name)}


def system_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies that are set in macOS's or Windows' own settings as variables, where no variable names one.

    Browsers and pip obey those settings; uv, git and py-rattler know variables only. Where these name a proxy, nobody
    asks the system for what it excepts either, so ``NO_PROXY`` goes with them.
    """
    if sys.platform not in ("darwin", "win32") or any(name.upper() in _PROXIES for name in environ):
        return {}
    from urllib.request import getproxies

    found = {f"{scheme}_proxy".upper(): url for scheme, url in getproxies().items()}
    proxies = {name: url for name, url in found.items() if name in _PROXIES}
    if not proxies or any(name.upper() == "NO_PROXY" for name in environ):
        return proxies
    return {**proxies, "NO_PROXY": no_proxy_of(_system_exceptions())}


def no_proxy_of(patterns: Iterable[str]) -> str:
    """Return for ``NO_PROXY`` what macOS and Windows except from a proxy, and what is always so: this machine.

    ``*.institute`` is ``.institute`` there, ``169.254/16`` and ``10.*`` are networks with all their bytes. What has no
    such form, like ``<local>`` and a ``*`` in the middle, is left out.
    """
    found = ["localhost", "127.0.0.1"]
    for pattern in (each.strip().lower().partition("://")[2] or each.strip().lower() for each in patterns):
        if network := _NETWORK.fullmatch(pattern):
            numbers = network["bytes"].split(".")
            padded = [*numbers, *["0"] * (4 - len(numbers))]
            found.append(f"{'.'.join(padded)}/{network['bits'] or 8 * len(numbers)}")
        elif pattern == "*" or not re.search(r"[*<>\s]", pattern.removeprefix("*.")):
            found.append(pattern.removeprefix("*") if pattern != "*" else pattern)
    return ",".join(dict.fromkeys(filter(None, found)))


def _system_exceptions() -> list[str]:
    """Return the patterns of hosts that are set in the system's own settings as asked without its proxy."""
    with suppress(ImportError, OSError):
        if sys.platform == "darwin":
            from _scproxy import _get_proxy_settings

            return list(_get_proxy_settings().get("exceptions", ()))
        if sys.platform == "win32":
            import winreg

            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, _INTERNET_SETTINGS) as key:
                return str(winreg.QueryValueEx(key, "ProxyOverride")[0]).split(";")
    return []


def with_pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables under which pip reads none of its files, and obeys them all the same but for where to install.

    ``target`` in a ``pip.conf`` would have everything written there, ``require-virtualenv`` or ``dry-run`` nothing; a
    variable cannot take such a setting back, as pip passes over empty ones.
    """
    settings = read_pip_settings(environ)
    kept = {name: value for name, value in environ.items() if not name.startswith("PIP_")}
    for option, value in settings.items():
        if option not in _ELSEWHERE:
            kept["PIP_" + option.upper().replace("-", "_")] = " ".join(value.split())
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_USER": "0"}


def read_pip_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options for installing, by their long names without dashes in front."""
    settings: dict[str, str] = {}
    for path in _pip_config_files(environ):
        # pip itself will complain when it is used; uv can do without
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        from configparser import Error as ConfigError  # most people have no such file
        from configparser import RawConfigParser

        parser = RawConfigParser()
        try:
            parser.read_string(text, str(path))
        except ConfigError:  # what was read until there is not whole: its values may still be lists of lines
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                settings.update((_option(name), value) for name, value in parser.items(section))
    for name, value in environ.items():
        if name.startswith("PIP_") and value:
            settings[_option(name.removeprefix("PIP_"))] = value
    return settings


def _pip_config_files(environ: Mapping[str, str]) -> Iterator[Path]:
    override = environ.get("PIP_CONFIG_FILE", "")
    if override == os.devnull:
        return
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder())
    name = "pip.ini" if sys.platform == "win32" else "pip.conf"
    if sys.platform == "win32":
        yield Path(environ.get("PROGRAMDATA", "C:/ProgramData"), "pip", name)
        yield home / "pip" / name
        if "APPDATA" in environ:
            yield Path(environ["APPDATA"], "pip", name)
    else:
        if sys.platform == "darwin":
            yield Path("/Library/Application Support/pip", name)
        for folder in reversed(environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep)):
            yield Path(folder, "pip", name)
        yield SYSTEM_FOLDER / name
        yield home / ".pip" / name
        if sys.platform == "darwin":
            yield home / "Library" / "Application Support" / "pip" / name
        yield Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "pip", name)
    yield Path(sys.prefix, name)
    if override:
        yield Path(override)


def _configured_for_uv(environ: Mapping[str, str]) -> bool:
    if _INDEX_VARIABLES & environ.keys():
        return True
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder())
    folders = [Path(environ.get("APPDATA", home) if sys.platform == "win32" else SYSTEM_FOLDER)]
    folders.append(Path(environ.get("XDG_CONFIG_HOME") or home / ".config"))
    return any(_names_an_index(folder / "uv" / "uv.toml") for folder in folders)


def _names_an_index(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "index" in text or "find-links" in text


def _option(name: str) -> str:
    return name.lower().replace("_", "-")


def _as_uv_takes_it(option: str, value: str) -> str:
    if option.endswith("timeout"):
        return value.partition(".")[0]
    if option not in _LOCAL_OPTIONS or "://" in value.replace("file://", ""):
        return value
    path = typed_path(value.removeprefix("file://"))
    return str(path) if path.exists() else ""
