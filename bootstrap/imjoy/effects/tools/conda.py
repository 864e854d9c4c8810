"""The conda command of this machine: found, asked what it is, told to make or change an environment.

Standard library alone, from Python 3.9 on: the planner of an install imports it.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imjoy.effects.disk.files import may_make_folders
from imjoy.effects.machine.windows import console_code_page
from imjoy.effects.processes.process import Answer, ask

INFO_SECONDS = 60.0
MAX_INFO_BYTES = 4 * 1024 * 1024
"""What `conda info --json` of somebody with thousands of environments does not reach."""
MAX_STARTS = 50
"""In how many places of an answer a document is looked for."""
SCRIPT_BYTES = 4096
REASON_CHARACTERS = 200
ENVIRONMENT_NAME = "imjoy"
"""The environment that imjoy lives in, of a conda that was there before."""
OWN_CONDA = "conda"
"""The folder in a prefix that a Miniconda or Miniforge is installed into: its base belongs to conda."""
USUAL_NAMES = (
    *("miniconda3", "miniforge3", "mambaforge", "anaconda3", "miniconda", "anaconda"),
    *("miniconda2", "anaconda2"),
)
USUAL_PLACES = ("", "opt", ".local", ".local/share")
"""Below the home."""
HOMEBREWS = ("/opt/homebrew", "/usr/local")
"""Homebrew's folder on Apple silicon, and on Intel Macs."""
CASKS = ("miniconda", "miniforge", "mambaforge")
SYSTEM_FOLDERS = (
    "/opt/conda",
    *(f"{folder}/{name}" for folder in ("/opt", *HOMEBREWS) for name in USUAL_NAMES),
    *(f"{folder}/Caskroom/{name}/base" for folder in HOMEBREWS for name in CASKS),
)
WINDOWS_FOLDERS = ("PROGRAMDATA", "LOCALAPPDATA", "SYSTEMDRIVE")
"""Variables that name where installers on Windows put a conda, as a copy of the environment has them."""
CHANNEL_ARGUMENTS = ("--override-channels", "--channel", "conda-forge")
"""Never the default channels of Anaconda, whose terms only a person can accept."""
LEAKING_VARIABLES = (
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
    "VIRTUAL_ENV",
)
"""They would have conda's Python look for its modules elsewhere."""
CHANNEL_ALIAS = "https://conda.anaconda.org"
_WRAPPED = re.compile(r'^(?:exec |@)"((?:[^"\\]|\\.)+)" (?:"\$@"|%\*)\s*$', re.MULTILINE)
LAUNCHER = "Lib/site-packages/pip/_vendor/distlib/t64.exe"
"""What pip makes its own commands of: it runs the archive that is appended to it in the Python named before that."""
PROGRAM = "__main__.py"
RUN_CONDA = """import subprocess, sys
try:
    sys.exit(subprocess.call([CONDA, *sys.argv[1:]]))
except KeyboardInterrupt:
    sys.exit(130)
"""
_SETTINGS_FILE = re.compile(r'in "([^"\n]+)", line (\d+)')


@dataclass(frozen=True)
class Conda:
    """A conda that answers, and what it says of itself: only absolute folders, in conda's order."""

    command: Path
    version: str
    platform: str = ""
    root: Path = Path()
    envs_dirs: tuple[Path, ...] = ()
    pkgs_dirs: tuple[Path, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return ``(4, 8, 3)`` for ``4.8.3``, and for ``4.8.3.post1+g12`` too."""
        found = re.match(r"\d+(\.\d+)*", self.version)
        return tuple(map(int, found[0].split("."))) if found else ()


@dataclass(frozen=True)
class Settings:
    """What a conda tells of its channels, and of how the network is reached; without passwords in what is recorded."""

    channel_alias: str = CHANNEL_ALIAS
    custom_channels: tuple[tuple[str, str], ...] = ()
    proxy_servers: tuple[tuple[str, str], ...] = ()
    ssl_verify: bool | str = True
    offline: bool = False

    def url(self, channel: str) -> str:
        """Return the url of a channel that is named, or given by url."""
        if "://" in channel:
            return channel
        for name, base in self.custom_channels:
            if name in (channel, channel.partition("/")[0]):
                return f"{base.rstrip('/')}/{channel}"
        return f"{self.channel_alias.rstrip('/')}/{channel}"


def find_condas(
    home: Path, environ: Mapping[str, str], *, except_in: Path | None = None
) -> tuple[Conda | None, tuple[str, ...]]:
    """Return the first conda that answers, and why each one before it was passed over, a sentence for each.

    Looks at CONDA_EXE, PATH and the usual folders; what lies under ``except_in`` does not count. Each is asked once,
    for a minute at most.
    """
    passed: list[str] = []
    for command in _candidates(home, environ, except_in):
        found = ask_conda(command, environ)
        if isinstance(found, Conda):
            return found, tuple(passed)
        passed.append(found)
    return None, tuple(passed)


def find_conda(home: Path, environ: Mapping[str, str], *, except_in: Path | None = None) -> Conda | None:
    """Return the first conda that answers, as :func:`find_condas` does."""
    return find_condas(home, environ, except_in=except_in)[0]


def ask_conda(command: Path, environ: Mapping[str, str], *, seconds: float = 0.0) -> Conda | str:
    """Ask a conda what it is, for a minute or so many seconds; return that, or in a sentence why it cannot be used."""
    answer = ask(
        [str(command), "info", "--json"],
        timeout=seconds or INFO_SECONDS,
        environ=environment_for_conda(environ),
        max_bytes=MAX_INFO_BYTES,
    )
    document = find_document(answer.stdout)
    if not answer.ok:
        return f"{command} is ignored: {_failure(answer, document)}"
    try:
        version = document["conda_version"]
        root = document["root_prefix"] if document.get("root_prefix") else str(root_of(command))
        if not isinstance(version, str):
            raise KeyError("conda_version")
        return Conda(
            command,
            version,
            str(document.get("platform") or ""),
            Path(str(root)),
            _absolute(document["envs_dirs"]),
            _absolute(document.get("pkgs_dirs") or []),
        )
    except (KeyError, TypeError):
        return f"{command} is ignored: `conda info --json` does not say what a conda says"


def ask_settings(command: Path, environ: Mapping[str, str], *, seconds: float = 0.0) -> Settings | None:
    """Return what a conda says of its channels and its network, whichever file or variable that stands in.

    None where it does not say.
    """
    # Names behind --show are not known to the conda of 2017.
    answer = ask(
        [str(command), "config", "--show", "--json"],
        timeout=seconds or INFO_SECONDS,
        environ=environment_for_conda(environ),
        max_bytes=MAX_INFO_BYTES,
    )
    document = find_document(answer.stdout)
    if not answer.ok or "channel_alias" not in document:
        return None
    custom, proxies, verify = (
        document.get(name) for name in ("custom_channels", "proxy_servers", "ssl_verify")
    )
    return Settings(
        _url_of(document["channel_alias"]) or CHANNEL_ALIAS,
        tuple((name, _url_of(each)) for name, each in custom.items() if _url_of(each))
        if isinstance(custom, dict)
        else (),
        tuple((str(name), str(url)) for name, url in proxies.items() if url)
        if isinstance(proxies, dict)
        else (),
        verify if isinstance(verify, (bool, str)) and verify != "truststore" else True,
        document.get("offline") is True,
    )


def environment_for_conda(environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables for a conda that is run for us: nothing of another Python leaks in, nothing advertises."""
    kept = {name: value for name, value in environ.items() if name not in LEAKING_VARIABLES}
    return {
        **kept,
        "PYTHONNOUSERSITE": "1",
        "CONDA_NOTIFY_OUTDATED_CONDA": "false",
        "PYTHONIOENCODING": "utf-8",
    }


def find_document(text: str) -> dict[str, object]:
    """Return the JSON object in what a program said, whatever it said before and after; empty when there is none.

    Of several the longest is meant: a warning may hold a pair of braces.
    """
    decoder = json.JSONDecoder()
    best: dict[str, object] = {}
    longest = position = 0
    for _ in range(MAX_STARTS):
        position = text.find("{", position)
        if position < 0:
            break
        try:
            found, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position += 1
            continue
        if isinstance(found, dict) and end - position > longest:
            best, longest = found, end - position
        position = end
    return best


def environment_of_imjoy(conda: Conda) -> Path | None:
    """Return where this conda keeps the environment ``imjoy``: where one of ours is, else where it may make one.

    That is the first of its folders that can be written to. None where there is none.
    """
    for folder in conda.envs_dirs:
        if (folder / ENVIRONMENT_NAME / ".imjoy").is_dir():
            return folder / ENVIRONMENT_NAME
    for folder in conda.envs_dirs:
        # On a drive that is not there, no folder of its path is.
        nearest = next((each for each in (folder, *folder.parents) if each.exists()), None)
        if nearest is not None and nearest.is_dir() and may_make_folders(nearest):
            return folder / ENVIRONMENT_NAME
    return None


def root_of(command: Path) -> Path:
    """Return the folder of the conda that a command belongs to; a wrapper of ours is followed to the conda it runs."""
    return unwrapped(command).resolve().parent.parent


def conda_of_prefix(prefix: Path) -> Path | None:
    """Return the conda that belongs to a prefix: its own one, else the one that its receipt names, if it is there.

    Up to 0.12 the prefix was the base itself.
    """
    for root in (prefix / OWN_CONDA, prefix):
        command = root / command_name()
        if (root / "conda-meta").is_dir() and os.path.lexists(command) and unwrapped(command) == command:
            return command
    try:
        recorded = json.loads((prefix / ".imjoy" / "receipt.json").read_text(encoding="utf-8")).get("conda")
    except (OSError, ValueError, AttributeError):
        return None
    named = isinstance(recorded, str) and Path(recorded).is_absolute() and os.path.lexists(recorded)
    return Path(str(recorded)) if named else None


def command_name() -> str:
    """Return where the command lies in a conda's folder."""
    return "Scripts/conda.exe" if sys.platform == "win32" else "bin/conda"


def write_wrapper(folder: Path, command: Path) -> Path:
    """Put a ``conda`` among the commands of an environment that runs another conda's; return it.

    A script, not a link: conda finds its own root from where it lies. On Windows it is a program where the pip of
    that environment or of the conda can make one, so that ``Get-Command conda.exe`` finds it and any letter may stand
    in the name of what it runs. Raises ``OSError``.
    """
    if sys.platform == "win32":
        return _write_program(folder, command)
    wrapper = folder / "bin" / "conda"
    quoted = re.sub(r'(["\\$`])', r"\\\1", str(command))
    text = f'#!/bin/sh\nexec "{quoted}" "$@"\n'
    # Whoever holds the old one open, or has a link to it, keeps it.
    wrapper.unlink(missing_ok=True)
    wrapper.write_text(text, encoding="utf-8", newline="")
    wrapper.chmod(0o755)
    return wrapper


def _write_program(folder: Path, command: Path) -> Path:
    # An environment that is just made has no pip yet; the conda's own Python has one.
    launchers = [each for root in (folder, command.parent.parent) if (each := root / LAUNCHER).is_file()]
    script, program = (folder / "Scripts" / name for name in ("conda.bat", "conda.exe"))
    for each in (script, program):
        each.unlink(missing_ok=True)
    if not launchers:
        # cmd reads it in the code page of its console, which is that of the system unless somebody has changed it.
        text = f'@"{command}" %*\r\n'.replace("%", "%%").replace("%%*", "%*")
        encoding = console_code_page()
        try:
            script.write_bytes(text.encode(encoding))
        except UnicodeEncodeError:
            script.write_bytes(f"@chcp 65001 >nul\r\n{text}".encode())
        return script
    inside = folder / "Scripts" / "python.exe"
    python = inside if inside.exists() else folder / "python.exe"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(PROGRAM, f"CONDA = {str(command)!a}\n{RUN_CONDA}")
    program.write_bytes(launchers[0].read_bytes() + f'#!"{python}"\r\n'.encode() + archive.getvalue())
    return program


def create_arguments(prefix: Path, python: str, *, offline: bool = False) -> list[str]:
    """Return the arguments that make an environment with Python and pip, from conda-forge and nothing else."""
    words = ["create", "--yes", "--quiet", "--prefix", str(prefix), "--no-default-packages"]
    return [*words, *CHANNEL_ARGUMENTS, *(["--offline"] if offline else []), f"python={python}", "pip"]


def update_arguments(prefix: Path, specs: Sequence[str]) -> list[str]:
    """Return the arguments that bring packages of an environment up to date, from conda-forge and nothing else."""
    return ["update", "--yes", "--quiet", "--prefix", str(prefix), *CHANNEL_ARGUMENTS, *specs]


def download_arguments(prefix: Path, specs: Sequence[str]) -> list[str]:
    """Return the arguments that only fetch what such an update needs."""
    return [*update_arguments(prefix, specs), "--download-only"]


def _failure(answer: Answer, document: Mapping[str, object]) -> str:
    """Return why a conda gave no answer, in its own words where it has any."""
    if answer.failure:
        return answer.failure
    failed = f"`conda info --json` fails with exit code {answer.code}"
    message = document.get("message") or document.get("error")
    evidence = f"{document.get('traceback') or ''}\n{answer.stderr}\n{answer.stdout}"
    if settings := _SETTINGS_FILE.search(evidence):
        return f"{failed}: it cannot read {settings[1]}, line {settings[2]}"
    # What a program says when it breaks, it says last; a document's sentence begins with what matters.
    words = " ".join(str(message or answer.stderr or answer.stdout).split())
    if len(words) > REASON_CHARACTERS:
        first = words[:REASON_CHARACTERS].rpartition(" ")[0] + " ..."
        words = first if message else "... " + words[-REASON_CHARACTERS:].partition(" ")[2]
    return f"{failed}: {words}" if words else failed


def _url_of(channel: object) -> str:
    """Return the url that a channel's document, or a text, stands for; empty when there is none."""
    if isinstance(channel, str):
        return channel if "://" in channel or not channel else f"https://{channel}"
    if not isinstance(channel, dict) or not channel.get("location"):
        return ""
    who = f"{channel['auth']}@" if channel.get("auth") else ""
    token = f"/t/{channel['token']}" if channel.get("token") else ""
    return f"{channel.get('scheme') or 'https'}://{who}{channel['location']}{token}"


def _absolute(folders: object) -> tuple[Path, ...]:
    named = folders if isinstance(folders, list) else []
    return tuple(Path(each) for each in named if isinstance(each, str) and Path(each).is_absolute())


def unwrapped(command: Path) -> Path:
    """Return the command that a wrapper of ours runs, else the command itself."""
    if command.suffix.lower() == ".exe":
        try:
            with zipfile.ZipFile(command) as archive:
                line = archive.read(PROGRAM).decode("ascii", "replace").partition("\n")[0]
            return Path(ast.literal_eval(line.partition("CONDA = ")[2]))
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, SyntaxError):
            return command
    try:
        with command.open("rb") as file:
            content = file.read(SCRIPT_BYTES)
    except OSError:
        return command
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = content.decode(console_code_page(), "replace")
    wrapped = _WRAPPED.search(text) if text.startswith(("#!/bin/sh\n", "@")) else None
    if wrapped is None:
        return command
    return Path(
        re.sub(r"\\(.)", r"\1", wrapped[1]) if text.startswith("#!") else wrapped[1].replace("%%", "%")
    )


def _candidates(home: Path, environ: Mapping[str, str], except_in: Path | None) -> Iterator[Path]:
    """Yield commands that may be a conda, each real one once."""
    barred = except_in.resolve() if except_in is not None else None
    seen: set[Path] = set()
    for candidate in _places(home, environ):
        if not candidate.is_absolute() or not candidate.is_file() or not os.access(candidate, os.X_OK):
            continue
        real = unwrapped(candidate).resolve()
        lies_in = (candidate.resolve(), real)
        if real in seen or (barred is not None and any(each.is_relative_to(barred) for each in lies_in)):
            continue
        seen.add(real)
        yield candidate


def _places(home: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("CONDA_EXE"):
        yield Path(named)
    names = ("conda.exe", "conda.bat") if sys.platform == "win32" else ("conda",)
    for folder in environ.get("PATH", "").split(os.pathsep):
        for name in names:
            if folder:
                yield Path(folder.strip('"'), name)
    for root in usual_roots(home, environ):
        yield root / command_name()


def usual_roots(home: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders that installers of conda propose, and Homebrew's; they need not be there."""
    for place in USUAL_PLACES:
        for name in USUAL_NAMES:
            yield home / place / name
    if sys.platform != "win32":
        yield from map(Path, SYSTEM_FOLDERS)
        return
    for variable in WINDOWS_FOLDERS:
        if parent := environ.get(variable):
            for name in USUAL_NAMES:
                yield Path(parent + "\\", name)
