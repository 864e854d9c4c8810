"""Builds an environment of pip packages: with uv, or with ``venv`` and pip where uv is missing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.pip_settings import uv_options, uv_variables
from imjoy_engine.environments.prefix import interpreter_of
from imjoy_engine.environments.progress import Progress, Report
from imjoy_engine.environments.scrub import scrub
from imjoy_engine.launchers.local import INHERITED_VARIABLES

BUILD_SECONDS = 3600.0
KILLED_SECONDS = 10.0
OUTPUT_LINES = 60
LINE_BYTES = 64 * 1024
TETHER_SCRIPT = Path(__file__).with_name("tether.py")

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
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
_UV_INSTALL = ("pip", "install", "--compile-bytecode", "--python")
_VENV = ("-I", "-m", "venv")
_PIP_INSTALL = ("-I", "-m", "pip", "install", "--progress-bar", "off")


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


_KNOWN_FAILURES = (
    _KnownFailure(
        ("No space left on device", "os error 28", "Disk quota exceeded"),
        "There is not enough space for the environment.",
        "Free some space, then load the plugin again.",
    ),
    _KnownFailure(
        (
            "network was disabled",
            "error sending request",
            "dns error",
            "failed to lookup",
            "Failed to fetch",
            "NewConnectionError",
            "Temporary failure in name resolution",
            "Network is unreachable",
        ),
        "The packages could not be downloaded.",
        "Check the network (and the proxy or index that pip is configured to use), then load the plugin again.",
    ),
)
_UV_STEPS: tuple[_Step, ...] = (
    _Step(re.compile(r"Resolved \d+ packages? in .*"), "pip", 0.3),
    _Step(re.compile(r"\s*(Downloading|Building|Updating) .*"), "download", None),
    _Step(re.compile(r"\s*(Downloaded|Built|Updated) .*"), "download", None),
    _Step(re.compile(r"Prepared \d+ packages? in .*"), "pip", 0.7),
    _Step(re.compile(r"Installed \d+ packages? in .*"), "link", 0.8),
    _Step(re.compile(r"Bytecode compiled .*"), "link", 0.95),
)
_PIP_STEPS: tuple[_Step, ...] = (
    _Step(re.compile(r"Collecting .*"), "pip", None),
    _Step(re.compile(r"\s*Downloading .*"), "download", None),
    _Step(re.compile(r"Installing collected packages: .*"), "link", 0.7),
    _Step(re.compile(r"Successfully installed .*"), "link", 0.95),
)


def find_uv() -> str | None:
    """Return the uv that came with our own dependencies, never one that happens to be on PATH; None without it."""
    try:
        import uv

        return str(uv.find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None


def build_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables for a build: those of the user's that say how to get and to compile packages.

    Nothing asks questions: git and ssh fail where they would prompt.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if (name.upper() in INHERITED_VARIABLES or _BUILD_VARIABLES.fullmatch(name))
        and not _FOREIGN_VARIABLES.fullmatch(name)
    }
    kept.update(uv_variables(kept))
    kept.update(NO_COLOR="1", GIT_TERMINAL_PROMPT="0", PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    kept.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    return kept


async def build_venv(
    prefix: Path, requirements: Sequence[str], *, python: Path, environ: Mapping[str, str], report: Report
) -> None:
    """Make a virtual environment of ``python`` at ``prefix``, which must not exist, and install ``requirements``.

    Each of the two takes at most ``BUILD_SECONDS``. When it is cancelled, or this process dies, every process of the
    build is killed at once; what is at ``prefix`` then is for the caller to remove.

    Raises:
        ImJoyError: ``env.failed`` with the installer's explanation, without passwords.
    """
    variables = build_variables(environ)
    uv = find_uv()
    interpreter = interpreter_of(prefix)
    listing = prefix / "requirements.txt"
    report(Progress("environment", "Making an environment", 0.05))
    if uv:
        making = [uv, *_UV_VENV, str(python), str(prefix)]
        installing = [uv, *_UV_INSTALL, str(interpreter), *uv_options(environ), "-r", str(listing)]
        steps = _UV_STEPS
    else:
        making = [str(python), *_VENV, str(prefix)]
        installing = [str(interpreter), *_PIP_INSTALL, "-r", str(listing)]
        steps = _PIP_STEPS
    await _run(making, variables, (), report, f"See that {python} runs, and that it can make a venv.")
    # By file, readable for the user alone: a requirement's url may hold a password, and everybody can read argv.
    with os.fdopen(
        os.open(listing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write("".join(f"{requirement}\n" for requirement in requirements))
    report(Progress("pip", "Looking for its packages and what they need", 0.1))
    wrong_requirement = (
        'Correct the package named above in the plugin\'s "requirements", then load the plugin again.'
    )
    await _run(installing, variables, steps, report, wrong_requirement)
    listing.unlink()


async def _run(
    argv: Sequence[str], variables: Mapping[str, str], steps: Sequence[_Step], report: Report, fix: str
) -> None:
    process = await _start(argv, variables)
    lines: list[str] = []

    async def finish() -> int:
        async for line in _lines(process.stdout):
            step = next((step for step in steps if step.pattern.fullmatch(line)), None)
            if step:
                report(Progress(step.phase, line.strip(), step.fraction))
            elif line:
                lines.append(line)
                del lines[:-OUTPUT_LINES]
        return await process.wait()

    try:
        code = await asyncio.wait_for(finish(), BUILD_SECONDS)
    except asyncio.TimeoutError:
        lines.append(f"It was not done after {BUILD_SECONDS / 60:g} minutes.")
        code = -1
    finally:
        if process.returncode != 0:
            await _kill_group(process)
    if code != 0:
        raise _failure(lines, fix)


async def _start(argv: Sequence[str], variables: Mapping[str, str]) -> asyncio.subprocess.Process:
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(TETHER_SCRIPT), *argv),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(variables),
            # uv looks for a project's configuration from the current folder upwards.
            cwd=Path(sys.executable).anchor,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # asyncio by itself would kill the tether alone, and what hangs on it would live on.
        await _kill_group(await starting)
        raise


async def _lines(stream: asyncio.StreamReader | None) -> AsyncIterator[str]:
    """Yield what a command writes by lines, without colours and passwords; a line without end is cut."""
    rest = b""
    while stream is not None and (chunk := await stream.read(LINE_BYTES)):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES:
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield _readable(line)
    if rest:
        yield _readable(rest)


def _readable(line: bytes) -> str:
    return scrub(_ANSI.sub("", line.decode(errors="replace").rstrip()))


async def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    await asyncio.wait_for(process.wait(), KILLED_SECONDS)


def _failure(lines: Sequence[str], fix: str) -> ImJoyError:
    output = "\n".join(line for line in lines if not line.startswith("Using Python"))
    for known in _KNOWN_FAILURES:
        if any(sign in output for sign in known.signs):
            return ImJoyError("env.failed", known.what, why=output, fix=known.fix)
    return ImJoyError("env.failed", "The environment could not be made.", why=output, fix=fix)
