"""Plugins' environments in a folder: packed on a machine with a network, unpacked on one without.

The folder has ``pack.json``, the plugin files, ``wheels`` and ``conda``: every package once, exactly the versions
that were solved, each with its SHA-256.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.utils import parse_wheel_filename

from imjoy.effects.network.download import download
from imjoy.effects.tools.pip_settings import uv_options
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.builders import old_pins
from imjoy_engine.environments.builders.old_pins import host_python
from imjoy_engine.environments.builders.venv_env import (
    build_variables,
    build_venv,
    find_uv,
    network_is_down,
    uv_version,
)
from imjoy_engine.environments.progress import Report
from imjoy_engine.environments.specs.conda_settings import read_conda_settings
from imjoy_engine.environments.specs.planning import plan_environment
from imjoy_engine.environments.specs.spec import EnvironmentSpec, LockedPackage, this_platform
from imjoy_engine.environments.specs.targets import UV_PLATFORMS, wheel_tags
from imjoy_engine.environments.store.store import EnvironmentStore
from imjoy_engine.plugin_files.manifest import PluginFile, parse_plugin
from imjoy_engine.processes.guarded_process import run_guarded
from imjoy_engine.processes.redact import redact

PACK_NAME = "pack.json"
WHEELS, CONDA, PLUGINS = "wheels", "conda", "plugins"
FORMAT = 1
COMPILE_SECONDS = 600.0
WRITES_PYLOCK_SINCE = (0, 8)
_COMPILE = ("pip", "compile", "--quiet", "--no-header", "--no-annotate", "--format", "pylock.toml")


async def pack(
    files: Sequence[Path],
    folder: Path,
    root: Path,
    environ: Mapping[str, str],
    report: Report,
    *,
    platform: str = "",
    python: str = "",
) -> dict[str, object]:
    """Write what the plugins in ``files`` need into ``folder``; return what ``pack.json`` holds.

    ``platform`` is conda's name for the machine that it is for, ``python`` the one that imjoy has there, as 3.11; this
    machine's where they are left out.

    Raises:
        ImJoyError: ``env.unpackable`` for what no folder can hold, ``env.offline``, ``env.unsolvable``, ``download.…``;
            ``lock.platform-unknown`` and ``env.python`` for a machine that there is not.
    """
    platform, own = platform or this_platform(), python or host_python()
    _check_machine(platform, own)
    for name in (WHEELS, CONDA, PLUGINS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    entries = []
    for file in files:
        plugin = _read_plugin(file)
        manifest = plugin.manifest.with_tag()
        asked = plan_environment(manifest, manifest.tag, platform)
        spec = await old_pins.adapt_to_old_pins(asked, root, environ, report, own=own)
        decision = old_pins.recall(asked, root, own)
        _check_packable(spec, manifest.name)
        conda, brought = await _pack_conda(spec, folder, environ, report)
        pip = await _pack_wheels(spec, brought or own, folder, environ)
        shutil.copyfile(file, folder / PLUGINS / file.name)
        entries.append(
            {
                "file": file.name,
                "name": manifest.name,
                "tag": manifest.tag,
                "python": spec.python,
                "decision": asdict(decision) if decision else None,
                "conda": [asdict(each) for each in conda],
                "pip": pip,
            }
        )
    content: dict[str, object] = {
        "format": FORMAT,
        "platform": platform,
        "python": own,
        "plugins": entries,
    }
    (folder / PACK_NAME).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return content


async def unpack(
    folder: Path, store: EnvironmentStore, environ: Mapping[str, str], report: Report
) -> list[dict[str, str]]:
    """Make the environments of the plugins in ``folder``, without a network; return their names and folders.

    Raises:
        ImJoyError: ``env.no-pack``, ``env.other-machine``, ``env.checksum`` before anything is made, and what a build
            raises.
    """
    content = _read_pack(folder)
    if content["platform"] != this_platform() or content["python"] != host_python():
        raise ImJoyError(
            "env.other-machine",
            f"This folder was packed for {content['platform']} and Python {content['python']}.",
            why=f"This is {this_platform()}, and imjoy runs in Python {host_python()}.",
            fix=f"imjoy env pack FILE -o DIR --platform {this_platform()} --python {host_python()}",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    made = []
    for entry in content["plugins"]:
        plugin = _read_plugin(folder / PLUGINS / Path(entry["file"]).name)
        manifest = plugin.manifest.with_tag(entry["tag"] or None)
        spec = plan_environment(manifest, manifest.tag)
        if entry.get("decision"):
            old_pins.remember(spec, store.root, old_pins.Decision(**_with_tuples(entry["decision"])))
            spec = await store.fitting(spec, report)
        await asyncio.to_thread(_check_files, folder, entry)
        fill = functools.partial(_fill, folder, spec, entry, environ)
        python = await store.ensure(spec, report, fill=fill)
        made.append({"plugin": manifest.name, "file": entry["file"], "python": str(python)})
    return made


async def _fill(
    folder: Path,
    spec: EnvironmentSpec,
    entry: Mapping[str, Any],
    environ: Mapping[str, str],
    prefix: Path,
    report: Report,
) -> None:
    """Build one environment at ``prefix`` of what lies in the folder and nothing else."""
    alone = {
        name: value
        for name, value in environ.items()
        if not name.startswith(("UV_INDEX", "PIP_", "UV_DEFAULT"))
    }
    wheels = str(folder / WHEELS)
    alone.update(
        UV_NO_INDEX="1", UV_OFFLINE="1", UV_FIND_LINKS=wheels, PIP_NO_INDEX="1", PIP_FIND_LINKS=wheels
    )
    pip = tuple(entry["pip"])
    if not spec.needs_conda:
        await build_venv(prefix, pip, python=Path(sys.executable), environ=alone, report=report)
        return
    from imjoy_engine.environments.builders.conda_env import build_conda

    locked = tuple(
        LockedPackage(**{**each, "url": (folder / each["url"]).as_uri(), "depends": tuple(each["depends"])})
        for each in entry["conda"]
    )
    settings = read_conda_settings(environ, None)
    await build_conda(
        prefix,
        replace(spec, locked=locked, requirements=pip, indexes=()),
        settings=settings,
        environ=alone,
        report=report,
    )


def _with_tuples(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in document.items()}


def _check_machine(platform: str, python: str) -> None:
    if platform not in UV_PLATFORMS and platform != this_platform():
        raise ImJoyError(
            "lock.platform-unknown",
            f"{platform} is no platform that a pack can be made for.",
            why=f"There are {', '.join(UV_PLATFORMS)}.",
            fix="imjoy env pack FILE -o DIR --platform linux-64",
            exit_code=ExitCode.USAGE,
        )
    if not re.fullmatch(r"3\.\d\d", python):
        raise ImJoyError(
            "env.python",
            f"imjoy runs on Python 3.10 and newer, and {python} is none.",
            fix="imjoy env pack FILE -o DIR --python 3.12",
            exit_code=ExitCode.USAGE,
        )


def _read_plugin(file: Path) -> PluginFile:
    try:
        return parse_plugin(file.read_text(encoding="utf-8-sig"), file=file.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ImJoyError(
            "run.no-file", f"{file} cannot be read.", why=str(error), exit_code=ExitCode.USAGE
        ) from error


def _check_packable(spec: EnvironmentSpec, plugin: str) -> None:
    there = [*spec.local, *spec.files, *(f"repo: {each.url}" for each in spec.repos)]
    if there:
        raise ImJoyError(
            "env.unpackable",
            f"{plugin} takes something from its work folder, which a pack cannot hold.",
            why=redact("\n".join(there)),
            fix="Name the packages in the plugin's config, or carry the work folder over yourself.",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )


async def _pack_conda(
    spec: EnvironmentSpec, folder: Path, environ: Mapping[str, str], report: Report
) -> tuple[list[LockedPackage], str]:
    """Fetch the conda packages of ``spec``; return them, their urls below ``folder``, and the Python they bring."""
    if not spec.needs_conda:
        return [], ""
    from imjoy_engine.environments.builders.conda_env import solve_records

    packages = []
    python = ""
    for record in await solve_records(spec, read_conda_settings(environ, None), report):
        url = str(record.url)
        place = f"{CONDA}/{record.subdir}/{Path(urlsplit(url).path).name}"
        sha256 = (record.sha256 or b"").hex()
        await asyncio.to_thread(_get, url, folder / place, sha256)
        name = record.name.normalized
        python = str(record.version) if name == "python" else python
        packages.append(
            LockedPackage(name, str(record.version), place, sha256, tuple(map(str, record.depends)))
        )
    return packages, ".".join(python.split(".")[:2])


async def _pack_wheels(
    spec: EnvironmentSpec, python: str, folder: Path, environ: Mapping[str, str]
) -> list[str]:
    """Fetch the wheels of ``spec`` for ``python``; return lines that name exactly them."""
    uv = find_uv()
    if uv is None or uv_version() < WRITES_PYLOCK_SINCE:
        raise ImJoyError(
            "lock.no-uv",
            "uv, which solves what pip installs, is not here, or too old for a pack.",
            fix=f"pip install --upgrade 'uv>={'.'.join(map(str, WRITES_PYLOCK_SINCE))}'",
        )
    wanted = folder / f".{hashlib.sha256(repr(spec).encode()).hexdigest()[:12]}.in"
    lock = wanted.with_suffix(".toml").with_name(f"pylock.{wanted.stem[1:]}.toml")
    lines: list[str] = []
    try:
        wanted.write_text(
            "".join(f"{line}\n" for line in (*spec.indexes, *spec.requirements)), encoding="utf-8"
        )
        argv = [uv, *_COMPILE, *uv_options(environ), "--python-version", python, "--python", sys.executable]
        if spec.platform != this_platform():
            argv += ["--python-platform", UV_PLATFORMS[spec.platform]]
        code = await run_guarded(
            [*argv, "--output-file", str(lock), str(wanted)],
            build_variables(environ),
            lines.append,
            seconds=COMPILE_SECONDS,
        )
        if code != 0:
            raise _unsolved(lines)
        packages = _load_toml(lock).get("packages", [])
    finally:
        wanted.unlink(missing_ok=True)
        lock.unlink(missing_ok=True)
    tags = wheel_tags(python, spec.platform)
    pins = []
    for package in packages:
        wheel = _best_wheel(package.get("wheels", ()), tags)
        if wheel is None:
            raise ImJoyError(
                "env.unpackable",
                f"{package['name']} {package.get('version', '')} does not come built for Python {python} "
                f"on {spec.platform}.",
                why="A pack holds wheels only: what has to be built may need anything.",
                fix="Ask for a version that comes built, in the plugin's config.",
                exit_code=ExitCode.PREFLIGHT_REFUSED,
            )
        url = _address(wheel)
        sha256 = str(wheel["hashes"]["sha256"])
        await asyncio.to_thread(_get, url, folder / WHEELS / _file_name(url), sha256)
        pins.append(f"{package['name']}=={package['version']} --hash=sha256:{sha256}")
    return sorted(pins)


def _unsolved(lines: Sequence[str]) -> ImJoyError:
    why = "\n".join(lines[-30:])
    if network_is_down(lines):
        return ImJoyError(
            "env.offline",
            "The network does not answer.",
            why=why,
            exit_code=ExitCode.NETWORK_NEEDED,
            fix="Pack on a machine with a network, then unpack the folder here: imjoy env unpack DIR",
        )
    return ImJoyError("env.unsolvable", "The pip packages do not go together.", why=why)


def _load_toml(file: Path) -> Mapping[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    document: Mapping[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    return document


def _best_wheel(wheels: Sequence[Mapping[str, Any]], tags: Sequence[Any]) -> Mapping[str, Any] | None:
    order = {tag: place for place, tag in enumerate(tags)}
    ranked = []
    for number, wheel in enumerate(wheels):
        name = _file_name(str(wheel.get("url") or wheel.get("path") or ""))
        places = [order[tag] for tag in parse_wheel_filename(name)[3] if tag in order]
        if places:
            ranked.append((min(places), number))
    return wheels[min(ranked)[1]] if ranked else None


def _address(wheel: Mapping[str, Any]) -> str:
    return str(wheel.get("url") or Path(wheel["path"]).resolve().as_uri())


def _file_name(url: str) -> str:
    return Path(unquote(urlsplit(url).path)).name


def _get(url: str, target: Path, sha256: str) -> None:
    """Bring one file, from the web or from a folder, unless it is there."""
    if target.exists() and _sha256(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = urlsplit(url)
    if parts.scheme == "file":
        shutil.copyfile(unquote(parts.path), target)
    else:
        download(url, target, sha256 or None, lambda done, total: None)


def _read_pack(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / PACK_NAME).read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ImJoyError(
            "env.no-pack",
            f"{folder} holds no pack.",
            why=str(error),
            fix="imjoy env pack FILE -o DIR",
            exit_code=ExitCode.USAGE,
        ) from error
    return dict(content)


def _check_files(folder: Path, entry: Mapping[str, Any]) -> None:
    """See that every file of one plugin is what was packed. Raises ImJoyError ``env.checksum``."""
    wheels = {_sha256(file) for file in (folder / WHEELS).glob("*.whl")}
    missing = [line for line in entry["pip"] if line.rpartition("sha256:")[2] not in wheels]
    for package in entry["conda"]:
        file = folder / package["url"]
        if not file.is_file() or _sha256(file) != package["sha256"]:
            missing.append(package["url"])
    if missing:
        raise ImJoyError(
            "env.checksum",
            "The pack is not whole: a package is missing, or not what was packed.",
            why="\n".join(missing[:10]),
            fix="Copy the folder again, or pack it again: imjoy env pack FILE -o DIR",
            exit_code=ExitCode.CHECKSUM_MISMATCH,
        )


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
