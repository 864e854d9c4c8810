"""Builds an environment of pip packages: with uv, or with ``venv`` and pip where uv is missing."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
import platform
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imjoy.effects.machine.home import home_folder
from imjoy.effects.processes.process import ask
from imjoy.effects.tools.pip_settings import (
    refuse_hashes,
    refuse_missing_constraint,
    system_proxies,
    trust_variables,
    uv_options,
    uv_variables,
)
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.builders.git_command import need_git_for
from imjoy_engine.environments.existing.choice import HOST_NAME
from imjoy_engine.environments.prefix import interpreter_of
from imjoy_engine.environments.progress import Progress, Report
from imjoy_engine.processes.guarded_process import TIMED_OUT, run_guarded
from imjoy_engine.processes.variables import INHERITED_VARIABLES

BUILD_SECONDS = 3600.0
START_SECONDS = 20.0
SYSTEM_CERTS_SINCE = (0, 11)
"""The first uv that has UV_SYSTEM_CERTS; from then on it warns of UV_NATIVE_TLS, which the older ones need."""
OUTPUT_LINES = 60
# How long what an index said about a set of packages is used again without asking it.
FRESH_SECONDS = 24 * 3600.0

# Besides what plugins may see: where packages come from and how they are compiled. Building a package runs its code, so
# it gets no more of the engine's environment than that.
_BUILD_VARIABLES = re.compile(
    r"(UV|PIP|CARGO|RUSTUP|CMAKE|CUDA|GIT_SSH|GIT_SSL|GIT_CONFIG|LC|XDG)_.*|SSH_AUTH_SOCK|NETRC|C_INCLUDE_PATH|CPATH"
    r"|LIBRARY_PATH|PKG_CONFIG_PATH|CC|CXX|FC|AR|LD|CFLAGS|CPPFLAGS|CXXFLAGS|FFLAGS|LDFLAGS|MAKEFLAGS|SDKROOT"
    r"|MACOSX_DEPLOYMENT_TARGET|INCLUDE|LIB|LIBPATH"
)
# They would lead a build into another environment.
_FOREIGN_VARIABLES = re.compile(
    r"PIP_(TARGET|PREFIX|ROOT|USER|REQUIRE_VIRTUALENV|PYTHON|EDITABLE|REQUIREMENT)"
    r"|UV_(PYTHON.*|PROJECT.*|SYSTEM_PYTHON|BREAK_SYSTEM_PACKAGES|TARGET|PREFIX|VENV_.*|WORKING_DIR.*|COMPILE_BYTECODE)"
)

_UV_VENV = ("venv", "--no-project", "--no-python-downloads", "--python")
_UV_INSTALL = ("pip", "install", "--break-system-packages", "--python")
_VENV = ("-I", "-m", "venv")
_PIP_INSTALL = ("-I", "-m", "pip", "install", "--no-compile", "--progress-bar", "off")


@dataclass(frozen=True)
class _Step:
    """What a line of an installer's output tells, and how far the build is then."""

    pattern: re.Pattern[str]
    phase: str
    fraction: float | None


@dataclass(frozen=True)
class _KnownFailure:
    """What in an installer's output shows that the plugin's requirements are not to blame."""

    signs: tuple[str, ...]
    what: str
    fix: str
    offline: bool = False


_NETWORK_SIGNS = (
    "network was disabled",
    "error sending request",
    "dns error",
    "failed to lookup",
    "Failed to fetch",
    "NewConnectionError",
    "Temporary failure in name resolution",
    "Network is unreachable",
)
_KNOWN_FAILURES = (
    _KnownFailure(
        ("No space left on device", "os error 28", "Disk quota exceeded"),
        "There is not enough space for the environment.",
        "Free some space, then load the plugin again.",
    ),
    _KnownFailure(
        _NETWORK_SIGNS,
        "Packages are missing here, and the network does not answer.",
        "Check the network, and the proxy or index that pip is configured to use, then load the plugin again.\n"
        "Without a network a plugin runs in a Python that has what it needs: imjoy env find, imjoy run --env NAME; "
        f"{HOST_NAME} is the Python that imjoy runs in.",
        offline=True,
    ),
    _KnownFailure(
        ("The build backend returned an error", "Failed to build", "subprocess-exited-with-error"),
        "A package has to be built on this machine, and that failed.",
        "Ask for a version of it that comes built for this Python, or for the Python that "
        'its wheels were made for ("conda create python=…" in "env"), or install what its build misses, '
        "then load the plugin again.",
    ),
)
_CHECKSUM_SIGNS = ("Hash mismatch", "hash mismatch", "DO NOT MATCH THE HASHES")
# uv tells the sizes of what is larger than a megabyte or so, when it begins with it: " Downloading torch (782.3MiB)".
_UV_BEGINS = re.compile(r"\s*Downloading (?P<name>\S+) \((?P<size>\d+(?:\.\d+)?) ?(?P<unit>[KMG]iB)\)")
_UV_ENDS = re.compile(r"\s*Downloaded (?P<name>\S+)")
_UV_UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
BYTES_PER_MB = 1_000_000
_RESOLVED_FRACTION = 0.3
_PREPARED_FRACTION = 0.7
_UV_STEPS: tuple[_Step, ...] = (
    _Step(re.compile(r"Resolved \d+ packages? in .*"), "pip", _RESOLVED_FRACTION),
    _Step(re.compile(r"\s*(Downloading|Building|Updating) .*"), "download", None),
    _Step(re.compile(r"\s*(Downloaded|Built|Updated) .*"), "download", None),
    _Step(re.compile(r"Prepared \d+ packages? in .*"), "pip", _PREPARED_FRACTION),
    _Step(re.compile(r"Installed \d+ packages? in .*"), "link", 0.95),
)
_PIP_STEPS: tuple[_Step, ...] = (
    _Step(re.compile(r"Collecting .*"), "pip", None),
    _Step(re.compile(r"\s*Downloading .*"), "download", None),
    _Step(re.compile(r"Installing collected packages: .*"), "link", 0.7),
    _Step(re.compile(r"Successfully installed .*"), "link", 0.95),
)


def find_uv() -> str | None:
    """Return the uv that came with our own dependencies, never one that happens to be on PATH.

    None without it, and where it does not start: its binary may want a newer system than its wheel says.
    """
    try:
        import uv

        program = str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None
    return program if _starts(program) else None


@functools.cache
def _starts(program: str) -> bool:
    return ask([program, "--version"], timeout=START_SECONDS).ok


def build_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for a build: those of the user's that say how to get and to compile packages.

    Nothing asks questions: git and ssh fail where they would prompt. Raises ImJoyError ``env.constraint``.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if (name.upper() in INHERITED_VARIABLES or _BUILD_VARIABLES.fullmatch(name))
        and not _FOREIGN_VARIABLES.fullmatch(name)
    }
    refuse_missing_constraint(environ)
    kept.update(trust_variables(environ))
    kept.update(uv_variables(kept))
    _name_system_certificates(kept)
    kept.update({name: value for name, value in system_proxies(environ).items() if name not in kept})
    kept.update(NO_COLOR="1", GIT_TERMINAL_PROMPT="0", PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    return kept


def _name_system_certificates(variables: dict[str, str]) -> None:
    """Say under the name that our uv knows whether to trust the system's certificates: it warns of the other one."""
    given = [variables.pop(name, "") for name in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")]
    wanted = given[0] or given[1]
    if wanted:
        variables["UV_SYSTEM_CERTS" if uv_version() >= SYSTEM_CERTS_SINCE else "UV_NATIVE_TLS"] = wanted


def uv_version() -> tuple[int, ...]:
    """Return the version of our uv; nothing where there is none."""
    import importlib.metadata

    try:
        return tuple(int(part) for part in importlib.metadata.version("uv").split(".")[:2])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return ()


async def build_venv(
    prefix: Path,
    requirements: Sequence[str],
    *,
    python: Path,
    environ: Mapping[str, str],
    report: Report,
    local: Sequence[str] = (),
    indexes: Sequence[str] = (),
    work_dir: Path | None = None,
) -> None:
    """Make a virtual environment of ``python`` at ``prefix``, which must not exist, and install ``requirements``.

    Each of the two takes at most ``BUILD_SECONDS``. When it is cancelled, or this process dies, every process of the
    build is killed at once; what is at ``prefix`` then is for the caller to remove.

    Raises:
        ImJoyError: ``env.failed`` with the installer's explanation, without passwords.
    """
    uv = await asyncio.to_thread(find_uv)
    report(Progress("environment", "Making an environment", 0.05))
    making = [uv, *_UV_VENV, str(python), str(prefix)] if uv else [str(python), *_VENV, str(prefix)]
    code, lines = await _run(making, build_variables(environ), (), report)
    if code != 0:
        raise _failure(lines, f"See that {python} runs, and that it can make a venv.")
    await install_packages(
        prefix,
        interpreter_of(prefix),
        requirements,
        target=f"{python} {platform.python_version()}",
        environ=environ,
        report=report,
        local=local,
        indexes=indexes,
        work_dir=work_dir,
    )


async def install_packages(
    prefix: Path,
    interpreter: Path,
    requirements: Sequence[str],
    *,
    target: str,
    environ: Mapping[str, str],
    report: Report,
    local: Sequence[str] = (),
    indexes: Sequence[str] = (),
    work_dir: Path | None = None,
    exact: bool = False,
) -> None:
    """Install ``requirements``, and ``local`` (relative to ``work_dir``), into the environment at ``prefix``.

    They may come from ``indexes`` too (lines of a requirements file).

    What the index said about the same packages less than ``FRESH_SECONDS`` ago is taken as it was; when the network is
    down, what it said ever. ``target`` tells interpreters apart that packages are chosen for. With ``exact`` nothing is
    installed but ``requirements``, which carry hashes. Raises ImJoyError ``env.failed``, ``env.no-git``.
    """
    await need_git_for(requirements, environ)
    variables = build_variables(environ)
    if not exact:
        refuse_hashes(environ)
    if indexes:
        # As pip does: it has no order among indexes.
        variables.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    uv = await asyncio.to_thread(find_uv)
    listing = prefix / "imjoy-requirements.txt"
    # By file, readable for the user alone: a requirement's url may hold a password, and everybody can read argv.
    with os.fdopen(
        os.open(listing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write("".join(f"{line}\n" for line in [*indexes, *requirements, *_absolute(local, work_dir)]))
    alone = ["--no-deps"] if exact else []
    report(Progress("pip", "Looking for packages and what they need", 0.1))
    if not uv:
        argv = [str(interpreter), *_PIP_INSTALL, *alone, "-r", str(listing)]
        code, lines = await _run(argv, variables, _PIP_STEPS, report)
    else:
        argv = [uv, *_UV_INSTALL, str(interpreter), *uv_options(environ), *alone, "-r", str(listing)]
        fresh = Freshness(variables, target, [] if local else [*indexes, *requirements])
        code, lines = 1, []
        if fresh.holds():
            code, lines = await _run([*argv, "--offline"], variables, _UV_STEPS, report)
        if code != 0:
            code, lines = await _run(argv, variables, _UV_STEPS, report)
            if code == 0:
                fresh.renew()
            elif network_is_down(lines) and "UV_OFFLINE" not in variables:
                code, offline_lines = await _run([*argv, "--offline"], variables, _UV_STEPS, report)
                lines = [*offline_lines, *lines]
    if code != 0:
        raise _failure(
            lines,
            'Correct the package named above in the plugin\'s "requirements", then load the plugin again.',
        )
    listing.unlink()


def _absolute(local: Sequence[str], work_dir: Path | None) -> list[str]:
    """Return lines of a requirements file with their paths below ``work_dir``."""
    lines = []
    for line in local:
        option, _, path = line.rpartition(" ")
        place = f"{work_dir}/{path.removeprefix('./')}" if path.startswith("./") else f"{work_dir}{path[1:]}"
        lines.append(f"{option} {place}".strip())
    return lines


class Freshness:
    """Remembers, beside what uv remembers of its indexes, when a set of packages was last looked up there.

    ``key`` stands for the set, and ``lasts`` says whether anything is remembered of it.
    """

    def __init__(self, variables: Mapping[str, str], target: str, requirements: Sequence[str]) -> None:
        places = [
            f"{name}={value}" for name, value in sorted(variables.items()) if name.startswith(("UV_", "PIP_"))
        ]
        identity = "\n".join([target, *requirements, *places])
        # A url may have other content today; nothing is remembered of it.
        named = bool(requirements) and not any("://" in requirement for requirement in requirements)
        self.lasts = named and not {"UV_NO_CACHE", "UV_REFRESH", "UV_OFFLINE"} & variables.keys()
        self.key = hashlib.sha256(identity.encode()).hexdigest()[:32]
        self._file = _uv_cache(variables) / "imjoy-looked-up" / self.key

    def holds(self) -> bool:
        """Whether it was less than ``FRESH_SECONDS`` ago."""
        try:
            return self.lasts and 0 <= time.time() - self._file.stat().st_mtime < FRESH_SECONDS
        except OSError:
            return False

    def renew(self) -> None:
        """Note that it was just now."""
        if self.lasts:
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                self._file.touch()
            except OSError:
                return  # then it is looked up again next time


def _uv_cache(variables: Mapping[str, str]) -> Path:
    """Return where uv keeps what it remembers (https://docs.astral.sh/uv/reference/storage/)."""
    home = Path(variables.get("HOME") or home_folder())
    if named := variables.get("UV_CACHE_DIR"):
        return Path(named)
    if sys.platform == "win32":
        return Path(variables.get("LOCALAPPDATA") or home / "AppData" / "Local", "uv", "cache")
    return Path(variables.get("XDG_CACHE_HOME") or home / ".cache", "uv")


class UvDownloads:
    """Adds up what uv says of its downloads: of each, that it begins, its size, and that it is there."""

    def __init__(self) -> None:
        self._loading: dict[str, float] = {}
        self._total = 0.0
        self._furthest = _RESOLVED_FRACTION

    def take(self, line: str) -> Progress | None:
        """Return how far it is after this line; None where the line is of something else."""
        if begun := _UV_BEGINS.fullmatch(line):
            self._loading[begun["name"]] = float(begun["size"]) * _UV_UNITS[begun["unit"]]
            self._total += self._loading[begun["name"]]
        elif (ended := _UV_ENDS.fullmatch(line)) and ended["name"] in self._loading:
            del self._loading[ended["name"]]
        else:
            return None
        done = self._total - sum(self._loading.values())
        if self._total:
            share = _RESOLVED_FRACTION + (_PREPARED_FRACTION - _RESOLVED_FRACTION) * done / self._total
            # More becomes known of what there is to download; a bar never goes back.
            self._furthest = max(self._furthest, round(share, 3))
        first, *more = self._loading or ("packages",)
        names = f"{first} and {len(more)} more" if more else first
        text = f"Downloading {names}: {done / BYTES_PER_MB:.1f} of {self._total / BYTES_PER_MB:.1f} MB"
        return Progress("download", text, self._furthest)


async def _run(
    argv: Sequence[str], variables: Mapping[str, str], steps: Sequence[_Step], report: Report
) -> tuple[int, list[str]]:
    """Run an installer; return its exit code and the last lines that it wrote."""
    lines: list[str] = []
    downloads = UvDownloads()

    def take(line: str) -> None:
        if progress := downloads.take(line):
            report(progress)
            return
        step = next((step for step in steps if step.pattern.fullmatch(line)), None)
        if step:
            report(Progress(step.phase, line.strip(), step.fraction))
        elif line:
            lines.append(line)
            del lines[:-OUTPUT_LINES]

    code = await run_guarded(argv, variables, take, seconds=BUILD_SECONDS)
    if code == -9:
        lines.append("The system ended it with SIGKILL, as it does when memory runs out.")
    if code == TIMED_OUT:
        lines.append(f"It was not done after {BUILD_SECONDS / 60:g} minutes.")
    return code, lines


def network_is_down(lines: Sequence[str]) -> bool:
    """Whether an installer's output says that the network is to blame."""
    output = "\n".join(lines)
    return any(sign in output for sign in _NETWORK_SIGNS)


def _failure(lines: Sequence[str], fix: str) -> ImJoyError:
    output = "\n".join(line for line in lines if not line.startswith("Using Python"))
    if any(sign in output for sign in _CHECKSUM_SIGNS):
        return ImJoyError(
            "env.checksum",
            "A package is not what the lock or the index says it is; it was not installed.",
            why=output,
            fix="Load the plugin again; if it stays so, lock it again: imjoy lock FILE.",
            exit_code=ExitCode.CHECKSUM_MISMATCH,
        )
    for known in _KNOWN_FAILURES:
        if any(sign in output for sign in known.signs):
            if known.offline:
                return ImJoyError(
                    "env.offline", known.what, why=output, fix=known.fix, exit_code=ExitCode.NETWORK_NEEDED
                )
            return ImJoyError("env.failed", known.what, why=output, fix=known.fix)
    return ImJoyError("env.failed", "The environment could not be made.", why=output, fix=fix)
