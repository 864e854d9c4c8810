"""What is to happen, decided without touching anything: whose matter the upgrade is, and what it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.install_line import install_line
from imjoy.model.results import Result
from imjoy.model.shell_words import shell_line, shell_word
from imjoy.provision.facts.source import split_ref
from imjoy.upgrade.facts.origin import NAME, Origin
from imjoy.upgrade.facts.target import Target, is_older, is_pinned

SCHEMA = 1
CHECKOUTS = ("editable", "checkout")
WHOSE = {
    "pipx": "pipx installed it and looks after it",
    "uv": "uv installed it as a tool and looks after it",
    "editable": "it runs from a checkout that pip was told to use in place",
    "checkout": "it runs from a checkout, without being installed",
    "system": "it was installed into a Python that belongs to the system",
    "user": "pip put it into your user packages, beside any environment",
}
What = Literal["imjoy", "base"]
Action = Literal["none", "upgrade", "downgrade", "rollback"]


@dataclass(frozen=True)
class Change:
    """A package that another version takes the place of; ``old`` is empty for a new one, ``new`` for one that goes."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Upgrade(Result):
    """What changes, or, when ``done``, was changed.

    ``what`` is imjoy, or what it stands on: conda and pip. ``commits`` are the newest of ``commit_count``, each
    ``HASH SUBJECT``. ``engines`` are the urls of engines that run from here, ``plugins`` the names of those in use. An
    empty id is one that nobody wrote down.
    """

    what: What
    action: Action
    source: str
    old_version: str
    new_version: str
    old_id: str
    new_id: str
    commits: tuple[str, ...] = ()
    commit_count: int = 0
    packages: tuple[Change, ...] = ()
    engines: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    done: bool = False
    notices: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the document that ``--json`` prints."""
        packages = [vars(each) for each in self.packages]
        return {"schema": SCHEMA, "kind": "upgrade", **super().as_json(), "packages": packages}


@dataclass(frozen=True)
class Available(Result):
    """Whether something newer is available, and the command that brings it. ``checked`` is in seconds since the epoch.

    ``available`` is None where it cannot be known before it was fetched.
    """

    available: bool | None
    version: str
    source: str
    old_id: str
    new_id: str
    pinned: bool
    command: str
    checked: float

    def as_json(self) -> dict[str, object]:
        """Return the document that ``--json`` prints."""
        return {"schema": SCHEMA, "kind": "check", **super().as_json()}


def is_newer(origin: Origin, target: Target) -> bool | None:
    """Whether the target is another one than what is installed; None when only fetching it can tell."""
    if not target.id or not _comparable(origin.id, target.id):
        return None
    return target.id != origin.id and not is_behind(origin, target)


def is_behind(origin: Origin, target: Target) -> bool:
    """Whether the newest version of the package index that is followed is older than what is installed."""
    newest = target.id.removeprefix("version:")
    followed = target.kind == "index" and target.moves and not origin.source
    return followed and is_older(newest, origin.version)


def _comparable(one: str, other: str) -> bool:
    """Whether two ids were made the same way: `install.sh` has no SHA-256 of a checkout or a wheel."""
    kinds = {each.partition(":")[0] for each in (one, other)}
    return len(kinds) == 1 and (len(one) == len(other) or kinds == {"version"})


def own_command(source: str | None, to: str | None, *options: str) -> str:
    """Return the `imjoy upgrade` that asks for the same source and name again, with more options."""
    named = [("--from", source), ("--to", to)]
    words = [word for option, value in named if value is not None for word in (option, value)]
    return shell_line(["imjoy", "upgrade", *words, *options])


def command_for(origin: Origin, requirement: str = "", *, platform: str) -> str:
    """Return the other tool's command that upgrades this imjoy, to ``requirement`` where one was asked for.

    For a checkout that is the name of a branch, a tag or a commit.
    """
    wanted = shell_word(requirement or (origin.source if origin.source else NAME), platform)
    if origin.manager == "pipx":
        # `pipx upgrade` does nothing for a repository whose version number is the same.
        return f"pipx install --force {wanted}" if requirement or origin.source else f"pipx upgrade {NAME}"
    if origin.manager == "uv":
        return f"uv tool install --force {wanted}" if requirement else f"uv tool upgrade {NAME}"
    if origin.manager in CHECKOUTS:
        what = f"checkout {wanted}" if requirement else "pull"
        return f"git -C {shell_word(origin.source, platform)} {what}"
    if origin.manager == "system":
        return install_line(platform)
    if origin.manager == "user":
        return f"{origin.interpreter} -m pip install --user --force-reinstall {wanted}"
    return own_command(None, None)


def older_requirement(origin: Origin) -> str:
    """Return what :func:`command_for` takes for an older imjoy, with a word in place of what only a person can say."""
    if origin.manager in CHECKOUTS:
        return "COMMIT"
    if origin.source.startswith("git+"):
        return f"git+{split_ref(origin.source.removeprefix('git+'))[0]}@COMMIT"
    return f"{NAME}==VERSION"


def refuse_foreign(origin: Origin, requirement: str, *, platform: str) -> None:
    """Raise :class:`ImJoyError` ``upgrade.managed`` where another tool looks after this installation."""
    if origin.manager == "pip":
        return
    raise ImJoyError(
        "upgrade.managed",
        f"imjoy does not upgrade itself here: {WHOSE[origin.manager]}.",
        fix=command_for(origin, requirement, platform=platform),
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )


def refuse_pinned(origin: Origin, target: Target | None) -> None:
    """Raise :class:`ImJoyError` ``upgrade.pinned`` where nothing newer can come from the place that is followed.

    ``target`` is what there is under the recorded name, or None before it was asked for.
    """
    if target.moves if target else not is_pinned(origin.source):
        return
    raise ImJoyError(
        "upgrade.pinned",
        "imjoy was installed at one commit or tag, and stays there until you name another.",
        why=f"It came from {origin.source}.",
        fix="imjoy upgrade --to BRANCH, TAG, COMMIT or VERSION",
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )
