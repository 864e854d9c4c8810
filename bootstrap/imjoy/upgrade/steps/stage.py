"""Fetches and builds everything that an upgrade needs, beside what is installed; from then on no network is needed."""

from __future__ import annotations

import email
import hashlib
import re
import shutil
import zipfile
from configparser import ConfigParser
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from imjoy import PROJECT_URL
from imjoy.context import Context
from imjoy.effects.network.download import download
from imjoy.effects.processes.process import CommandFailed
from imjoy.effects.tools import git, pip
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.project import ENGINE_MODULE
from imjoy.provision.apply import interpreter as interpreter_of
from imjoy.provision.facts.source import copy_checkout, is_checkout
from imjoy.provision.facts.uv import find_uv
from imjoy.provision.steps import packages
from imjoy.provision.steps.commands import Report, Steps
from imjoy.upgrade.facts.origin import NAME, Origin
from imjoy.upgrade.facts.target import Target

PIP_SECONDS = 60.0
MAX_COMMITS = 20
COMMAND_PARTS = ("imjoy/__main__.py", f"{ENGINE_MODULE}/__main__.py")


@dataclass(frozen=True)
class Fetched:
    """The sources of one commit. Without git there is no history: ``commits`` is empty and ``older`` None."""

    folder: Path
    id: str
    commits: tuple[str, ...] = ()
    commit_count: int = 0
    older: bool | None = None


@dataclass(frozen=True)
class Staged:
    """What is ready. ``layer`` has the shape of the environment; ``versions`` is what it holds, by name."""

    layer: Path
    version: str
    versions: dict[str, str]
    id: str
    commits: tuple[str, ...] = ()
    commit_count: int = 0
    older: bool | None = None


class Stage:
    """The folder in which an upgrade is prepared; it lies on the disk of the environment."""

    def __init__(self, origin: Origin, context: Context, steps: Steps, report: Report, folder: Path) -> None:
        self.folder = folder
        self._report = report
        self._origin = origin
        self._context = context
        self._steps = steps
        self._wheels = folder / "wheels"

    def prepare(self, target: Target) -> Staged:
        """Fetch, build and lay out imjoy and what it needs that is not there yet.

        Raises :class:`ImJoyError` ``upgrade.stranger`` when it is not an imjoy of our kind,
        :class:`~imjoy.provision.steps.commands.StepFailed`, and what fetching raises.
        """
        pip_command = self._pip()
        fetched = Fetched(self.folder, target.id)
        if target.kind == "index":
            wheel = self._wheel_of_index(pip_command, target)
        elif target.is_remote:
            wheel = self._wheel_of_server(target.place)
            fetched = Fetched(self.folder, f"wheel:{hashlib.sha256(wheel.read_bytes()).hexdigest()}")
        elif target.kind == "wheel":
            wheel = Path(target.place)
        else:
            fetched = self._fetch(target)
            wheel = self._build(Path(pip_command[0]), fetched.folder)
        version = _check_kind(wheel)
        if wheel.parent != self._wheels:
            self._wheels.mkdir()
            shutil.copy2(wheel, self._wheels)
        versions = {NAME: version, **self._missing(pip_command, wheel)}
        return Staged(
            layer=self._lay_out(pip_command, versions),
            version=version,
            versions=versions,
            id=f"version:{version}" if target.kind == "index" else fetched.id,
            commits=fetched.commits,
            commit_count=fetched.commit_count,
            older=fetched.older,
        )

    def prepare_pip(self) -> tuple[Path, dict[str, str]]:
        """Fetch and lay out the newest pip; return its layer, and its version by name: none when it is there already.

        Raises :class:`~imjoy.provision.steps.commands.StepFailed`.
        """
        pip_command, report = self._pip(), self.folder / "report.json"
        self._steps.run("asking for a newer pip", [*pip_command, *pip.newer_arguments("pip", report)])
        versions = pip.read_versions(report.read_text(encoding="utf-8"))
        if not versions:
            return self.folder, {}
        pins = [f"{name}=={version}" for name, version in versions.items()]
        self._steps.run("fetching pip", [*pip_command, *pip.build_arguments(pins, self._wheels)])
        return self._lay_out(pip_command, versions), versions

    def _pip(self) -> list[str]:
        """Return the argv of a pip that works on the environment, which may have none of its own."""
        own = pip.module_arguments(self._origin.interpreter)
        try:
            self._context.run([*own, "--version"], timeout=PIP_SECONDS)
        except CommandFailed:
            tools = self.folder / "tools"
            python = str(self._origin.interpreter)
            self._steps.run("preparing pip", [python, "-I", "-m", "venv", str(tools)])
            return pip.module_arguments(interpreter_of(tools), ["--python", python])
        return own

    def _fetch(self, target: Target) -> Fetched:
        folder = self.folder / "source"
        if target.kind == "checkout":
            copy_checkout(Path(target.place), folder)
            return Fetched(folder, target.id)
        if git.find_git(self._context) is not None:
            return self._clone(target, folder)
        archive = self.folder / "source.zip"
        url = git.archive_url(target.place, target.commit or target.ref)
        self._download(url, archive)
        with zipfile.ZipFile(archive) as files:
            files.extractall(folder)
        # The forge puts all of it into one folder, whose name is its own matter.
        return Fetched(_checked(next(folder.iterdir()), target), target.id)

    def _clone(self, target: Target, folder: Path) -> Fetched:
        command = git.find_git(self._context) or "git"
        environ = git.unattended(self._context.environ)
        self._steps.run(
            "fetching commits", [command, *git.clone_history(target.place, folder)], environ=environ
        )
        commit = git.resolve(folder, target.commit or target.ref, self._context)
        if commit is None:
            raise ImJoyError(
                "upgrade.no-version",
                f"{target.place} has no branch, tag or commit {target.ref}.",
                fix=f"git ls-remote {target.place} lists what there is",
                exit_code=ExitCode.PREFLIGHT_REFUSED,
            )
        self._steps.run("fetching files", [command, *git.checkout(folder, commit)], environ=environ)
        before = self._origin.commit
        if not before or git.resolve(folder, before, self._context) is None:
            return Fetched(_checked(folder, target), f"commit:{commit}")
        older = commit != before and git.is_ancestor(folder, commit, before, self._context)
        since, until = (commit, before) if older else (before, commit)
        return Fetched(
            _checked(folder, target),
            f"commit:{commit}",
            tuple(git.subjects(folder, since, until, self._context, limit=MAX_COMMITS)),
            git.count(folder, since, until, self._context),
            older,
        )

    def _build(self, python: Path, source: Path) -> Path:
        # The Python that was made for its pip alone has no uv; the one that imjoy runs on has, as imjoy needs it.
        uv = find_uv(self._context.environ, self._context.home)
        options = ["--as-is"] if uv is None else ["--as-is", "--uv", str(uv)]
        command = packages.command(python, "build", str(source), str(self._wheels), *options)
        self._steps.run("building imjoy", command)
        return _only_wheel(self._wheels)

    def _wheel_of_index(self, pip_command: list[str], target: Target) -> Path:
        arguments = pip.build_arguments([target.requirement], self._wheels, only_wheels=True)
        self._steps.run("fetching imjoy", [*pip_command, *arguments])
        return _only_wheel(self._wheels)

    def _wheel_of_server(self, url: str) -> Path:
        self._wheels.mkdir()
        return self._download(url, self._wheels / Path(unquote(url)).name)

    def _download(self, url: str, target: Path) -> Path:
        def tell(done: int, total: int) -> None:
            self._report("fetching imjoy", done / total if total else None)

        tell(0, 0)
        try:
            return download(url, target, None, tell)
        except ImJoyError as error:
            # An install has ways round the network that an upgrade has not.
            document = {**error.as_json(), "fix": "imjoy doctor --only net"}
            raise ImJoyError.from_json(document) from error

    def _missing(self, pip_command: list[str], wheel: Path) -> dict[str, str]:
        """Fetch what imjoy needs and the environment does not have, and return its versions."""
        report = self.folder / "report.json"
        arguments = pip.resolve_arguments(str(wheel), report)
        self._steps.run("resolving what it needs", [*pip_command, *arguments])
        wanted = {
            str(canonicalize_name(name)): version
            for name, version in pip.read_versions(report.read_text(encoding="utf-8")).items()
        }
        wanted.pop(NAME, None)
        if wanted:
            pins = [f"{name}=={version}" for name, version in wanted.items()]
            self._steps.run(
                "fetching what it needs", [*pip_command, *pip.build_arguments(pins, self._wheels)]
            )
        return wanted

    def _lay_out(self, pip_command: list[str], versions: dict[str, str]) -> Path:
        root = self.folder / "root"
        pins = [f"{name}=={version}" for name, version in versions.items()]
        self._steps.run("laying it out", [*pip_command, *pip.layer_arguments(pins, self._wheels, root)])
        return root / self._origin.environment.relative_to(self._origin.environment.anchor)


def _checked(folder: Path, target: Target) -> Path:
    """Return a folder of sources; nothing of a stranger's is run, and building would."""
    if is_checkout(folder) and (folder / "engine" / ENGINE_MODULE).is_dir():
        return folder
    raise _stranger(target.source, "its sources are not laid out as imjoy's are")


def _only_wheel(wheels: Path) -> Path:
    found = sorted(wheels.glob("*.whl"))
    if len(found) != 1 or not found[0].name.startswith(f"{NAME}-"):
        raise _stranger("what was built", f"it is called {found[0].name if found else 'nothing at all'}")
    return found[0]


def _check_kind(wheel: Path) -> str:
    """Return the version of a wheel that holds our command and our engine; raise ``upgrade.stranger`` for any other."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            info = next(
                each.rpartition("/")[0] for each in names if re.fullmatch(r"[^/]+\.dist-info/METADATA", each)
            )
            metadata: Message = email.message_from_bytes(archive.read(f"{info}/METADATA"))
            points = ConfigParser()
            if f"{info}/entry_points.txt" in names:
                points.read_string(archive.read(f"{info}/entry_points.txt").decode())
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise _stranger(str(wheel), f"it is no wheel: {error}") from error
    if metadata["Name"] != NAME:
        raise _stranger(wheel.name, f"the distribution in it is called {metadata['Name']}")
    missing = [part for part in COMMAND_PARTS if part not in names]
    if missing:
        raise _stranger(wheel.name, f"it has no {missing[0]}")
    if not points.has_option("console_scripts", NAME):
        raise _stranger(wheel.name, "it has no imjoy command")
    return str(metadata["Version"])


def _stranger(place: str, why: str) -> ImJoyError:
    return ImJoyError(
        "upgrade.stranger",
        f"{place} is not the imjoy that is installed here; nothing was changed.",
        why=why[0].upper() + why[1:] + ".",
        fix=f"imjoy upgrade --from git+{PROJECT_URL}",
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )
