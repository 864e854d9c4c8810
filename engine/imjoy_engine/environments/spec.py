"""What a plugin's ``env`` and ``requirements`` ask for, in one normal form. Nothing here runs or reads anything.

The forms are those of ``docs/plugins.md``. No text of a plugin ever reaches a shell: a form is understood, skipped with
a note, or refused by name.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.scrub import scrub

if TYPE_CHECKING:
    from imjoy_engine.plugins.manifest import Manifest

# What the worker imports, with the last releases that its oldest interpreters can use, and what plugins have always
# found there without asking (20 of 57 published ones use numpy undeclared, 9 requests).
BASE_REQUIREMENTS = (
    "imjoy-rpc<0.6,>=0.5.59",
    "msgpack<2,>=1.0.5",
    "numpy",
    "psutil",
    "requests",
    "six",
    'websockets<18,>=11; python_version >= "3.7"',
    'websockets<10,>=9.1; python_version < "3.7"',
)

# Options that change nothing where everything is installed afresh.
_POINTLESS_OPTIONS = frozenset(
    {
        "-I",
        "-U",
        "-q",
        "-y",
        "--disable-pip-version-check",
        "--force-reinstall",
        "--ignore-installed",
        "--no-cache-dir",
        "--no-warn-script-location",
        "--quiet",
        "--upgrade",
        "--user",
    }
)
# First words that make a text of several words a command, not a list of packages.
_COMMAND = re.compile(
    r"(?:apt|apt-get|bash|brew|cd|chmod|conda|cp|curl|docker|echo|export|git|make|mamba|mkdir|mv|npm|pip\d?|python\d?|rm"
    r"|set|sh|source|sudo|touch|unzip|wget|yum)\s+\S.*",
    re.DOTALL,
)
_PIP_INSTALL = re.compile(r"(?:python[\d.]*\s+-m\s+)?pip[\d.]*\s+install(?=\s|$)")
_PREFIXED = re.compile(r"(pip|conda|repo|cmd)\s*:\s*(.*)", re.DOTALL)
_URL = re.compile(r"(?:git\+(?:https?|ssh|git|file)|https?)://[^\s\"'<>\\]+")
_LOCAL = re.compile(r"[./~\\]|[A-Za-z]:[\\/]|file:|[^\s:]*\.(?:whl|zip|tar\.gz|tgz)$", re.IGNORECASE)
_SPACED_OPERATOR = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>|,)\s*")
_BARE_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_NAME_SEPARATORS = re.compile(r"[-_.]+")


@dataclass(frozen=True)
class EnvironmentSpec:
    """The normal form: equal specs mean the same environment.

    ``python`` is a version, or None for the Python that runs the engine. ``requirements`` are PEP 508 requirements or
    bare urls, sorted, without repetition, the base packages among them. ``notes`` tell a person what was left out; they
    do not belong to the environment's identity.
    """

    python: str | None
    requirements: tuple[str, ...]
    notes: tuple[str, ...] = ()


DEFAULT_ENVIRONMENT = EnvironmentSpec(None, tuple(sorted(BASE_REQUIREMENTS)))


def plan_environment(manifest: Manifest, tag: str) -> EnvironmentSpec:
    """Return the environment that a plugin needs for ``tag``.

    Raises:
        ImJoyError: ``env.unsupported`` for a form that this engine does not provide, ``env.requirement`` for one that
            is no requirement at all, ``plugin.tag`` when a field has no entry for ``tag``.
    """
    planner = _Planner(manifest.file, manifest.name)
    planner.read_env(manifest.by_tag("env", tag))
    planner.read_requirements(manifest.by_tag("requirements", tag))
    return planner.spec()


class _Planner:
    """Collects requirements and notes; ``where`` of an error is the plugin's file."""

    def __init__(self, file: str, plugin: str) -> None:
        self._file = file
        self._plugin = plugin
        self._requirements: set[str] = set(BASE_REQUIREMENTS)
        self._notes: list[str] = []

    def spec(self) -> EnvironmentSpec:
        return EnvironmentSpec(None, tuple(sorted(self._requirements)), tuple(dict.fromkeys(self._notes)))

    def read_env(self, env: object) -> None:
        for element in _elements(env):
            if isinstance(element, str):
                for part in _parts(element):
                    self._env_command(part)
            elif isinstance(element, Mapping) and element.get("type") == "binder":
                self._notes.append(
                    "The Binder environment was skipped: it is meant for a server, not for this engine."
                )
            elif isinstance(element, Mapping):
                raise self._unsupported("env", f'an element of type "{element.get("type", "")}"')
            else:
                raise self._unsupported("env", repr(element))

    def read_requirements(self, requirements: object) -> None:
        for element in _elements(requirements):
            if not isinstance(element, str):
                raise self._unsupported("requirements", repr(element)[:80])
            for part in _parts(element):
                self._requirement_line(part)

    def _env_command(self, command: str) -> None:
        installing = _PIP_INSTALL.match(command)
        if installing:
            self._pip_arguments(command[installing.end() :].strip())
        elif re.match(r"(?:conda|mamba)\s+(?:env\s+)?create\b", command):
            raise self._unsupported(
                "env",
                f"a conda environment ({command!r})",
                'If pip can install what the plugin needs: take "env" out of its config, list the packages under '
                '"requirements" and load it again. It then runs with the Python of the engine.',
            )
        else:
            raise self._unsupported("env", repr(command))

    def _requirement_line(self, line: str) -> None:
        prefixed = _PREFIXED.fullmatch(line)
        installing = _PIP_INSTALL.match(line)
        if prefixed and prefixed[1] == "pip":
            self._pip_arguments(prefixed[2].strip())
        elif installing:
            self._pip_arguments(line[installing.end() :].strip())
        elif prefixed:
            raise self._unsupported("requirements", f"{prefixed[1]}: ({line!r})")
        elif _COMMAND.fullmatch(line):
            raise self._unsupported("requirements", f"a command ({line!r})")
        else:
            self._pip_arguments(line)

    def _pip_arguments(self, text: str) -> None:
        whole = None if _LOCAL.match(text) else normal_requirement(text)
        if whole:
            self._requirements.add(whole)
            return
        for word in self._words(text):
            if word in _POINTLESS_OPTIONS:
                self._notes.append(f"{word} was ignored: a plugin's environment is always made afresh.")
            elif word.startswith("-"):
                raise self._unsupported("requirements", f"the option {word} of pip ({text!r})")
            elif _LOCAL.match(word):
                raise self._unsupported(
                    "requirements",
                    f"a local file or folder ({word!r})",
                    "Name a package, or a git+https:// url of the project.",
                )
            elif requirement := normal_requirement(word):
                self._requirements.add(requirement)
            else:
                raise ImJoyError(
                    "env.requirement",
                    scrub(
                        f'{self._file}, <config> block: "requirements" has {word!r}, which is no requirement.'
                    ),
                    why=scrub(
                        f"It stands in {text!r}. A requirement is a package's name, if need be with a version."
                    ),
                    fix='Write it as "numpy", "numpy>=1.20" or "git+https://…".',
                )

    def _words(self, text: str) -> Iterable[str]:
        if "'" in text or '"' in text:
            try:
                return shlex.split(text)
            except ValueError:
                return [text]
        return _SPACED_OPERATOR.sub(r"\1", text).split()

    def _unsupported(self, field: str, what: str, fix: str = "") -> ImJoyError:
        return ImJoyError(
            "env.unsupported",
            scrub(
                f'{self._file}, <config> block: "{field}" asks for {what}, which this engine does not provide.'
            ),
            why=f'An environment for "{self._plugin}" is made of packages that pip can install, and nothing else yet.',
            fix=fix or f'Take it out of "{field}" and load the plugin again, if it can do without.',
        )


def normal_requirement(text: str) -> str | None:
    """Return ``text``, one requirement, in normal form, or None when it is none.

    Names are in their canonical spelling, version clauses sorted. The result is one line that means the same in a
    requirements file.
    """
    # A requirements file would put the engine's own environment variables in the place of ${NAME}.
    if "${" in text or not text.isprintable():
        return None
    if _URL.fullmatch(text):
        return text
    if _BARE_NAME.fullmatch(text):
        return _canonical(text)
    # 20 ms to import, which most plugins need not wait for.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None
    if requirement.url and not _URL.fullmatch(requirement.url):
        return None
    requirement.name = _canonical(requirement.name)
    return str(requirement)


def _canonical(name: str) -> str:
    return _NAME_SEPARATORS.sub("-", name).lower()


def _elements(value: object) -> Iterator[object]:
    """Yield what a field holds, a single value as a list of one, without the empty ones."""
    for element in value if isinstance(value, list) else [value]:
        if element is not None and not (isinstance(element, str) and not element.strip()):
            yield element


def _parts(text: str) -> Iterator[str]:
    """Yield the parts of a text that ``&&`` joins; older plugins wrote command lines there."""
    for part in text.split("&&"):
        if part.strip():
            yield part.strip()
