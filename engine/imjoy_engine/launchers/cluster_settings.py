"""What ``<workspace>/.imjoy/cluster.toml`` says, and what a plugin wants of a cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.launchers import Resources

if TYPE_CHECKING:
    from imjoy_engine.plugin_files.manifest import Manifest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

UNITS = {
    "": 1,
    **{letter: 1000**power for power, letter in enumerate("kmgt", 1)},
    **{f"{letter}i": 1024**power for power, letter in enumerate("kmgt", 1)},
}
MEMORY = re.compile(r"^(\d{1,9}(?:\.\d{1,3})?)\s*([kmgt]?i?)b?$", re.IGNORECASE)
TIME = re.compile(r"^(\d{1,6}(?:\.\d{1,3})?)\s*(s|min|h|d)$")
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
MAX_COUNT = 1_000_000
RESOURCE_NAMES = frozenset({"cpus", "gpus", "memory", "time"})
# They would carry commands, or this machine's secrets, past what we say.
REFUSED_OPTIONS = frozenset(
    f"--{name}"
    for name in [
        "wrap",
        "export",
        "export-file",
        "output",
        "error",
        "input",
        "array",
        "requeue",
        "job-name",
        "signal",
        "wait",
        "parsable",
    ]
)
REFUSED_SHORT = ("-o", "-e", "-i", "-a", "-J", "-W")
# These take no value: what stands behind them in one word is more options.
FLAGS = frozenset("HhIkOQsuvV")


@dataclass(frozen=True)
class ClusterSettings:
    """``host`` is the name or address that nodes reach this machine by, empty for its own name; ``port`` 0 is any."""

    options: tuple[str, ...] = ()
    prologue: str = ""
    wrapper: tuple[str, ...] = ()
    host: str = ""
    port: int = 0
    default: Resources = field(default_factory=Resources)
    maximum: Mapping[str, int] = field(default_factory=dict)


def read_settings(file: Path) -> ClusterSettings:
    """Return what the file says; its absence says nothing. Raises ImJoyError ``cluster.settings``."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ClusterSettings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise _wrong(file, str(error)) from error
    try:
        return _settings(document)
    except ValueError as error:
        raise _wrong(file, str(error)) from error


def _settings(document: Mapping[str, object]) -> ClusterSettings:
    unknown = set(document) - {"options", "prologue", "wrapper", "host", "port", "default", "maximum"}
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]} is no setting")
    port = document.get("port", 0)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError("port is no port number")
    options = _words(document.get("options", []), "options")
    for word in options:
        if not _allowed(word):
            raise ValueError(
                f"options: {word} is not for you to set; write each as one word, --partition=gpu"
            )
    return ClusterSettings(
        options=options,
        prologue=_text(document.get("prologue", ""), "prologue"),
        wrapper=_words(document.get("wrapper", []), "wrapper"),
        host=_line(document.get("host", ""), "host"),
        port=port,
        default=replace(Resources(), **_read_resources(document.get("default", {}), "default")),
        maximum=_read_resources(document.get("maximum", {}), "maximum"),
    )


def _allowed(option: str) -> bool:
    """Whether a word for ``sbatch`` is one option that leaves alone what we say."""
    if option.startswith("--"):
        # getopt takes the beginning of a name for the whole.
        name = option.split("=")[0]
        return len(name) > 2 and not any(refused.startswith(name) for refused in REFUSED_OPTIONS)
    bundled = len(option) > 2 and option[1] in FLAGS
    return option.startswith("-") and len(option) > 1 and option[:2] not in REFUSED_SHORT and not bundled


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{name} is no text")
    return value


def _line(value: object, name: str) -> str:
    text = _text(value, name)
    if not text.isprintable():
        raise ValueError(f"{name} is more than one line of text")
    return text


def _words(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list of words")
    return tuple(_line(word, name) for word in value)


def _read_resources(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is no table")
    found: dict[str, Any] = {}
    for key, wanted in value.items():
        if key in ("cpus", "gpus"):
            found[key] = _count(wanted, f"{name}: {key}")
        elif key == "memory":
            found[key] = _scaled(wanted, MEMORY, UNITS, f"{name}: {key}")
        elif key == "time":
            found["seconds"] = _scaled(wanted, TIME, SECONDS, f"{name}: {key}")
        else:
            raise ValueError(
                f"{name}: {key} is nothing that can be asked for; cpus, gpus, memory and time can"
            )
    return found


def _count(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"{name} is no number of them")
    return value


def _scaled(value: object, pattern: re.Pattern[str], units: Mapping[str, int], name: str) -> int:
    found = pattern.match(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f'{name} is not written as "8 GB" or "2 h"')
    return int(float(found[1]) * units[found[2].lower()])


def offer(name: str, known: Collection[str], settings: ClusterSettings) -> dict[str, object]:
    """Return what may be asked of the cluster ``name``, for people to choose: bytes of memory, seconds of time.

    ``default`` has each of ``known``, ``maximum`` those of them that the user has put a limit to.
    """

    def named(values: Mapping[str, int]) -> dict[str, int]:
        keys = {each: "seconds" if each == "time" else each for each in known}
        return {each: values[key] for each, key in keys.items() if key in values}

    return {"name": name, "default": named(vars(settings.default)), "maximum": named(settings.maximum)}


def requested_resources(
    manifest: Manifest, settings: ClusterSettings, asked: Mapping[str, object] | None = None, *, gpus: int = 0
) -> Resources:
    """Return what a plugin's ``resources`` ask for, for its tag or for all, on top of the defaults.

    ``asked`` is what the person wants, before that. ``gpus`` is what one gets that says nothing of them.

    Raises ImJoyError ``plugin.field`` for what cannot be read, ``cluster.wish`` for what is above the user's maximum.
    """
    name = manifest.name
    wanted = manifest.raw.get("resources")
    if not isinstance(wanted, Mapping) or not wanted.keys() <= RESOURCE_NAMES:
        wanted = manifest.by_tag("resources", manifest.tag)
    try:
        own = _read_resources({} if wanted is None else wanted, "resources")
        given = {**({"gpus": gpus} if gpus else {}), **own, **_read_resources(asked or {}, "resources")}
    except ValueError as error:
        raise ImJoyError("plugin.field", f'{name}: "resources" cannot be used.', why=str(error)) from error
    resources = replace(settings.default, **given)
    for key, maximum in settings.maximum.items():
        if getattr(resources, key) > maximum:
            raise ImJoyError(
                "cluster.wish",
                f"{name} asks for more {'time' if key == 'seconds' else key} than you allow.",
                why=f"It wants {getattr(resources, key):,}; [maximum] in cluster.toml has {maximum:,}.",
                fix="Raise [maximum], or have the plugin ask for less.",
            )
    return resources


def _wrong(file: Path, why: str) -> ImJoyError:
    return ImJoyError(
        "cluster.settings",
        f"{file} cannot be used.",
        why=why,
        fix="Correct that line.",
        exit_code=ExitCode.USAGE,
    )
