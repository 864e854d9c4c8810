"""Builds a conda environment: with py-rattler in this process, or with the ``conda`` command where that is missing."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.builders.package_cache import changed_packages
from imjoy_engine.environments.builders.pip_part import PipPart
from imjoy_engine.environments.builders.rosetta import INTEL, ensure_rosetta, has_another
from imjoy_engine.environments.builders.venv_env import (
    FRESH_SECONDS,
    OUTPUT_LINES,
    Freshness,
    build_variables,
    install_packages,
)
from imjoy_engine.environments.prefix import interpreter_of, remove_tree
from imjoy_engine.environments.progress import Progress, Report
from imjoy_engine.environments.specs.conda_settings import (
    CondaSettings,
    channel_urls,
    direct_hosts,
    find_conda,
)
from imjoy_engine.environments.specs.conda_spec_parser import DEFAULT_CHANNEL, SUPPORTED_PYTHONS
from imjoy_engine.environments.specs.spec import EnvironmentSpec, LockedPackage, this_platform
from imjoy_engine.environments.specs.targets import virtual_packages
from imjoy_engine.processes.guarded_process import run_guarded
from imjoy_engine.processes.redact import redact

BUILD_SECONDS = 3600.0
SOLVE_SECONDS = 300.0
REPORT_EVERY_SECONDS = 0.1
BYTES_PER_MB = 1_000_000
CERTIFICATES_VARIABLE = "SSL_CERT_FILE"
# Where the parts of a build begin, as fractions of the whole.
DOWNLOAD_FRACTION, LINK_FRACTION, PIP_FRACTION = 0.15, 0.55, 0.7

_OFFLINE_SIGNS = (
    "error sending request",
    "dns error",
    "client error (Connect)",
    "connection closed",
    "operation timed out",
    "force-cache-only",
    "not available in the cache",
    "CondaHTTPError",
    "CONNECTION FAILED",
)
_SPACE_SIGNS = ("No space left on device", "os error 28", "Disk quota exceeded")
_CHECKSUM_SIGNS = ("hash mismatch", "sha256 mismatch", "HashMismatch", "does not match", "ChecksumMismatch")
_NO_CANDIDATES = re.compile(r"No candidates were found for (\S+) ?([^\n]*?)\.?(?:\n|$)")


async def build_conda(
    prefix: Path,
    spec: EnvironmentSpec,
    *,
    settings: CondaSettings,
    environ: Mapping[str, str],
    report: Report,
) -> None:
    """Make the environment of ``spec`` at ``prefix``, which must not exist.

    Takes at most ``BUILD_SECONDS`` for each of conda's and pip's part. When it is cancelled nothing goes on, and what
    is in the package cache is whole; what is at ``prefix`` then is for the caller to remove.

    Raises:
        ImJoyError: ``env.unsolvable`` with the solver's reasons, ``env.channel``, ``env.offline``, ``env.checksum``,
            ``env.rosetta``, ``env.failed``.
    """
    await ensure_rosetta(spec.platform)
    rattler = await _load_rattler()
    if rattler is None:
        python = await _build_with_command(prefix, spec, settings, environ, report)
        await _install_pip_part(prefix, spec, python, environ, report)
        return
    try:
        await _build_whole(rattler, prefix, spec, settings, environ, report)
    except ImJoyError as error:
        if error.id != "env.unsolvable" or spec.locked or not has_another(spec.platform):
            raise
        intel = replace(spec, platform=INTEL)
        report(Progress("environment", f"Solving for {INTEL}, as {spec.platform} has no answer", None))
        try:
            await _Rattler(rattler, intel, settings, report).solve()
        except ImJoyError:
            raise error from None
        await ensure_rosetta(INTEL)
        chosen = f"Packages for {INTEL} were chosen: {spec.platform} does not have what the plugin asks for."
        report(Progress("environment", chosen, None))
        await _build_whole(rattler, prefix, intel, settings, environ, report)


async def _build_whole(
    rattler: Any,
    prefix: Path,
    spec: EnvironmentSpec,
    settings: CondaSettings,
    environ: Mapping[str, str],
    report: Report,
) -> None:
    changed = await _build_with_rattler(rattler, prefix, spec, settings, environ, report)
    if changed:
        names = ", ".join(folder.name for folder in changed)
        report(
            Progress(
                "environment", f"Fetching again, as their files were changed in the cache: {names}", None
            )
        )
        for folder in (prefix, *changed):
            await remove_tree(folder)
        await _build_with_rattler(rattler, prefix, spec, settings, environ, report)


async def solve_records(spec: EnvironmentSpec, settings: CondaSettings, report: Report) -> list[Any]:
    """Return the records of the packages that ``spec`` gets. Raises as ``build_conda``, ``lock.no-rattler`` too."""
    rattler = await _load_rattler()
    if rattler is None:
        raise ImJoyError(
            "lock.no-rattler",
            "py-rattler, which solves conda packages, is not installed.",
            fix="pip install py-rattler",
        )
    return await _Rattler(rattler, spec, settings, report).solve()


async def _build_with_rattler(
    rattler: Any,
    prefix: Path,
    spec: EnvironmentSpec,
    settings: CondaSettings,
    environ: Mapping[str, str],
    report: Report,
) -> list[Path]:
    """Build; return the folders of the package cache whose files are not what their packages brought."""
    builder = _Rattler(rattler, spec, settings, report)
    cache = settings.package_cache
    records = await builder.solve()
    python = next(str(record.version) for record in records if record.name.normalized == "python")
    names = [f"{record.name.normalized}-{record.version}-{record.build}" for record in records]
    packages = [f"{record.url} {(record.sha256 or b'').hex()}" for record in records]
    fresh = Freshness(
        build_variables(environ),
        "\n".join(packages),
        () if spec.local or spec.locked else [*spec.indexes, *spec.requirements],
    )
    part = PipPart(prefix.parent, fresh.key)
    if part.kept and fresh.holds():
        if changed_packages(part.cache, [part.folder.name]):
            return [part.folder]
        try:
            await builder.install(
                [*records, part.record(rattler, spec.platform)], prefix, [cache, part.cache]
            )
        except ImJoyError:
            return [part.folder]
        part.hide_from_conda(prefix)
        report(Progress("pip", "What pip adds to them was linked as well", 0.95))
        return await asyncio.to_thread(changed_packages, cache, names)
    try:
        await builder.install(records, prefix, [cache])
        # The pip part is mostly waited for.
        looking = asyncio.ensure_future(asyncio.to_thread(changed_packages, cache, names))
        await _install_pip_part(prefix, spec, python, environ, report)
    except ImJoyError:
        # What is missing in the cache may be why.
        changed = await asyncio.to_thread(changed_packages, cache, names)
        if not changed:
            raise
        return changed
    changed = await looking
    if fresh.lasts and not changed:
        await asyncio.to_thread(part.keep, prefix, spec.platform, FRESH_SECONDS)
        fresh.renew()
    return changed


async def _install_pip_part(
    prefix: Path, spec: EnvironmentSpec, python: str, environ: Mapping[str, str], report: Report
) -> None:
    def in_the_last_part(progress: Progress) -> None:
        share = None if progress.fraction is None else PIP_FRACTION + (1 - PIP_FRACTION) * progress.fraction
        report(progress._replace(fraction=share))

    await install_packages(
        prefix,
        interpreter_of(prefix),
        spec.requirements,
        target=f"conda {spec.platform} {python}",
        environ=environ,
        report=in_the_last_part,
        local=spec.local,
        indexes=spec.indexes,
        work_dir=Path(spec.work_dir) if spec.work_dir else None,
        exact=bool(spec.locked),
    )


def locked_record(rattler: Any, package: LockedPackage) -> Any:
    """Return what py-rattler installs for a package of a lock; its SHA-256 is checked before it is unpacked."""
    base, _, file = package.url.rpartition("/")
    channel, _, subdir = base.rpartition("/")
    build = file.removesuffix(".conda").removesuffix(".tar.bz2").rpartition("-")[2]
    number = build.rpartition("_")[2]
    record = rattler.PackageRecord(
        package.name,
        package.version,
        rattler.BuildString(build),
        int(number) if number.isdigit() else 0,
        subdir,
        # Whether it holds Python modules stands in the package; here it only tells them from programs.
        noarch=("python" if "py" in build else "generic") if subdir == "noarch" else None,
        depends=list(package.depends),
        sha256=bytes.fromhex(package.sha256),
    )
    return rattler.RepoDataRecord(record, file, package.url, channel)


def match_specs(spec: EnvironmentSpec) -> list[str]:
    """Return what a solver is to look for."""
    python = spec.python or SUPPORTED_PYTHONS
    wanted = [f"python {python}" if not python[0].isdigit() else f"python={python}", *spec.conda]
    if python[0] in "<>!":
        wanted.append("python >=3.6")
    return wanted


async def _load_rattler() -> Any | None:
    """Import py-rattler, which takes 0.1 s and 12 MB, when the first conda environment is built; None without it."""
    try:
        await asyncio.to_thread(importlib.import_module, "rattler.exceptions")
        return importlib.import_module("rattler")
    except ImportError:
        return None


def make_client(rattler: Any, settings: CondaSettings, direct: Sequence[str]) -> Any:
    """Return a client that reaches servers as conda is set to: its proxies, and whose certificates are trusted.

    The proxies are not asked for the hosts ``direct``, in the form of ``NO_PROXY``.
    """
    lines = [] if settings.ssl_verify is not False else ["tls-no-verify = true"]
    proxies = {name: url for name, url in settings.proxy_servers if name in ("http", "https")}
    if proxies and "*" not in direct:
        lines += ["[proxy-config]", *(f"{name} = {json.dumps(url)}" for name, url in proxies.items())]
        # With proxies from here it reads no NO_PROXY.
        lines.append(f"non-proxy-hosts = {json.dumps(list(direct))}")
    config = rattler.Config.from_toml("\n".join(lines))
    if not isinstance(settings.ssl_verify, str):
        return rattler.Client.from_config(config)
    # It takes a file of certificates by this variable alone, and reads that when a client is made.
    before = os.environ.get(CERTIFICATES_VARIABLE)
    os.environ[CERTIFICATES_VARIABLE] = settings.ssl_verify
    try:
        return rattler.Client.from_config(config)
    finally:
        if before is None:
            del os.environ[CERTIFICATES_VARIABLE]
        else:
            os.environ[CERTIFICATES_VARIABLE] = before


def _virtual_packages(rattler: Any, platform: str) -> list[Any]:
    """Return what this machine has, or for one of another kind what such machines have at least."""
    here = this_platform()
    if platform == here or (platform[:3] == here[:3] and not platform.startswith("linux")):
        # CONDA_OVERRIDE_CUDA and the like tell of the machines that it is for.
        return list(rattler.VirtualPackage.detect(rattler.VirtualPackageOverrides.from_env()))
    return [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString("0")
        )
        for name, version in virtual_packages(platform).items()
    ]


class _Rattler:
    """One build by py-rattler (0.28), in whose functions nothing blocks: solve, then install."""

    def __init__(self, rattler: Any, spec: EnvironmentSpec, settings: CondaSettings, report: Report) -> None:
        self._rattler = rattler
        self._spec = spec
        self._settings = settings
        self._report = report
        self._channels = list(spec.channels)
        self._client: Any = None

    async def solve(self) -> list[Any]:
        """Solve, or take what the lock names; return the records of the packages."""
        direct = await asyncio.to_thread(direct_hosts, self._urls(), self._settings)
        self._client = make_client(self._rattler, self._settings, direct)
        if self._spec.locked:
            records = [locked_record(self._rattler, each) for each in self._spec.locked]
            text = f"The lock names {len(records)} conda packages"
        else:
            self._report(Progress("environment", f"Solving: {', '.join(match_specs(self._spec))}", 0.05))
            records = await self._solve_somehow()
            text = f"{len(records)} conda packages fit together"
        self._report(Progress("environment", text, DOWNLOAD_FRACTION))
        return records

    def _urls(self) -> list[str]:
        """Return the urls of all that may be asked."""
        named = [text.partition("::")[0] for text in self._spec.conda if "::" in text]
        channels = (*self._channels, *named, DEFAULT_CHANNEL)
        return [*channel_urls(channels, self._settings), *(each.url for each in self._spec.locked)]

    async def _solve_somehow(self) -> list[Any]:
        """Solve; ask conda-forge too when the channels named lack something, and the cache when there is no network."""
        usual = "force-cache-only" if self._settings.offline else "cache-or-fetch"
        try:
            return await self._solve(usual)
        except self._rattler.exceptions.SolverError as error:
            if DEFAULT_CHANNEL in self._channels:
                raise self._unsolvable(error) from error
            reason = error
        except self._rattler.exceptions.GatewayError as error:
            if self._settings.offline:
                raise self._offline(error) from error
            if not _shows(_OFFLINE_SIGNS, error):
                raise self._no_channel(error) from error
            try:
                records = await self._solve("force-cache-only")
            except (self._rattler.exceptions.GatewayError, self._rattler.exceptions.SolverError):
                raise self._offline(error) from error
            self._report(
                Progress("environment", "No network: solved with what the channels said last time", None)
            )
            return records
        self._report(Progress("environment", f"Solving with {DEFAULT_CHANNEL} too", None))
        self._channels.append(DEFAULT_CHANNEL)
        try:
            return await self._solve(usual)
        except self._rattler.exceptions.SolverError as error:
            raise self._unsolvable(error) from error
        except self._rattler.exceptions.GatewayError:
            self._channels.pop()
            raise self._unsolvable(reason) from reason

    async def _solve(self, cache_action: str) -> list[Any]:
        rattler = self._rattler
        gateway = rattler.Gateway(
            default_config=rattler.SourceConfig(cache_action=cache_action), client=self._client
        )
        solving = rattler.solve(
            sources=[rattler.Channel(url) for url in channel_urls(tuple(self._channels), self._settings)],
            specs=[self._match_spec(text) for text in match_specs(self._spec)],
            gateway=gateway,
            platforms=[rattler.Subdir(self._spec.platform), rattler.Subdir("noarch")],
            # Without them every package that depends on __glibc or __cuda is out of the question.
            virtual_packages=_virtual_packages(rattler, self._spec.platform),
            channel_priority=rattler.ChannelPriority.Strict,
        )
        try:
            return list(await asyncio.wait_for(solving, SOLVE_SECONDS))
        except asyncio.TimeoutError as error:
            raise ImJoyError(
                "env.unsolvable",
                f"No set of packages that fits together was found within {SOLVE_SECONDS / 60:g} minutes.",
                why=f"Wanted: {', '.join(match_specs(self._spec))}.",
                fix="Give versions to fewer packages, or to the most important ones alone.",
            ) from error

    def _match_spec(self, text: str) -> Any:
        channel, colons, rest = text.partition("::")
        if colons and "://" not in channel:
            rest = f"{self._settings.url(channel)}::{rest}"
        try:
            return self._rattler.MatchSpec(rest if colons and "://" not in channel else text)
        except self._rattler.exceptions.InvalidMatchSpecError as error:
            raise ImJoyError(
                "env.unsolvable",
                f"conda cannot read {text!r} as a package.",
                why=redact(str(error)),
                fix='Write it as "numpy", "numpy=1.20" or "numpy>=1.20,<2".',
            ) from error

    async def install(self, records: Sequence[Any], prefix: Path, caches: Sequence[Path]) -> None:
        """Download what none of the caches has, into the first one, and link all into ``prefix``."""
        rattler = self._rattler
        # We look ourselves, afterwards, while pip's part is waited for.
        cache = rattler.PackageCache.new_layered(list(caches), validation_mode=rattler.ValidationMode.skip())
        news = _InstallNews(asyncio.get_running_loop(), records, self._report)
        try:
            await asyncio.wait_for(
                rattler.install(
                    records,
                    target_prefix=str(prefix),
                    package_cache=cache,
                    installed_packages=[],
                    platform=rattler.Subdir(self._spec.platform),
                    show_progress=False,
                    reporter=news,
                    client=self._client,
                ),
                BUILD_SECONDS,
            )
        except asyncio.TimeoutError as error:
            raise ImJoyError(
                "env.failed",
                "The packages were not there in time.",
                why=f"It was not done after {BUILD_SECONDS / 60:g} minutes.",
                fix="Look at the network, then load the plugin again: what has come is kept.",
            ) from error
        except (rattler.exceptions.InstallerError, rattler.exceptions.LinkError, OSError) as error:
            raise self._not_installed(error) from error
        finally:
            news.close()

    def _unsolvable(self, error: Exception) -> ImJoyError:
        reasons = redact(str(error)).removeprefix("Cannot solve the request because of:").strip()
        missing = _NO_CANDIDATES.search(reasons)
        channels = " and ".join(map(redact, self._channels))
        if missing:
            version = "" if missing[2] in ("", "*") else f" {missing[2]}"
            return ImJoyError(
                "env.unsolvable",
                f"There is no package {missing[1]}{version} for {self._spec.platform} in {channels}.",
                why=f"Wanted: {', '.join(match_specs(self._spec))}.\n{reasons}",
                fix="Correct the name or the version in the plugin's config, name the channel that has it "
                f'("-c CHANNEL"), or try pip: "pip: {missing[1]}" in "requirements".',
            )
        return ImJoyError(
            "env.unsolvable",
            f"The packages that the plugin asks for do not go together in {channels}.",
            why=f"Wanted: {', '.join(match_specs(self._spec))}.\n{reasons}",
            fix="Give up one of the versions that exclude each other above, then load the plugin again.",
        )

    def _no_channel(self, error: Exception) -> ImJoyError:
        return ImJoyError(
            "env.channel",
            f"A channel cannot be read: {', '.join(map(redact, self._channels))}.",
            why=redact(str(error)),
            fix="Correct the channel's name after \"-c\" in the plugin's config.",
        )

    def _offline(self, error: Exception) -> ImJoyError:
        return ImJoyError(
            "env.offline",
            f"The channels cannot be reached: {', '.join(map(redact, self._channels))}.",
            why=f"Wanted: {', '.join(match_specs(self._spec))}.\n{redact(str(error))}",
            fix="conda is told to stay offline: take `offline: true` out of its .condarc, and load the plugin once."
            if self._settings.offline
            else "Connect to the network (HTTPS_PROXY, channel_alias in ~/.condarc) and load the plugin once; "
            "afterwards it needs none.",
            exit_code=ExitCode.NETWORK_NEEDED,
        )

    def _not_installed(self, error: Exception) -> ImJoyError:
        reasons = redact(str(error))
        if _shows(_CHECKSUM_SIGNS, error):
            return ImJoyError(
                "env.checksum",
                "A package is not what its channel says it is; it was not installed.",
                why=reasons,
                fix="Load the plugin again; if it stays so, the channel or a proxy on the way is at fault.",
                exit_code=ExitCode.CHECKSUM_MISMATCH,
            )
        if _shows(_SPACE_SIGNS, error):
            return ImJoyError(
                "env.failed",
                "There is not enough space for the environment.",
                why=reasons,
                fix="Free some space (`imjoy env gc`), then load the plugin again.",
            )
        if _shows(_OFFLINE_SIGNS, error):
            return self._offline(error)
        return ImJoyError(
            "env.failed",
            "The conda packages could not be installed.",
            why=reasons,
            fix="Load the plugin again; `imjoy logs` has the engine's side of it.",
        )


class _InstallNews:
    """Turns what py-rattler tells, from threads of its own, into progress."""

    def __init__(self, loop: asyncio.AbstractEventLoop, records: Sequence[Any], report: Report) -> None:
        self._loop = loop
        self._names = [record.name.normalized for record in records]
        self._sizes = {record.name.normalized: record.size or 0 for record in records}
        self._report: Report | None = report
        self._lock = threading.Lock()
        self._cached: dict[int, str] = {}
        self._loading: dict[int, str] = {}
        self._loaded: dict[str, int] = {}
        self._linked = 0
        self._furthest = 0.0
        self._last_report = 0.0

    def close(self) -> None:
        """Tell nothing more."""
        self._report = None

    def on_populate_cache_start(self, operation: int, package_name: str) -> int:
        with self._lock:
            number = len(self._cached) + 1
            self._cached[number] = package_name
            return number

    def on_download_start(self, cache_entry: int) -> int:
        with self._lock:
            name = self._cached.get(cache_entry, "")
            self._loading[cache_entry] = name
            self._loaded[name] = 0
        self._tell_download(at_once=True)
        return cache_entry

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        with self._lock:
            self._loaded[self._loading.get(download_idx, "")] = progress
        self._tell_download()

    def on_download_completed(self, download_idx: int) -> None:
        with self._lock:
            name = self._loading.get(download_idx, "")
            self._loaded[name] = self._sizes.get(name, 0)
        self._tell_download(at_once=True)

    def on_link_complete(self, index: int) -> None:
        with self._lock:
            self._linked += 1
            share = LINK_FRACTION + (PIP_FRACTION - LINK_FRACTION) * self._linked / max(len(self._names), 1)
            text = f"Linked {self._linked} of {len(self._names)} packages"
            # Before another thread counts on, or the bar would go back.
            self._tell(Progress("link", text, round(share, 3)))

    def _tell_download(self, at_once: bool = False) -> None:
        with self._lock:
            now = time.monotonic()
            if not at_once and now - self._last_report < REPORT_EVERY_SECONDS:
                return
            self._last_report = now
            done, total = sum(self._loaded.values()), sum(self._sizes.get(name, 0) for name in self._loaded)
            count = len(self._loaded)
            share = DOWNLOAD_FRACTION + (LINK_FRACTION - DOWNLOAD_FRACTION) * min(
                1.0, done / total if total else 0.0
            )
            packages = "1 package" if count == 1 else f"{count} packages"
            text = f"Downloading {packages}: {done / BYTES_PER_MB:.1f} of {total / BYTES_PER_MB:.1f} MB"
            # Downloads and links overlap, and more becomes known of what there is to download; a bar never goes back.
            self._furthest = max(self._furthest, round(share, 3))
            self._tell(Progress("download", text, None if self._linked else self._furthest))

    def _tell(self, progress: Progress) -> None:
        def tell() -> None:
            if self._report is not None:
                self._report(progress)

        try:
            self._loop.call_soon_threadsafe(tell)
        except RuntimeError:
            return  # the loop has closed; nobody is left to be told

    def __getattr__(self, name: str) -> Callable[..., int]:
        """Stand in for the other callbacks, which say nothing that a person waits for."""
        if not name.startswith("on_"):
            raise AttributeError(name)
        return lambda *_: 0


async def _build_with_command(
    prefix: Path, spec: EnvironmentSpec, settings: CondaSettings, environ: Mapping[str, str], report: Report
) -> str:
    """Make the environment with the ``conda`` on PATH; return how its Python was asked for."""
    command = find_conda(environ) or (str(settings.command) if settings.command else None)
    if spec.locked:
        raise ImJoyError(
            "lock.no-rattler",
            "A locked environment is built by py-rattler alone, which checks every SHA-256.",
            why="py-rattler cannot be imported.",
            fix="pip install py-rattler, in the Python that runs imjoy.",
        )
    if command is None:
        raise ImJoyError(
            "env.no-conda",
            "The plugin asks for a conda environment, but nothing on this machine can make one.",
            why="py-rattler cannot be imported, and there is no conda command.",
            fix="pip install py-rattler, in the Python that runs imjoy; or install Miniconda.",
        )
    report(Progress("environment", "Making the environment with conda", 0.05))
    channels = [word for url in channel_urls(spec.channels, settings) for word in ("-c", url)]
    argv = [
        command,
        "create",
        "--yes",
        "--quiet",
        "--override-channels",
        "--strict-channel-priority",
        *channels,
    ]
    argv += ["--prefix", str(prefix), *match_specs(spec)]
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        del lines[:-OUTPUT_LINES]

    variables = build_variables(environ)
    if spec.platform != this_platform():
        # Every conda takes it, where `--platform` is not known to older ones.
        variables["CONDA_SUBDIR"] = spec.platform
    code = await run_guarded(argv, variables, take, seconds=BUILD_SECONDS)
    if code != 0:
        raise ImJoyError(
            "env.failed",
            "conda could not make the environment.",
            why="\n".join(lines),
            fix="Correct the package that conda names above in the plugin's config, then load the plugin again.",
        )
    return match_specs(spec)[0]


def _shows(signs: Sequence[str], error: Exception) -> bool:
    text = str(error)
    return any(sign.lower() in text.lower() for sign in signs)
