"""What stands after ``conda create``, ``conda install`` or ``conda:``: packages, channels, options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from imjoy_engine.environments.specs.spec_errors import SpecErrors

DEFAULT_CHANNEL = "conda-forge"
# What a plugin gets that asks for conda packages and names no Python: those that the worker is tested on.
SUPPORTED_PYTHONS = ">=3.6,<3.15"
OLDEST_PYTHON = (3, 6)

_LABEL_OPTIONS = frozenset({"-n", "--name", "-p", "--prefix"})
_CHANNEL_OPTIONS = frozenset({"-c", "--channel"})
_POINTLESS_OPTIONS = frozenset(
    {
        "-m",
        "-q",
        "-v",
        "-y",
        "--copy",
        "--force",
        "--force-reinstall",
        "--mkdir",
        "--no-default-packages",
        "--override-channels",
        "--quiet",
        "--strict-channel-priority",
        "--update-all",
        "--update-deps",
        "--verbose",
        "--yes",
    }
)
# Anaconda's own channels need a licence that a plugin cannot accept for its user.
_DEFAULTS = re.compile(
    r"defaults|main|r|free|pkgs/(?:main|r|free|msys2)|https?://repo\.(?:anaconda|continuum)\.(?:com|io)/pkgs/\w+/?"
)
_CHANNEL = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)*|(?:https?|file)://[^\s\"'<>\\]+")
# The first of the spaces alone: from each of a thousand it would look at all that follow.
_OPERATOR = re.compile(r"(?<!\s)\s*(===|==|~=|!=|<=|>=|<|>|,|\|)\s*")
_PACKAGE = re.compile(
    r"(?:(?P<channel>[^\s:]+|https?://\S+?|file://\S+?)::)?"
    r"(?P<name>_?[A-Za-z0-9][A-Za-z0-9._-]*)"
    r"(?P<version>(?:(?:===|==|~=|!=|<=|>=|=|<|>)[\w.*+!-]+(?:[,|](?:==|~=|!=|<=|>=|=|<|>)?[\w.*+!-]+)*)?)"
    r"(?P<build>(?:=[\w.*+-]+)?)"
)
_FIRST_NUMBERS = re.compile(r"(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class CondaSpec:
    """What a conda command asks for.

    ``python`` is None when it names none, else a constraint (``3.6.8``, ``>=3.6``). ``label`` is the name that the
    plugin gave the environment.
    """

    label: str = ""
    python: str | None = None
    channels: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def parse_conda_spec(text: str, spec_errors: SpecErrors) -> CondaSpec:
    """Return what the arguments of ``conda create`` or ``conda install`` ask for.

    Raises:
        ImJoyError: ``env.requirement``, ``env.unsupported``, ``env.python``.
    """
    label, python = "", None
    channels: list[str] = []
    packages: list[str] = []
    notes: list[str] = []
    words = iter(split_words(text))
    for word in words:
        option, value = _option(word)
        if option in _LABEL_OPTIONS:
            label = value if value is not None else next(words, "")
        elif option in _CHANNEL_OPTIONS:
            channel, note = read_channel(value if value is not None else next(words, ""), text, spec_errors)
            channels.append(channel)
            notes += note
        elif option in _POINTLESS_OPTIONS:
            continue
        elif option.startswith("-"):
            raise spec_errors.unsupported(f"the option {option} of conda ({text!r})")
        else:
            package, constraint, note = read_package(word, text, spec_errors)
            notes += note
            if constraint is None:
                packages.append(package)
            else:
                python = constraint
    return CondaSpec(label, python, _unique(channels), _unique(packages), _unique(notes))


def read_package(word: str, within: str, spec_errors: SpecErrors) -> tuple[str, str | None, list[str]]:
    """Return a package in normal form, the constraint when it is Python itself (else None), and notes."""
    match = _PACKAGE.fullmatch(_OPERATOR.sub(r"\1", word.strip()))
    # conda's own spelling with spaces, as environment files have it: "numpy 1.14 py36_0".
    if match is None and re.fullmatch(r"\S+(?: +[\w.*+-]+){1,2}", word.strip()):
        match = _PACKAGE.fullmatch("=".join(word.split()))
    if match is None:
        raise spec_errors.requirement(
            word, within, '"numpy", "numpy=1.20", "numpy>=1.20,<2" or "channel::numpy"'
        )
    notes: list[str] = []
    name, version = match["name"].lower(), match["version"]
    if name == "python":
        return "", python_constraint(version, spec_errors), notes
    channel = ""
    if match["channel"]:
        found, notes = read_channel(match["channel"], within, spec_errors)
        channel = f"{found}::"
    return f"{channel}{name}{version}{match['build']}", None, notes


def python_constraint(version: str, spec_errors: SpecErrors) -> str:
    """Return which Python is meant by what stands after its name; nothing means any that is supported.

    Raises:
        ImJoyError: ``env.python`` when none of them can run a worker.
    """
    wanted = re.sub(r"^=(?!=)", "", version).strip()
    if not wanted:
        return SUPPORTED_PYTHONS
    for clause in wanted.split(","):
        numbers = _FIRST_NUMBERS.search(clause)
        if numbers is None or clause.startswith(("!=", ">")) or "|" in clause:
            continue
        major = int(numbers[1])
        minor = int(numbers[2]) if numbers[2] is not None else None
        below = clause.startswith("<") and not clause.startswith("<=")
        if (
            major < OLDEST_PYTHON[0]
            or (major == OLDEST_PYTHON[0] and minor is not None and minor < OLDEST_PYTHON[1])
            or (below and (major, minor or 0) <= OLDEST_PYTHON)
        ):
            raise spec_errors.old_python(wanted)
    return wanted


def read_channel(text: str, within: str, spec_errors: SpecErrors) -> tuple[str, list[str]]:
    """Return a channel and notes; Anaconda's own are conda-forge here."""
    if _DEFAULTS.fullmatch(text):
        return DEFAULT_CHANNEL, [
            f'The channel "{text}" was taken for conda-forge, which has the same packages under a free licence.'
        ]
    if not _CHANNEL.fullmatch(text) or ".." in text:
        raise spec_errors.requirement(text, within, '"-c conda-forge", or with a url "-c https://…"')
    return text.rstrip("/"), []


def split_words(text: str) -> Sequence[str]:
    """Return the words of a command, without running anything; versions may stand apart from their operators."""
    if "'" not in text and '"' not in text:
        text = _OPERATOR.sub(r"\1", text)
        return text.split()
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _option(word: str) -> tuple[str, str | None]:
    """Return an option and its value where it stands in the same word; for what is no option, the word."""
    if word.startswith("--"):
        name, joined, value = word.partition("=")
        return name, value if joined else None
    if len(word) > 2 and word[:2] in ("-n", "-c", "-p"):
        return word[:2], word[2:].removeprefix("=")
    return word, None


def _unique(items: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
