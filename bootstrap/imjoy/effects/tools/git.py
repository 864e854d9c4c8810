"""git: what a repository has now, its history, and one commit's files; the first also over plain HTTP, without git."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imjoy.effects.processes.process import CommandFailed
from imjoy.effects.tools.developer_tools import is_unusable_stub
from imjoy.model.errors import ExitCode, ImJoyError

if TYPE_CHECKING:
    from imjoy.context import Context

ASK_SECONDS = 15.0
LOCAL_SECONDS = 30.0
COMMIT = re.compile(r"[0-9a-f]{40}")
# A server that stalls counts as one that is not there.
PATIENCE = ("-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=15")


@dataclass(frozen=True)
class Reference:
    """A name in a repository (``HEAD``, ``refs/heads/x``, ``refs/tags/x``) and the commit that it stands for."""

    name: str
    commit: str

    @property
    def moves(self) -> bool:
        """Whether the name is meant to stand for another commit later, as a branch does and a tag does not."""
        return not self.name.startswith("refs/tags/")


def find_git(context: Context, platform: str = sys.platform) -> str | None:
    """Return the git command, or None. The stub of macOS, which only opens a dialog, does not count."""
    git = shutil.which("git", path=context.environ.get("PATH", ""))
    return None if git is None or is_unusable_stub(Path(git), platform) else git


def unattended(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which git and ssh fail instead of asking somebody for a password."""
    ssh = environ.get("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    return {**environ, "GIT_TERMINAL_PROMPT": "0", "GIT_SSH_COMMAND": ssh, "LC_ALL": "C"}


def find_reference(url: str, ref: str, context: Context) -> Reference | None:
    """Ask a repository what a branch, a tag or ``HEAD`` stands for; None when it has no such name. Asks no password.

    Takes at most 15 s. Without git only an http(s) server can be asked. Raises :class:`ImJoyError` ``git.missing`` (3)
    and ``git.unreachable`` (4).
    """
    git = find_git(context)
    if git is None:
        return _chosen(_asked_by_http(url), ref)
    # The commit behind a tag that is an object of its own comes under a name that ends in ^{}.
    argv = [git, *PATIENCE, "ls-remote", url, ref, f"refs/tags/{ref}^{{}}"]
    try:
        output = context.run(argv, timeout=ASK_SECONDS, environ=unattended(context.environ)).output
    except CommandFailed as error:
        raise _unreachable(url, error.result.output.strip().rpartition("\n")[2] or error.what) from error
    rows = (line.split("\t", 1) for line in output.splitlines() if COMMIT.match(line) and "\t" in line)
    return _chosen({name: commit for commit, name in rows}, ref)


def clone_history(url: str, folder: Path) -> list[str]:
    """Return the arguments of git that fetch all commits, but no file's content before it is needed."""
    return [*PATIENCE, "clone", "--no-checkout", "--filter=blob:none", "--", url, str(folder)]


def checkout(folder: Path, commit: str) -> list[str]:
    """Return the arguments of git that put one commit's files into a clone."""
    plain = ("-c", "advice.detachedHead=false", "-c", "core.autocrlf=false")
    return ["-C", str(folder), *PATIENCE, *plain, "checkout", "--quiet", commit]


def resolve(folder: Path, name: str, context: Context) -> str | None:
    """Return the commit that a name or the beginning of a commit's hash stands for in a clone, or None."""
    output = _in_clone(folder, ["rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], context)
    return output.strip() if output and COMMIT.fullmatch(output.strip()) else None


def is_ancestor(folder: Path, older: str, newer: str, context: Context) -> bool:
    """Whether one commit of a clone comes before another in its history."""
    return _in_clone(folder, ["merge-base", "--is-ancestor", older, newer], context) is not None


def subjects(folder: Path, since: str, until: str, context: Context, *, limit: int) -> list[str]:
    """Return ``HASH SUBJECT`` for the newest commits that ``until`` has and ``since`` has not."""
    wanted = ["log", f"--max-count={limit}", "--no-color", "--format=%h %s", f"{since}..{until}"]
    return (_in_clone(folder, wanted, context) or "").splitlines()


def count(folder: Path, since: str, until: str, context: Context) -> int:
    """Return how many commits ``until`` has and ``since`` has not; 0 when that cannot be known."""
    output = (_in_clone(folder, ["rev-list", "--count", f"{since}..{until}"], context) or "").strip()
    return int(output) if output.isdigit() else 0


def archive_url(url: str, commit: str) -> str:
    """Return where GitHub, Gitea and their kin have one commit's files as a zip archive."""
    return f"{url.rstrip('/').removesuffix('.git')}/archive/{commit}.zip"


def _in_clone(folder: Path, arguments: list[str], context: Context) -> str | None:
    try:
        argv = [find_git(context) or "git", "-C", str(folder), *arguments]
        return context.run(argv, timeout=LOCAL_SECONDS, environ=unattended(context.environ)).output
    except CommandFailed:
        return None


def _asked_by_http(url: str) -> dict[str, str]:
    """Ask as git itself begins: https://git-scm.com/docs/http-protocol, smart clients, version 0."""
    if not url.startswith(("https://", "http://")):
        raise ImJoyError(
            "git.missing",
            f"git is not installed, and {url} cannot be asked without it.",
            fix="imjoy doctor --only git.present",
            exit_code=ExitCode.PREFLIGHT_REFUSED,
        )
    # Where there is a git, as nearly everywhere, nothing of this is needed.
    from imjoy.effects.network.http import Failures, failure_reason, open_url

    try:
        with open_url(f"{url}/info/refs?service=git-upload-pack", timeout=ASK_SECONDS) as answer:
            text = answer.read().decode("utf-8", "replace")
    except (*Failures, ValueError) as error:
        raise _unreachable(url, failure_reason(error, url)) from error
    found = re.findall(rf"^(?:0000)?[0-9a-f]{{4}}({COMMIT.pattern}) ([^\0\n]+)", text, re.M)
    return {name: commit for commit, name in found}


def _chosen(references: Mapping[str, str], ref: str) -> Reference | None:
    for name in (ref, f"refs/heads/{ref}", f"refs/tags/{ref}"):
        if name in references:
            return Reference(name, references.get(f"{name}^{{}}", references[name]))
    return None


def _unreachable(url: str, why: str) -> ImJoyError:
    shown = re.sub(r"//[^/@]+@", "//", url)
    return ImJoyError(
        "git.unreachable",
        f"{shown} cannot be reached, and nothing was changed.",
        why=re.sub(r"//[^/\s@]+@", "//", why),
        fix="imjoy doctor --only net",
        exit_code=ExitCode.NETWORK_NEEDED,
    )
