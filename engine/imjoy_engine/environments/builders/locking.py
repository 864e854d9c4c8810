"""Makes the lock of a plugin: its conda part by conda-lock, its pip part by uv, in one ``conda-lock.yml``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import yaml

from imjoy.effects.machine.home import home_folder
from imjoy.effects.processes.process import CommandFailed, run_command
from imjoy.effects.tools.conda_lock import require_conda_lock, solve
from imjoy.effects.tools.pip_settings import uv_options
from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.builders.conda_env import match_specs
from imjoy_engine.environments.builders.venv_env import build_variables, find_uv
from imjoy_engine.environments.specs.conda_spec_parser import DEFAULT_CHANNEL
from imjoy_engine.environments.specs.lockfile import ANSWERS, digest_of, refuse_unlockable
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.environments.specs.targets import UV_PLATFORMS
from imjoy_engine.processes.redact import redact

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COMPILE_SECONDS = 900.0
HEADER = """\
# The lock of the plugin {plugin}, written by `imjoy lock`: its conda part by conda-lock, its pip part by uv.
# `imjoy run --locked` builds exactly this. Do not edit.
"""


@dataclass(frozen=True)
class PluginLock:
    """A lock that was made: its text, and how many packages of each kind it has for each platform."""

    text: str
    counts: Mapping[str, Mapping[str, int]]


def lock_plugin(
    plugin: str,
    specs: Sequence[EnvironmentSpec],
    environ: Mapping[str, str],
    asked: Mapping[str, EnvironmentSpec] | None = None,
) -> PluginLock:
    """Return the lock of a plugin whose environment on each platform is one of ``specs``. Takes minutes.

    ``asked`` is, by platform, what the plugin itself asks for, where ``specs`` say more than that.

    Raises ImJoyError ``lock.unlockable``, ``lock.no-conda-lock``, ``lock.no-conda``, ``lock.no-uv``,
    ``lock.platform-unknown``, ``lock.unsolvable``, ``lock.network``.
    """
    for spec in specs:
        refuse_unlockable(spec)
        if spec.platform not in UV_PLATFORMS:
            raise ImJoyError(
                "lock.platform-unknown",
                f"{spec.platform} is no platform that a lock can be made for.",
                why=f"There are {', '.join(UV_PLATFORMS)}.",
                fix="imjoy lock FILE --platform linux-64",
            )
    conda = require_conda_lock(home_folder(), environ)
    uv = find_uv()
    if uv is None:
        raise ImJoyError("lock.no-uv", "The pip part of a lock is made by uv, which is not installed here.")
    with tempfile.TemporaryDirectory(prefix="imjoy-lock-") as name:
        folder = Path(name)
        lockfile = folder / "conda-lock.yml"
        solve([_source(spec, folder) for spec in specs], lockfile, conda, folder)
        document = yaml.safe_load(lockfile.read_text(encoding="utf-8"))
        for spec in specs:
            document["package"] += _pip_part(spec, document["package"], uv, folder, environ)
    document["metadata"]["sources"] = [plugin]
    document["metadata"]["custom_metadata"] = {
        ANSWERS + spec.platform: digest_of((asked or {}).get(spec.platform, spec)) for spec in specs
    }
    text = HEADER.format(plugin=plugin) + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return PluginLock(text, {spec.platform: _count(document["package"], spec.platform) for spec in specs})


def _source(spec: EnvironmentSpec, folder: Path) -> Path:
    """Write what conda-lock reads: the conda part for one platform. Only uv knows every form of pip's part."""
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    wanted = match_specs(spec if spec.python is not None else replace(spec, python=mine))
    document = {
        "channels": list(spec.channels) or [DEFAULT_CHANNEL],
        "platforms": [spec.platform],
        "dependencies": [*wanted, "pip"],
    }
    file = folder / f"environment-{spec.platform}.yml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


def _pip_part(
    spec: EnvironmentSpec,
    packages: Sequence[Mapping[str, Any]],
    uv: str,
    folder: Path,
    environ: Mapping[str, str],
) -> list[dict[str, object]]:
    """Return the entries of the lock for what pip installs beside the conda packages of one platform."""
    conda = {
        each["name"]: each["version"]
        for each in packages
        if each["platform"] == spec.platform and each["manager"] == "conda"
    }
    wanted, there, found = (
        folder / name.format(spec.platform) for name in ("{}.in", "{}.constraints", "pylock.{}.toml")
    )
    wanted.write_text("".join(f"{each}\n" for each in (*spec.indexes, *spec.requirements)), encoding="utf-8")
    modules = {
        each["name"]: each["version"]
        for each in packages
        if each["name"] in conda and "python" in each["dependencies"]
    }
    there.write_text("".join(f"{name}=={version}\n" for name, version in modules.items()), encoding="utf-8")
    words = [uv, "pip", "compile", str(wanted), "--constraint", str(there), "--quiet", "--no-header"]
    words += ["--format", "pylock.toml", "--output-file", str(found), *uv_options(environ)]
    # Without a Python that is here, uv would fetch the plugin's, to have sources say what they need.
    words += ["--python", sys.executable]
    words += ["--python-version", str(conda["python"]), "--python-platform", UV_PLATFORMS[spec.platform]]
    try:
        run_command(words, timeout=COMPILE_SECONDS, environ=build_variables(environ))
    except CommandFailed as error:
        raise ImJoyError(
            "lock.unsolvable",
            f"The pip packages that the plugin asks for do not go together on {spec.platform}.",
            why=redact(error.result.output),
            fix='Correct the package named above in the plugin\'s "requirements", then lock it again.',
        ) from error
    document = tomllib.loads(found.read_text(encoding="utf-8"))
    chosen = [each for each in document["packages"] if each["name"] not in modules]
    return [_entry(each, spec.platform, folder) for each in chosen]


def _entry(package: Mapping[str, Any], platform: str, folder: Path) -> dict[str, object]:
    """Return one package of a ``pylock.toml`` (PEP 751) as an entry of a ``conda-lock.yml``."""
    entry: dict[str, object] = {
        "name": package["name"],
        "version": str(package.get("version", "0")),
        "manager": "pip",
        "platform": platform,
        "dependencies": {},
    }
    if vcs := package.get("vcs"):
        url = f"git+{vcs['url']}@{vcs['commit-id']}"
        return {**entry, "url": url, "hash": {}, "source": {"type": "url", "url": url}, **_CATEGORY}
    file = package.get("archive") or (package.get("wheels") or [package["sdist"]])[0]
    url = _without_password(file["url"]) if "url" in file else (folder / file["path"]).resolve().as_uri()
    entry.update(url=url, hash={"sha256": file["hashes"]["sha256"]})
    if package.get("archive"):
        entry["source"] = {"type": "url", "url": url}
    return {**entry, **_CATEGORY}


_CATEGORY = {"category": "main", "optional": False}


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _count(packages: Sequence[Mapping[str, Any]], platform: str) -> dict[str, int]:
    mine = [each["manager"] for each in packages if each["platform"] == platform]
    return {"conda": mine.count("conda"), "pip": mine.count("pip")}
