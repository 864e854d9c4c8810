"""What there is to upgrade to: asked of the place that imjoy came from, or of the one that was named."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from imjoy import PROJECT_URL
from imjoy.context import Context
from imjoy.effects.processes.process import CommandFailed
from imjoy.effects.tools import pip
from imjoy.effects.tools.git import COMMIT, find_reference
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.provision.facts.machine import isolated
from imjoy.provision.facts.source import find_source, split_ref
from imjoy.upgrade.facts.origin import NAME, Origin, path_of

Kind = Literal["git", "index", "wheel", "checkout"]
ARCHIVE = re.compile(r"(?P<url>https?://.+)/archive/(?P<ref>.+)\.(zip|tar\.gz)")
WHEEL_ON_SERVER = re.compile(r"https?://[^?#]+\.whl")
SHORT_COMMIT = re.compile(r"[0-9a-f]{7,39}")
SHORT = 7
INDEX_SECONDS = 60.0
NO_PIP = "No module named pip"
# An index that is not reached has no versions either, as pip says it.
NOT_AMONG_THEM = re.compile(r"\(from versions: (?!none\))|Invalid requirement")


@dataclass(frozen=True)
class Target:
    """What is there. ``id`` differs when it does.

    ``place`` is a git url, a path, the url of a wheel on a server, or empty for the package index.

    ``ref`` is the branch, tag, commit or version that was asked for; ``moves`` whether it may be another one later.
    An empty ``id`` cannot be known before it was fetched.
    """

    kind: Kind
    place: str
    ref: str
    id: str
    moves: bool

    @property
    def commit(self) -> str:
        """The commit, or an empty string."""
        return self.id.removeprefix("commit:") if self.kind == "git" else ""

    @property
    def is_remote(self) -> bool:
        """Whether it is a wheel that a server has."""
        return self.kind == "wheel" and WHEEL_ON_SERVER.fullmatch(self.place) is not None

    @property
    def source(self) -> str:
        """Return what ``--from`` and a receipt call this."""
        if self.kind != "git":
            return self.place
        return f"git+{self.place}{f'@{self.ref}' if self.ref != 'HEAD' else ''}"

    @property
    def requirement(self) -> str:
        """Return what pip, pipx and uv call this."""
        if self.kind != "index":
            return self.source
        return f"{NAME}=={self.ref}" if self.ref else NAME

    def direct_url(self, id: str) -> Mapping[str, object] | None:
        """Return what pip writes down about its source (PEP 610); ``id`` is what was fetched. None for an index."""
        if self.kind == "git":
            commit = {"vcs": "git", "commit_id": id.removeprefix("commit:")}
            asked = {"requested_revision": self.ref} if self.ref != "HEAD" else {}
            return {"url": self.place, "vcs_info": {**asked, **commit}}
        if self.kind == "wheel":
            url = self.place if self.is_remote else Path(self.place).as_uri()
            return {"url": url, "archive_info": {"hash": f"sha256={id.removeprefix('wheel:')}"}}
        if self.kind == "checkout":
            return {"url": Path(self.place).as_uri(), "dir_info": {}}
        return None


def is_pinned(source: str) -> bool:
    """Whether a source names one commit, so that nothing newer can ever be there."""
    return (
        source.startswith("git+") and COMMIT.fullmatch(split_ref(source.removeprefix("git+"))[1]) is not None
    )


def find_target(origin: Origin, wanted: str | None, to: str | None, context: Context) -> Target:
    """Ask what there is at ``wanted``, by default where imjoy came from, under the name ``to``, by default as before.

    Takes at most 15 s, a minute for a package index. Raises :class:`ImJoyError` ``upgrade.source`` (3),
    ``upgrade.no-version`` (3), ``upgrade.index`` (4), and what asking a repository raises.
    """
    source = origin.source if wanted is None else wanted
    if archive := ARCHIVE.fullmatch(source):
        source = f"git+{archive['url']}@{archive['ref']}"
    if source in ("", NAME):
        return _in_index(origin, to or "", context)
    if source.startswith("git+") or ("://" in source and not source.endswith(".whl")):
        folder = path_of(split_ref(source.removeprefix("git+"))[0])
        if folder and not Path(folder).exists():
            raise _nothing_there(origin, wanted, f"there is no folder {folder}")
        return _in_repository(source.removeprefix("git+"), to, context)
    if to is not None:
        raise ImJoyError(
            "upgrade.no-version",
            f"{source} has no versions to choose from.",
            why="--to names a branch, a tag or a commit of a git repository, or a version of the package index.",
            fix=f"imjoy upgrade --from {source}",
            exit_code=ExitCode.USAGE,
        )
    if WHEEL_ON_SERVER.fullmatch(source):
        return Target("wheel", source, "", "", moves=True)
    found = find_source(path_of(source) or source, context, None)
    if found.finding is not None:
        raise _nothing_there(origin, wanted, found.finding.what)
    return Target("wheel" if found.kind == "wheel" else "checkout", found.place, "", found.id, moves=True)


def _nothing_there(origin: Origin, wanted: str | None, what: str) -> ImJoyError:
    return ImJoyError(
        "upgrade.source",
        f"There is nothing to upgrade to: {what}.",
        why=f"imjoy {origin.version} came from there." if wanted is None else "",
        fix=f"imjoy upgrade --from git+{PROJECT_URL}",
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )


def _in_index(origin: Origin, version: str, context: Context) -> Target:
    target = Target("index", "", version, "", moves=not version)
    argv = pip.module_arguments(origin.interpreter, pip.newest_arguments(target.requirement))
    try:
        output = context.run(
            argv, timeout=INDEX_SECONDS, environ=isolated(context.environ), whole=True
        ).output
        return replace(target, id=f"version:{pip.read_versions(output[output.index('{') :])[NAME]}")
    except (CommandFailed, ValueError, KeyError) as error:
        why = error.why if isinstance(error, CommandFailed) else str(error)
        if NO_PIP in why:
            return target
        if version and NOT_AMONG_THEM.search(why):
            raise ImJoyError(
                "upgrade.no-version",
                f"The package index has no imjoy {version} for this Python.",
                why=why,
                fix="imjoy upgrade --check",
                exit_code=ExitCode.PREFLIGHT_REFUSED,
            ) from error
        raise ImJoyError(
            "upgrade.index",
            "The package index does not say which imjoy it has.",
            why=why,
            fix="imjoy doctor --only net.index",
            exit_code=ExitCode.NETWORK_NEEDED,
        ) from error


def _in_repository(url: str, to: str | None, context: Context) -> Target:
    url, before = split_ref(url)
    ref = to or before
    if COMMIT.fullmatch(ref):
        return Target("git", url, ref, f"commit:{ref}", moves=False)
    # Version 1.2 is mostly tagged v1.2.
    for name in (ref, f"v{ref}"):
        found = find_reference(url, name, context)
        if found is not None:
            return Target("git", url, name, f"commit:{found.commit}", found.moves)
    if SHORT_COMMIT.fullmatch(ref):
        return Target("git", url, ref, "", moves=False)
    raise ImJoyError(
        "upgrade.no-version",
        f"{url} has no branch, tag or commit {ref}.",
        fix=f"git ls-remote {url} lists what there is",
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )


def is_older(version: str, than: str) -> bool:
    """Whether a version comes before another one; of what is no version nobody knows."""
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version) < Version(than)
    except InvalidVersion:
        return False


def short(id: str) -> str:
    """Return an id as a person reads it: the beginning of a commit's hash, or the version."""
    kind, _, value = id.partition(":")
    return value[:SHORT] if kind == "commit" else value if kind == "version" else ""
