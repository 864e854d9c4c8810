"""The environment ``imjoy`` of a conda that is here, made by py-rattler from the lock that imjoy carries.

Of that conda only its word is needed: where environments lie and where its channels are. So any conda from 4.3 on will
do, also one that would put a Python 3.13 into ``lib/python3.1``. Where nobody builds py-rattler, the lock has no such
platform, or its packages are not where that conda has its channels, a conda that is new enough makes the environment
itself. Standard library alone.
"""

from __future__ import annotations

import json
import os
import pkgutil
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import imjoy
from imjoy.effects.machine.home import home_folder, typed_path
from imjoy.effects.processes.process import ask
from imjoy.effects.tools.conda import (
    CHANNEL_ALIAS,
    Conda,
    Settings,
    ask_settings,
    create_arguments,
    write_wrapper,
)
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.provision.steps.conda_packages import Package, Work

RATTLER = "py-rattler>=0.28,<0.29"
"""As in pyproject.toml; a test compares them."""
RATTLER_FLOOR = (3, 10)
"""The oldest Python that has it."""
CONDA_FLOOR = (4, 3)
FIRST_WITH_NEW_FORMAT = (4, 7)
"""The first that knows files named ``.conda``. One of 2017 overlooks their records: seen with 4.3.30."""
FIRST_WITH_NEW_PYTHONS = (4, 11)
"""Those before read two digits of a version: 3.13 becomes ``lib/python3.1``."""
LOCK_GLIBC = (2, 17)
"""The oldest that the packages of the lock, and py-rattler, run with."""
CONDA_PYTHON = "3.13"
"""What a conda is asked for that makes the environment itself."""
CHANNEL = "conda-forge"
NOT_THERE = ("download.missing", "download.failed")
PIP_SECONDS = 60.0
STARTER = """
import os, sys
sys.path += sys.argv[1:3]
from imjoy.provision.steps.conda_packages import main
code = main(sys.argv[3:])
sys.stdout.flush()
sys.stderr.flush()
os._exit(code)
"""
"""What ``python -I -B -c`` runs. The threads of py-rattler may touch an interpreter that ends, and crash it."""

RunStep = Callable[..., object]


def make_environment(
    target: Path,
    conda: Conda,
    python: Path,
    stage: Path,
    run_step: RunStep,
    *,
    offline: Path | None,
    environ: Mapping[str, str],
    notices: list[str],
) -> None:
    """Make a conda environment at ``target``, where nothing is yet, that the conda knows and ``bin/conda`` leads to.

    ``python`` is from ``RATTLER_FLOOR`` on, ``stage`` a folder that is removed afterwards, ``offline`` one that holds
    every package and py-rattler's wheel. Each step is run by ``run_step(title, command, environ=variables)``, which
    raises when one fails. What is downloaded goes into the first package cache of that conda that can be written to,
    and stays there.

    Raises :class:`ImJoyError` ``conda.too-old`` (3), ``conda.offline`` (4), ``conda.link``, and what a download raises;
    else what ``run_step`` raises.
    """
    packages = locked_packages(conda.platform)
    reason = why_not_rattler(conda.platform, packages)
    if reason:
        _require_new(conda, reason)
        _ask_conda(target, conda, run_step, offline=offline)
    else:
        settings = ask_settings(conda.command, environ)
        if settings is None:
            notices.append(f"{conda.command} does not say where its channels are: {CHANNEL_ALIAS} is asked")
            settings = Settings()
        tools = stage / "tools"
        _install_rattler(python, tools, run_step, offline)
        try:
            _link(target, conda, python, stage, tools, packages, settings, run_step, offline, environ)
        except ImJoyError as error:
            # A mirror of an institute may lack these builds, and have others.
            other = offline is None and error.id in NOT_THERE and conda.numbers >= FIRST_WITH_NEW_PYTHONS
            if not other:
                raise
            notices.append(
                f"not every package of the lock was available, so conda was asked to solve: {error.what}"
            )
            _ask_conda(target, conda, run_step, offline=None)
        else:
            _link_two_digits(target, conda)
            register(target, environ)
    write_wrapper(target, conda.command)


def why_not_rattler(conda_platform: str, packages: tuple[Package, ...]) -> str:
    """Return why py-rattler cannot make an environment of the lock on this machine; empty when it can."""
    if not packages:
        return f"the lock of imjoy has no packages for {conda_platform or 'this platform'}"
    if sys.platform.startswith("linux"):
        name, version = platform.libc_ver()
        numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        if name != "glibc" or numbers < LOCK_GLIBC:
            wanted = ".".join(map(str, LOCK_GLIBC))
            return f"the packages of imjoy's lock need glibc {wanted}"
    return ""


def locked_packages(conda_platform: str) -> tuple[Package, ...]:
    """Return the packages that the lock has for a platform of conda, in the order of installing; none for others."""
    rendered = _lock_file(f"conda-{conda_platform}.lock")
    if rendered is None:
        return ()
    known = _entries((_lock_file("conda-lock.yml") or b"").decode("utf-8"))
    lines = [line.strip() for line in rendered.decode("utf-8").splitlines()]
    urls = [line.partition("#")[0] for line in lines if "://" in line and not line.startswith("#")]
    return tuple(known[url] for url in urls)


def register(target: Path, environ: Mapping[str, str]) -> None:
    """Write an environment into the list that conda keeps of all of a person's, where that is possible."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or home_folder())
    registry = home / ".conda" / "environments.txt"
    try:
        known = registry.read_text(encoding="utf-8").splitlines() if registry.exists() else []
        if str(target) not in known:
            registry.parent.mkdir(parents=True, exist_ok=True)
            with registry.open("a", encoding="utf-8") as lines:
                lines.write(f"{target}\n")
    except (OSError, UnicodeDecodeError):
        return  # conda goes without, too


def _link_two_digits(target: Path, conda: Conda) -> None:
    """Have ``lib/python3.1`` lead to ``lib/python3.13`` for a conda that takes one for the other.

    Without it the conda of 2017 cannot list what is there, and what others install there is never found.
    """
    if sys.platform == "win32" or conda.numbers >= FIRST_WITH_NEW_PYTHONS:
        return
    for folder in (target / "lib").glob("python3.1[0-9]"):
        folder.with_name("python3.1").symlink_to(folder.name, target_is_directory=True)


def _require_new(conda: Conda, reason: str) -> None:
    if conda.numbers >= FIRST_WITH_NEW_PYTHONS:
        return
    first = ".".join(map(str, FIRST_WITH_NEW_PYTHONS))
    raise ImJoyError(
        "conda.too-old",
        f"conda {conda.version} cannot make an environment with Python {CONDA_PYTHON}.",
        why=f"{reason[0].upper()}{reason[1:]}, so conda itself has to, and before {first} it takes "
        f"{CONDA_PYTHON} for 3.1.",
        fix=f"update that conda ({conda.command} update -n base conda), or --distribution venv",
        exit_code=ExitCode.PREFLIGHT_REFUSED,
    )


def _ask_conda(target: Path, conda: Conda, run_step: RunStep, *, offline: Path | None) -> None:
    arguments = create_arguments(target, CONDA_PYTHON, offline=offline is not None)
    run_step("having conda make the environment", [str(conda.command), *arguments])


def _install_rattler(python: Path, tools: Path, run_step: RunStep, offline: Path | None) -> None:
    """Put py-rattler into a folder, with that Python's pip; where it has none, with that of an environment."""
    pip = [str(python), "-I", "-B", "-m", "pip"]
    if not ask([*pip, "--version"], timeout=PIP_SECONDS).ok:
        run_step("preparing its tools", [str(python), "-I", "-B", "-m", "venv", str(tools / "environment")])
        inside = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
        pip[0] = str(tools / "environment" / inside)
    words = ["install", "--only-binary", ":all:", "--no-compile", "--target", str(tools), RATTLER]
    local = ["--no-index", "--find-links", str(offline)] if offline is not None else []
    run_step("fetching what makes it", [*pip, *words, *local])


def _link(
    target: Path,
    conda: Conda,
    python: Path,
    stage: Path,
    tools: Path,
    packages: tuple[Package, ...],
    settings: Settings,
    run_step: RunStep,
    offline: Path | None,
    environ: Mapping[str, str],
) -> None:
    folders = tuple(map(str, (*_caches(conda), stage / "packages")))
    python_version = next(each.version for each in packages if each.name == "python")
    work = Work(
        target=str(target),
        platform=conda.platform,
        packages=tuple(_placed(each, settings) for each in packages),
        folders=folders,
        stage=str(stage),
        offline=str(offline) if offline is not None else "",
        connect=not settings.offline,
        verify=settings.ssl_verify is not False,
        specs=(f"python={'.'.join(python_version.split('.')[:2])}", "pip"),
        conda_version=conda.version,
        old_names=conda.numbers < FIRST_WITH_NEW_FORMAT,
    )
    file = stage / "environment.json"
    work.write(file)
    start = [str(python), "-I", "-B", "-c", STARTER, str(Path(imjoy.__file__).parents[1]), str(tools)]
    variables = _network_variables(settings, environ)
    for title, verb in (
        (f"downloading {len(packages)} packages of the lock", "fetch"),
        ("making the environment", "link"),
    ):
        try:
            run_step(title, [*start, verb, str(file)], environ=variables)
        except Exception as error:
            reported = _reported_error(file.with_suffix(".error"))
            if reported is None:
                raise
            raise reported from error
    shutil.rmtree(tools, ignore_errors=True)


def _placed(package: Package, settings: Settings) -> Package:
    """Return a package with the urls to ask at: where that conda has conda-forge, then where the lock has it."""
    url = package.urls[0]
    inside = url.partition(f"/{CHANNEL}/")[2]
    mapped = f"{settings.url(CHANNEL).rstrip('/')}/{inside}"
    here = mapped if url.startswith(f"{CHANNEL_ALIAS}/") and inside else url
    return Package(
        package.name,
        package.version,
        tuple(dict.fromkeys((here, url))),
        package.sha256,
        package.md5,
        package.depends,
    )


def _caches(conda: Conda) -> list[Path]:
    """Return the package caches of a conda, the first one that can be written to first."""
    usable = []
    for folder in conda.pkgs_dirs:
        nearest = next((each for each in (folder, *folder.parents) if each.exists()), None)
        if nearest is not None and os.access(nearest, os.W_OK | os.X_OK):
            usable.append(folder)
    return [*usable, *(each for each in conda.pkgs_dirs if each not in usable)] if usable else []


def _network_variables(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that have a download go the way that this conda goes."""
    variables = {}
    for name, url in settings.proxy_servers:
        if name in ("http", "https", "all"):
            variables[f"{name.upper()}_PROXY"] = variables[f"{name}_proxy"] = url
    if isinstance(settings.ssl_verify, str):
        file = typed_path(settings.ssl_verify)
        if file.is_file():
            variables |= {"SSL_CERT_FILE": str(file), "REQUESTS_CA_BUNDLE": str(file)}
    return variables


def _reported_error(file: Path) -> ImJoyError | None:
    """Return what a step wrote down of its failure, or None."""
    try:
        return ImJoyError.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def _lock_file(name: str) -> bytes | None:
    try:
        return pkgutil.get_data("imjoy", f"locks/{name}")
    except OSError:
        return None


def _entries(text: str) -> dict[str, Package]:
    """Return the packages of a conda-lock.yml by url. Reads the lines that conda-lock writes: Python has no YAML."""
    found: dict[str, Package] = {}
    for entry in text.partition("\npackage:\n")[2].split("\n- "):
        values: dict[str, str] = {}
        depends = []
        section = ""
        for line in entry.splitlines():
            indent = len(line) - len(line.lstrip(" -"))
            name, _, value = line.strip("- ").partition(":")
            value = value.strip().strip("'\"")
            if indent <= 2:
                section = name
            if section == "dependencies" and indent > 2:
                depends.append(f"{name} {value}".strip())
            else:
                values[name] = value
        if {"url", "sha256"} <= values.keys():
            found[values["url"]] = Package(
                values["name"],
                values.get("version") or _version_in(values["url"]),
                (values["url"],),
                values["sha256"],
                values.get("md5", ""),
                tuple(depends),
            )
    return found


def _version_in(url: str) -> str:
    return url.rpartition("/")[2].rsplit("-", 2)[1]
