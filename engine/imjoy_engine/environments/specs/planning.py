"""Reads what plugins write in ``env`` and ``requirements``; ``docs/plugins.md`` has the forms.

Only ``cmd:`` ever reaches a shell: every other form is understood, skipped with a note, or refused by name.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from imjoy_engine.environments.specs.conda_spec_parser import (
    DEFAULT_CHANNEL,
    SUPPORTED_PYTHONS,
    CondaSpec,
    parse_conda_spec,
    read_channel,
    read_package,
    split_words,
)
from imjoy_engine.environments.specs.dates import date_of_api_version
from imjoy_engine.environments.specs.folders import inner_path
from imjoy_engine.environments.specs.pip_spec_parser import parse_pip_spec
from imjoy_engine.environments.specs.spec import (
    BASE_REQUIREMENTS,
    EnvironmentSpec,
    GpuRequest,
    Repository,
    this_platform,
)
from imjoy_engine.environments.specs.spec_errors import SpecErrors

if TYPE_CHECKING:
    from imjoy_engine.plugin_files.manifest import Manifest

# First words that make a text of several words a command, not a list of packages.
_COMMAND = re.compile(
    r"(?:apt|apt-get|bash|brew|cd|chmod|conda|cp|curl|docker|echo|export|git|make|mamba|mkdir|mv|npm|pip\d?|python\d?|rm"
    r"|set|sh|source|sudo|touch|unzip|wget|yum)\s+\S.*",
    re.DOTALL,
)
_PIP_INSTALL = re.compile(r"(?:python[\d.]*\s+-m\s+)?pip[\d.]*\s+install(?=\s|$)")
_CONDA_CREATE = re.compile(r"(?:conda|mamba)\s+create(?=\s|$)")
_CONDA_INSTALL = re.compile(r"(?:conda|mamba)\s+install(?=\s|$)")
_CONDA_CHANNEL = re.compile(
    r"conda\s+config\s+--(add|prepend|append)\s+channels\s+(\S+)(?:\s+--system|\s+--env)?"
)
_CONDA_FILE = re.compile(r"(?:conda|mamba)\s+env\s+(?:create|update)(?=\s|$)")
_ACTIVATE = re.compile(r"(?:(?:conda|source)\s+)?activate\s+(\S+)")
_CHANGE_FOLDER = re.compile(r"cd\s+(\S+|'[^']+'|\"[^\"]+\")")
_NPM = re.compile(r"(?:npm|npx|yarn)(?=\s|$)")
_GIT_CLONE = re.compile(r"git\s+clone(?=\s|$)")
_EXPORT = re.compile(r"export\s+(\S.*)", re.DOTALL)
_PREFIXED = re.compile(r"(pip|conda|repo|cmd)\s*:(?!:)\s*(.*)", re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_REPOSITORY = re.compile(r"(?:https?|ssh|git|file)://[^\s\"'<>\\]+|[\w.-]+@[\w.-]+:[^\s\"'<>\\:]+")
_BRANCH = re.compile(r"[A-Za-z0-9_][\w./-]*")
_GIT_FLAGS = frozenset({"-q", "--quiet", "--single-branch", "--progress", "-v", "--verbose"})


def add_environment_file(spec: EnvironmentSpec, content: object, *, file: str) -> EnvironmentSpec:
    """Return ``spec`` with what a conda environment file, loaded from YAML, asks for; its Python and channels win.

    Raises:
        ImJoyError: as ``plan_environment``.
    """
    planner = Planner(file, spec.label or file, environment_file=file)
    planner.continue_from(spec)
    planner.read_environment_file(content)
    return replace(planner.spec(spec.platform), files=(), work_dir=spec.work_dir, label=spec.label)


def plan_environment(
    manifest: Manifest, tag: str, platform: str | None = None, as_of: str | None = None
) -> EnvironmentSpec:
    """Return the environment that a plugin needs for ``tag``, on this platform or the one that is given.

    ``as_of`` is the day that a person wants its packages to be of, empty for today; None leaves that to its age.

    Raises:
        ImJoyError: ``env.unsupported`` for a form that this engine does not provide, ``env.requirement`` for one that
            is no requirement at all, ``env.python`` for a Python without a worker, ``env.folder`` for a path that leads
            out of the work folder, ``plugin.tag`` for a field keyed by tag where there are no tags.
    """
    planner = Planner(manifest.file, manifest.name)
    planner.note(*manifest.notes_on(tag))
    planner.read("env", manifest.by_tag("env", tag))
    planner.read("requirements", manifest.by_tag("requirements", tag))
    day = date_of_api_version(manifest.api_version) if as_of is None else as_of
    return replace(planner.spec(platform or this_platform()), as_of=day, explicit_day=bool(as_of))


class Planner:
    """Collects what the elements of ``env`` and ``requirements`` ask for; ``file`` is named in errors.

    With ``environment_file``, a path below the work folder, that file asks, and its paths begin at its folder.
    """

    def __init__(self, file: str, plugin: str, environment_file: str = "") -> None:
        self._spec_errors = SpecErrors(file, plugin, "env", in_config=not environment_file)
        self._folder = posixpath.dirname(environment_file)
        self._indexes: list[str] = []
        self._requirements: set[str] = set(BASE_REQUIREMENTS)
        self._conda = CondaSpec()
        self._conda_wanted = False
        # Channels that a plugin adds for itself stay when it makes another environment.
        self._added_channels: list[str] = []
        self._local: list[str] = []
        self._files: list[str] = []
        self._repos: list[Repository] = []
        self._commands: list[str] = []
        self._variables: dict[str, str] = {}
        self._gpu: GpuRequest | None = None
        self._notes: list[str] = []
        self._asked: list[str] = []
        self._activates = ""

    def continue_from(self, spec: EnvironmentSpec) -> None:
        """Start with what ``spec`` has."""
        self._requirements.update(spec.requirements)
        self._conda = CondaSpec(spec.label, spec.python, spec.channels, spec.conda)
        self._conda_wanted = spec.needs_conda
        self._local, self._repos = [*spec.local], [*spec.repos]
        self._indexes = [*spec.indexes]
        self._commands, self._variables = [*spec.commands], dict(spec.variables)
        self._gpu, self._notes = spec.gpu, [*spec.notes]
        self._asked, self._activates = [*spec.asked], spec.activates

    def spec(self, platform: str) -> EnvironmentSpec:
        """Return what was collected."""
        conda = self._conda
        wanted = self._conda_wanted or bool(conda.packages)
        channels = dict.fromkeys([*conda.channels, *self._added_channels]) or {DEFAULT_CHANNEL: None}
        python = (conda.python or SUPPORTED_PYTHONS) if wanted else None
        platform, notes = _platform_for(platform, python)
        return EnvironmentSpec(
            python=python,
            requirements=tuple(sorted(self._requirements)),
            notes=tuple(dict.fromkeys([*self._notes, *notes])),
            channels=tuple(channels) if wanted else (),
            conda=tuple(sorted(set(conda.packages))),
            local=tuple(dict.fromkeys(self._local)),
            indexes=tuple(dict.fromkeys(self._indexes)),
            files=tuple(dict.fromkeys(self._files)),
            repos=tuple(dict.fromkeys(self._repos)),
            commands=tuple(self._commands),
            variables=tuple(sorted(self._variables.items())),
            gpu=self._gpu,
            platform=platform,
            label=conda.label,
            asked=tuple(dict.fromkeys(self._asked)),
            # After a `conda create` it only names what was created.
            activates="" if self._conda_wanted else self._activates,
        )

    def note(self, *notes: str) -> None:
        """Take something that a person is to read."""
        self._notes += notes

    def read(self, field: str, value: object) -> None:
        """Take one field of the config."""
        self._spec_errors = replace(self._spec_errors, field=field)
        for element in _elements(value):
            if isinstance(element, str):
                for part in _parts(element):
                    self._text(part)
                # A shell of its own ran each element, in the work folder.
                self._folder = ""
            elif isinstance(element, Mapping) and field == "env":
                self._object(element)
            else:
                raise self._spec_errors.unsupported(repr(element)[:80])

    def read_environment_file(self, content: object) -> None:
        """Take a conda environment file: ``name``, ``channels``, ``dependencies``, ``variables``."""
        document = content if isinstance(content, Mapping) else {}
        dependencies = document.get("dependencies")
        if not isinstance(dependencies, list):
            raise self._spec_errors.unsupported("an environment file without a list of dependencies")
        python, channels, packages = self._conda.python, [], list(self._conda.packages)
        for channel in document.get("channels") or []:
            name, notes = read_channel(str(channel), str(channel), self._spec_errors)
            channels.append(name)
            self._notes += notes
        for dependency in dependencies:
            if isinstance(dependency, Mapping):
                for requirement in dependency.get("pip") or []:
                    self._pip(str(requirement))
                continue
            package, constraint, notes = read_package(str(dependency), str(dependency), self._spec_errors)
            self._notes += notes
            if constraint is None:
                packages.append(package)
            else:
                python = constraint
        variables = document.get("variables")
        self._variables.update(
            {str(name): str(value) for name, value in variables.items()}
            if isinstance(variables, Mapping)
            else {}
        )
        self._conda = replace(
            self._conda,
            python=python,
            channels=tuple(dict.fromkeys([*channels, *self._conda.channels])),
            packages=tuple(packages),
        )
        self._conda_wanted = True

    def _object(self, element: Mapping[str, object]) -> None:
        kind = element.get("type")
        options = element.get("options")
        options = options if isinstance(options, Mapping) else {}
        if kind == "binder":
            self._notes.append(
                "The Binder environment was skipped: it is meant for a server, not for this engine."
            )
        elif kind == "variable":
            for name, value in options.items():
                if (
                    not _ASSIGNMENT.fullmatch(f"{name}=")
                    or isinstance(value, (Mapping, list))
                    or value is None
                ):
                    raise self._spec_errors.unsupported(f"the variable {name!r} with the value {value!r}")
                self._variables[str(name)] = _as_text(value)
        elif kind == "gputil":
            self._gpu = _gpu_request(
                {**{key: value for key, value in element.items() if key != "type"}, **options}
            )
        else:
            raise self._spec_errors.unsupported(f'an element of type "{kind or ""}"')

    def _text(self, line: str) -> None:
        """Take one text that stands for itself."""
        prefixed = _PREFIXED.fullmatch(line)
        if prefixed:
            kind, rest = prefixed[1], prefixed[2].strip()
            taken = {"pip": self._pip, "conda": self._install, "repo": self._repo, "cmd": self._command}[kind]
            if rest:
                taken(rest)
        elif match := _PIP_INSTALL.match(line):
            self._pip(line[match.end() :].strip())
        elif match := _CONDA_CREATE.match(line):
            self._create(line[match.end() :])
        elif match := _CONDA_INSTALL.match(line):
            self._install(line[match.end() :])
        elif match := _CONDA_CHANNEL.fullmatch(line):
            self._channel(match[2], first=match[1] != "append")
        elif match := _CONDA_FILE.match(line):
            self._environment_file(line[match.end() :])
        elif match := _GIT_CLONE.match(line):
            self._repo(line[match.end() :])
        elif match := _EXPORT.fullmatch(line):
            self._export(match[1])
        elif match := _CHANGE_FOLDER.fullmatch(line):
            self._change_folder(match[1])
        elif _NPM.match(line):
            self._command(f"cd {shlex.quote(self._folder)} && {line}" if self._folder else line)
        elif match := _ACTIVATE.fullmatch(line):
            self._activates = match[1]
        elif self._spec_errors.field == "env" or _COMMAND.fullmatch(line):
            raise self._spec_errors.unsupported(f"a command ({line!r})")
        else:
            self._pip(line)

    def _change_folder(self, text: str) -> None:
        folder = inner_path(posixpath.normpath(posixpath.join(self._folder, text.strip("'\""))))
        if folder is None:
            raise self._spec_errors.folder(text)
        self._folder = "" if folder == "." else folder

    def _pip(self, text: str) -> None:
        for word in parse_pip_spec(text, self._spec_errors, self._folder):
            if word.kind == "package":
                self._requirements.add(word.text)
                self._asked.append(word.text)
            else:
                kept = {"local": self._local, "index": self._indexes, "note": self._notes}[word.kind]
                kept.append(word.text)

    def _create(self, text: str) -> None:
        """A new environment: of several the last one counts."""
        self._conda = parse_conda_spec(text, self._spec_errors)
        self._conda_wanted = True
        self._files.clear()
        self._notes += self._conda.notes

    def _install(self, text: str) -> None:
        words = parse_conda_spec(text, self._spec_errors)
        self._conda = CondaSpec(
            self._conda.label,
            words.python or self._conda.python,
            tuple(dict.fromkeys([*words.channels, *self._conda.channels])),
            (*self._conda.packages, *words.packages),
        )
        self._conda_wanted = True
        self._notes += words.notes

    def _channel(self, text: str, *, first: bool) -> None:
        channel, notes = read_channel(text.strip("'\""), text, self._spec_errors)
        self._added_channels.insert(0 if first else len(self._added_channels), channel)
        self._notes += notes

    def _environment_file(self, text: str) -> None:
        words = iter(split_words(text))
        path = "environment.yml"
        for word in words:
            name, joined, value = word.partition("=")
            if name in ("-f", "--file"):
                path = value if joined else next(words, "")
            elif name in ("-n", "--name"):
                self._conda = replace(self._conda, label=value if joined else next(words, ""))
            elif name not in ("-q", "-y", "--force", "--prune", "--quiet", "--yes"):
                raise self._spec_errors.unsupported(f"the option {word} of conda env ({text.strip()!r})")
        inner = inner_path(path)
        if inner is None or inner == ".":
            raise self._spec_errors.folder(path)
        self._files.append(inner)
        self._conda_wanted = True

    def _repo(self, text: str) -> None:
        words = iter(split_words(text))
        branch, submodules = "", False
        places: list[str] = []
        for word in words:
            name, joined, value = word.partition("=")
            if name in ("-b", "--branch"):
                branch = value if joined else next(words, "")
            elif name in ("--depth", "-j", "--jobs"):
                _ = value if joined else next(words, "")
            elif name in ("--recursive", "--recurse-submodules"):
                submodules = True
            elif word.startswith("-") and word not in _GIT_FLAGS:
                raise self._spec_errors.unsupported(f"the option {word} of git ({text.strip()!r})")
            elif not word.startswith("-"):
                places.append(word)
        if (
            not 1 <= len(places) <= 2
            or not _REPOSITORY.fullmatch(places[0])
            or (branch and not _BRANCH.fullmatch(branch))
        ):
            raise self._spec_errors.requirement(text.strip(), text.strip(), '"repo: https://… folder"')
        url = places[0]
        named = places[1] if len(places) > 1 else re.split(r"[/:]", url.rstrip("/"))[-1].removesuffix(".git")
        folder = inner_path(named)
        if folder is None or folder == ".":
            raise self._spec_errors.folder(named)
        self._repos.append(Repository(url, folder, branch, submodules))

    def _command(self, text: str) -> None:
        if "\x00" in text:
            raise self._spec_errors.unsupported("a command with a zero byte")
        self._commands.append(text)

    def _export(self, text: str) -> None:
        for word in split_words(text):
            match = _ASSIGNMENT.fullmatch(word)
            if match is None or "$" in match[2] or "`" in match[2]:
                raise self._spec_errors.unsupported(f"a command ('export {text}')")
            self._variables[match[1]] = match[2]


def _platform_for(platform: str, python: str | None) -> tuple[str, tuple[str, ...]]:
    """Return the platform whose packages can be used, and a note when that is another one."""
    old = python is not None and re.fullmatch(r"(?:==)?3\.[67](?:\..*)?", python)
    if platform == "win-arm64" or (platform == "osx-arm64" and old):
        other = platform.replace("arm64", "64")
        return other, (f"Packages for {other} were chosen: this Python was never made for {platform}.",)
    return platform, ()


def _gpu_request(options: Mapping[str, object]) -> GpuRequest:
    def number(name: str, default: float) -> float:
        value = options.get(name)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default

    return GpuRequest(
        limit=max(1, min(64, int(number("limit", 1)))),
        max_load=number("maxLoad", 0.5),
        max_memory=number("maxMemory", 0.5),
        order=str(options.get("order", "first")),
    )


def _as_text(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _elements(value: object) -> Iterator[object]:
    """Yield what a field holds, a single value as a list of one, without the empty ones."""
    for element in value if isinstance(value, list) else [value]:
        if element is not None and not (isinstance(element, str) and not element.strip()):
            yield element


def _parts(text: str) -> Iterator[str]:
    """Yield the parts of a text that ``&&`` joins, as older plugins wrote them. A ``cmd:`` is one command."""
    text = text.strip()
    while text:
        prefixed = _PREFIXED.fullmatch(text)
        if prefixed and prefixed[1] == "cmd":
            yield text
            return
        part, _, text = text.partition("&&")
        if part.strip():
            yield part.strip()
        text = text.strip()
