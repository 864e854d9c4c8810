"""Git repositories in a plugin's work folder: cloned whole or not at all, updated when that loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from imjoy.effects.disk.files import is_left_by_tools
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.builders.git_command import find_git, no_git
from imjoy_engine.environments.builders.venv_env import build_variables
from imjoy_engine.environments.prefix import remove_tree
from imjoy_engine.environments.progress import Progress, Report
from imjoy_engine.environments.specs.folders import below
from imjoy_engine.environments.specs.spec import Repository
from imjoy_engine.processes.guarded_process import run_guarded
from imjoy_engine.processes.redact import redact

CLONE_SECONDS = 1800.0
UPDATE_SECONDS = 60.0
OUTPUT_LINES = 20
# What curl and ssh say, in whose words git fails; they are not translated.
_NO_NETWORK = (
    "Could not resolve",
    "Couldn't connect to server",
    "Failed to connect",
    "Connection refused",
    "Connection timed out",
    "Network is unreachable",
    "No route to host",
    "Operation timed out",
)
# The password comes from git's environment and goes to the host it is for; argv and .git/config never have it.
_HELPER = '!f() { echo "username=$IMJOY_GIT_USER"; echo "password=$IMJOY_GIT_PASSWORD"; }; f'


async def ensure_repository(
    repository: Repository,
    work_dir: Path,
    *,
    freeze: bool,
    environ: Mapping[str, str],
    report: Report,
    say: Callable[[str], None],
) -> Path:
    """Clone ``repository`` into the work folder, or bring the clone that is there up to date; return its folder.

    An update only goes forward; where it cannot (no network, changed files) the clone stays as it is, with a note.
    Nothing asks for a password.

    Raises:
        ImJoyError: ``env.repo`` when there is no clone and none can be made, ``env.offline`` for want of
            a network, ``env.folder``, ``env.no-git``,
            ``env.frozen``.
    """
    folder = below(work_dir, repository.folder)
    if folder is None:
        raise ImJoyError(
            "env.folder",
            f"The folder {repository.folder} leads out of the plugin's work folder.",
            why=f"There is a link in {work_dir}.",
            fix="Remove the link, or name another folder.",
        )
    there = (folder / ".git").exists()
    if freeze:
        if not there:
            raise ImJoyError(
                "env.frozen",
                f"The repository {redact(repository.url)} is not here, and the engine was started with --freeze.",
                why=f"It would be cloned to {folder}.",
                fix="Load the plugin once with an engine that was started without --freeze, then use --freeze again.",
            )
        return folder
    git, fix = await find_git(environ)
    if not git:
        if there:
            say(f"{repository.folder} is used as it is: there is no git to bring it up to date.")
            return folder
        raise no_git(repository.url, fix)
    call = _Git(git, repository, environ, report)
    if there:
        await _update(call, folder, repository, say)
    else:
        await _clone(call, folder, repository)
    return folder


async def _clone(git: _Git, folder: Path, repository: Repository) -> None:
    if _holds_something(folder):
        raise ImJoyError(
            "env.repo",
            f"The repository {redact(repository.url)} cannot be cloned: its folder holds something else.",
            why=f"{folder} is not empty.",
            fix="Move what is in it away, or name another folder after the url.",
        )
    # Beside its place, and moved there when it is whole.
    growing = folder.with_name(f".{folder.name}.clone")
    await remove_tree(growing)
    options = ["--recurse-submodules"] if repository.submodules else []
    options += ["--branch", repository.branch] if repository.branch else []
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        arguments = ["clone", "--progress", *options, "--", git.url, str(growing)]
        code, lines = await git.run(arguments, folder.parent, CLONE_SECONDS)
        if code != 0 and any(sign in line for line in lines for sign in _NO_NETWORK):
            raise ImJoyError(
                "env.offline",
                f"The repository {redact(repository.url)} cannot be reached.",
                why="\n".join(lines),
                fix="Connect to the network (HTTPS_PROXY where there is a proxy) and load the plugin once; afterwards "
                "it needs none.",
                exit_code=ExitCode.NETWORK_NEEDED,
            )
        if code != 0:
            raise ImJoyError(
                "env.repo",
                f"The repository {redact(repository.url)} could not be cloned.",
                why="\n".join(lines),
                fix="Correct its url in the plugin's config; if it asks for a password, give git access to it first "
                "(a credential helper, or an ssh key).",
            )
        _put_in_place(growing, folder)
    finally:
        await remove_tree(growing)


def _holds_something(folder: Path) -> bool:
    return folder.is_file() or (folder.is_dir() and not all(map(is_left_by_tools, folder.iterdir())))


def _put_in_place(growing: Path, folder: Path) -> None:
    if folder.is_dir():
        for litter in folder.iterdir():
            litter.unlink()
        folder.rmdir()
    growing.rename(folder)


async def _update(git: _Git, folder: Path, repository: Repository, say: Callable[[str], None]) -> None:
    code, origin = await git.run(["config", "--get", "remote.origin.url"], folder, UPDATE_SECONDS)
    if code != 0 or _bare(origin[-1] if origin else "") != _bare(git.url):
        raise ImJoyError(
            "env.repo",
            f"The repository {redact(repository.url)} cannot be cloned: its folder holds another one.",
            why=f"{folder} was cloned from {origin[-1] if origin else 'somewhere else'}.",
            fix="Move it away, or name another folder after the url.",
        )
    branch = ["origin", repository.branch] if repository.branch else []
    code, lines = await git.run(["pull", "--ff-only", "--progress", *branch], folder, UPDATE_SECONDS)
    if code != 0:
        say(
            f"{repository.folder} is used as it is: it could not be brought up to date. {' '.join(lines[-2:])}"
        )


def _bare(url: str) -> str:
    return redact(url).replace("****@", "").rstrip("/").removesuffix(".git")


class _Git:
    """Runs git for one repository, without questions."""

    def __init__(self, git: str, repository: Repository, environ: Mapping[str, str], report: Report) -> None:
        self._git = git
        self._report = report
        self._variables = build_variables(environ)
        self._variables.update(
            GIT_TERMINAL_PROMPT="0", GIT_ASKPASS="", SSH_ASKPASS="", GCM_INTERACTIVE="never"
        )
        # Others (ext::) run commands.
        self._variables["GIT_ALLOW_PROTOCOL"] = "file:git:http:https:ssh"
        self.url = repository.url
        parts = urlsplit(repository.url) if "://" in repository.url else None
        if parts is not None and parts.scheme in ("http", "https") and parts.username is not None:
            host = parts.netloc.rpartition("@")[2]
            self.url = urlunsplit(parts._replace(netloc=host))
            self._variables.update(
                IMJOY_GIT_USER=unquote(parts.username),
                IMJOY_GIT_PASSWORD=unquote(parts.password or ""),
                GIT_CONFIG_COUNT="1",
                GIT_CONFIG_KEY_0=f"credential.{parts.scheme}://{host}.helper",
                GIT_CONFIG_VALUE_0=_HELPER,
            )
        self._what = f"{repository.folder} from {redact(repository.url)}"

    async def run(self, arguments: Sequence[str], folder: Path, seconds: float) -> tuple[int, list[str]]:
        """Run git in ``folder``; return its exit code and its last lines."""
        lines: list[str] = []
        if arguments[0] != "config":
            self._report(Progress("repo", f"Fetching {self._what}", None))

        def take(line: str) -> None:
            last = line.rsplit("\r", 1)[-1].strip()
            if last:
                lines.append(last)
                del lines[:-OUTPUT_LINES]
            if last.startswith(("Receiving objects", "Resolving deltas")):
                self._report(Progress("repo", f"Fetching {self._what}: {last}", None))

        code = await run_guarded([self._git, *arguments], self._variables, take, seconds=seconds, cwd=folder)
        return code, lines
