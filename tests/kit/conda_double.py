"""A double of the ``conda`` command, for tests: conda's words and files, py-rattler's solver.

It is installed as the package ``conda`` of the kit's channel, so its root is the environment that it lies in. It knows
``-V``, ``info``, ``create`` (specs, ``--file`` with an explicit list, ``--dry-run``), ``install``, ``update``,
``remove``, ``run``, ``list`` and ``env list|remove``, with conda's exit codes; ``info --json`` says ``a_double``.
As conda does since 2025, it refuses Anaconda's default channels, whose terms nobody has accepted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

ROOT = Path(sys.prefix)
OVERRIDE = "--override-channels"
TERMS = (
    "CondaToSNonInteractiveError: Terms of Service have not been accepted for the following channels. "
    "Please accept or remove them before proceeding:"
)


class CondaError(Exception):
    """What conda would say before it ends with 1."""


def version() -> str:
    """Return the version of the package that this is."""
    records = sorted((ROOT / "conda-meta").glob("conda-[0-9]*.json"))
    return str(json.loads(records[-1].read_text())["version"]) if records else "0"


def environments_folder() -> Path:
    """Return where named environments go: the first folder that can be written to, as conda has it."""
    named = os.environ.get("CONDA_ENVS_PATH") or os.environ.get("CONDA_ENVS_DIRS")
    folders = [Path(each) for each in (named or "").split(os.pathsep) if each]
    folders += [ROOT / "envs", Path.home() / ".conda" / "envs"]
    for folder in folders:
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if os.access(nearest, os.W_OK):
            return folder
    raise CondaError(f"NoWritableEnvsDirError: {folders}")


def packages_folder() -> Path:
    """Return the package cache."""
    named = os.environ.get("CONDA_PKGS_DIRS", "").split(os.pathsep)[0]
    if named:
        return Path(named)
    own = ROOT / "pkgs"
    return own if os.access(ROOT, os.W_OK) else Path.home() / ".conda" / "pkgs"


def registry() -> Path:
    """Return the file in which conda writes down every environment that it makes."""
    return Path.home() / ".conda" / "environments.txt"


def environments() -> list[Path]:
    """Return the root, the named environments and the registered ones."""
    found = [ROOT]
    if environments_folder().is_dir():
        found += sorted(environments_folder().iterdir())
    if registry().is_file():
        found += [Path(line) for line in registry().read_text().splitlines() if line]
    return list(dict.fromkeys(each for each in found if (each / "conda-meta").is_dir()))


def prefix_of(options: argparse.Namespace) -> Path:
    """Return the environment that the words name; the active one, else the root, when they name none."""
    if options.prefix:
        return Path(options.prefix).absolute()
    if options.name in ("base", "root"):
        return ROOT
    if options.name:
        return environments_folder() / options.name
    return Path(os.environ.get("CONDA_PREFIX") or ROOT)


def existing(prefix: Path) -> Path:
    """Return an environment; raise as conda does when it is none."""
    if not (prefix / "conda-meta").is_dir():
        raise CondaError(f"EnvironmentLocationNotFound: Not a conda environment: {prefix}")
    return prefix


def channel_urls(options: argparse.Namespace) -> list[str]:
    """Return the channels, none of them a default one."""
    if not options.override_channels:
        raise CondaError(f"{TERMS}\n    - https://repo.anaconda.com/pkgs/main")
    if not options.channel:
        raise CondaError(
            f"ArgumentError: At least one -c / --channel flag must be supplied when using {OVERRIDE}."
        )
    alias = os.environ.get("CONDA_CHANNEL_ALIAS", "https://conda.anaconda.org").rstrip("/")
    return [each if "://" in each else f"{alias}/{each}" for each in options.channel]


async def solved(options: argparse.Namespace, specs: Sequence[str], installed: Sequence[Any]) -> list[Any]:
    """Return the records that conda would install."""
    import rattler
    import rattler.exceptions

    action: Any = "force-cache-only" if options.offline else "cache-or-fetch"
    gateway = rattler.Gateway(
        cache_dir=packages_folder() / "cache", default_config=rattler.SourceConfig(cache_action=action)
    )
    platform = os.environ.get("CONDA_SUBDIR", str(rattler.Subdir.current()))
    try:
        return list(
            await rattler.solve(
                sources=[rattler.Channel(url) for url in channel_urls(options)],
                specs=[rattler.MatchSpec(spec) for spec in specs],
                gateway=gateway,
                platforms=[rattler.Subdir(platform), rattler.Subdir("noarch")],  # type: ignore[arg-type]
                locked_packages=list(installed),
                virtual_packages=rattler.VirtualPackage.detect(),
            )
        )
    except rattler.exceptions.GatewayError as error:
        raise CondaError(f"CondaHTTPError: HTTP 000 CONNECTION FAILED\n{error}") from error
    except rattler.exceptions.SolverError as error:
        raise CondaError(f"PackagesNotFoundError or LibMambaUnsatisfiableError:\n{error}") from error


def explicit(file: Path) -> list[Any]:
    """Return the records of an explicit list: a url a line, with ``#md5`` or ``#sha256:…`` to check it against."""
    import rattler
    import rattler.exceptions

    records = []
    for line in file.read_text().splitlines():
        url, _, digest = line.strip().partition("#")
        if not url or url == "@EXPLICIT":
            continue
        base, _, archive = url.rpartition("/")
        channel, _, subdir = base.rpartition("/")
        stem = archive.removesuffix(".conda").removesuffix(".tar.bz2")
        name, number, build = stem.rsplit("-", 2)
        kind, _, value = digest.rpartition(":")
        # conda reads it from the package; its build string tells as much.
        noarch = ("python" if build.startswith("py") else "generic") if subdir == "noarch" else None
        record = rattler.PackageRecord(
            name,
            number,
            rattler.BuildString(build),
            0,
            subdir,
            noarch=noarch,  # type: ignore[arg-type]
            md5=bytes.fromhex(value) if value and not kind else None,
            sha256=bytes.fromhex(value) if kind == "sha256" else None,
        )
        records.append(rattler.RepoDataRecord(record, archive, url, channel))
    return records


async def link(records: list[Any], prefix: Path, anew: Sequence[str] = ()) -> None:
    """Make the prefix hold these packages, from the cache where they are there; those named ``anew`` in any case."""
    import rattler
    import rattler.exceptions

    cache = rattler.PackageCache.new_layered(
        [packages_folder()], validation_mode=rattler.ValidationMode.fast()
    )
    try:
        await rattler.install(
            records,
            target_prefix=str(prefix),
            package_cache=cache,
            reinstall_packages=set(anew),
            show_progress=False,
        )
    except Exception as error:
        raise CondaError(f"CondaError: {error}") from error
    (prefix / "CACHEDIR.TAG").unlink(missing_ok=True)  # conda writes none


def records_of(prefix: Path) -> list[dict[str, Any]]:
    """Return what ``conda-meta`` says of each package, by name."""
    metas = [json.loads(each.read_text()) for each in (prefix / "conda-meta").glob("*.json")]
    return sorted(metas, key=lambda meta: str(meta["name"]))


def wanted(options: argparse.Namespace) -> tuple[list[str], Path | None]:
    """Return the specs, of files too, and the explicit list where one is given."""
    specs = list(options.specs)
    for name in options.file:
        file = Path(name)
        if not file.is_file():
            raise CondaError(f"CondaFileIOError: '{name}'. [Errno 2] No such file or directory: '{name}'")
        lines = [line.strip() for line in file.read_text().splitlines()]
        if "@EXPLICIT" in lines:
            return [], file
        specs += [line for line in lines if line and not line.startswith("#")]
    return specs, None


def create(options: argparse.Namespace) -> int:
    """Make an environment anew."""
    if not (options.name or options.prefix):
        raise CondaError("ArgumentError: one of the arguments -n/--name -p/--prefix is required")
    prefix = prefix_of(options)
    specs, file = wanted(options)
    channel_urls(options)
    if (prefix / "conda-meta").is_dir() and not options.dry_run:
        if not options.yes:
            raise CondaError(f"CondaValueError: prefix already exists: {prefix}")
        shutil.rmtree(prefix)
    elif prefix.exists() and any(prefix.iterdir()) and not options.dry_run and not options.yes:
        raise CondaError(
            f"CondaValueError: The target prefix is a directory that is not an environment: {prefix}"
        )
    records = explicit(file) if file else asyncio.run(solved(options, specs, [])) if specs else []
    if options.dry_run:
        tell_actions(records, prefix)
        return 0
    (prefix / "conda-meta").mkdir(parents=True, exist_ok=True)
    (prefix / "conda-meta" / "history").touch()
    if records:
        asyncio.run(link(records, prefix))
    known = registry().read_text().splitlines() if registry().is_file() else []
    if str(prefix) not in known:
        registry().parent.mkdir(parents=True, exist_ok=True)
        registry().write_text("".join(f"{line}\n" for line in [*known, str(prefix)]))
    if options.json:
        print(json.dumps({"success": True, "prefix": str(prefix)}))
    elif not options.quiet:
        print(f"#\n# To activate this environment, use\n#\n#     $ conda activate {options.name or prefix}")
    return 0


def tell_actions(records: Sequence[Any], prefix: Path) -> None:
    """Print what would be done, as ``--dry-run --json`` does."""
    fetch, linked = [], []
    for record in records:
        document = json.loads(record.to_json())
        channel, _, subdir = record.url.rpartition("/")[0].rpartition("/")
        base = {
            **{"base_url": channel, "channel": channel.rpartition("/")[2], "platform": subdir},
            **{"name": document["name"], "version": document["version"]},
            **{"build_number": document["build_number"], "build_string": document["build"]},
            "dist_name": f"{document['name']}-{document['version']}-{document['build']}",
        }
        linked.append(base)
        fetch.append(
            {**document, "channel": channel, "subdir": subdir, "url": record.url, "fn": record.file_name}
        )
    actions = {"FETCH": fetch, "LINK": linked, "PREFIX": str(prefix)}
    print(json.dumps({"actions": actions, "dry_run": True, "prefix": str(prefix), "success": True}))


def install(options: argparse.Namespace) -> int:
    """Add packages to an environment, or bring those that are named up to date."""
    import rattler
    import rattler.exceptions

    prefix = existing(prefix_of(options))
    specs, file = wanted(options)
    channel_urls(options)
    installed = [rattler.PrefixRecord.from_path(each) for each in (prefix / "conda-meta").glob("*.json")]
    if file:
        new = explicit(file)
        names = {each.name.normalized for each in new}
        records = [*new, *(each for each in installed if each.name.normalized not in names)]
    else:
        moved = {rattler.MatchSpec(each).name.normalized for each in specs if options.command == "update"}
        locked = [each for each in installed if each.name.normalized not in moved]
        kept = [each.name.normalized for each in installed]
        records = asyncio.run(
            solved(options, [*specs, *(each for each in kept if each not in moved)], locked)
        )
    if options.dry_run:
        there = {archive_of(each) for each in installed}
        tell_actions([each for each in records if archive_of(each) not in there], prefix)
        return 0
    if options.download_only:
        # py-rattler fetches what it links, so this links it where nobody looks, and the rest is said to be there.
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(prefix / "conda-meta", Path(folder, "conda-meta"))
            asyncio.run(link(records, Path(folder)))
        return 0
    anew = [rattler.MatchSpec(each).name.normalized for each in specs] if options.force_reinstall else []
    asyncio.run(link(records, prefix, anew))
    return 0


def archive_of(record: Any) -> tuple[str, str, str]:
    """Return what makes a package the same as an installed one, wherever that came from."""
    return record.name.normalized, str(record.version), record.build


def remove(options: argparse.Namespace) -> int:
    """Remove a whole environment."""
    prefix = prefix_of(options)
    if prefix == ROOT:
        raise CondaError("CondaEnvironmentError: cannot remove root environment")
    existing(prefix)
    if not options.all:
        raise CondaError("the double of conda removes whole environments only: --all")
    shutil.rmtree(prefix)
    if registry().is_file():
        lines = [line for line in registry().read_text().splitlines() if line != str(prefix)]
        registry().write_text("".join(f"{line}\n" for line in lines))
    return 0


def run(options: argparse.Namespace) -> int:
    """Run a command with an environment's commands first on PATH; return its exit code."""
    prefix = existing(prefix_of(options))
    environ = {
        **os.environ,
        "CONDA_PREFIX": str(prefix),
        "CONDA_DEFAULT_ENV": options.name or str(prefix),
        "PATH": f"{prefix / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    program = shutil.which(options.specs[0], path=environ["PATH"]) or options.specs[0]
    words = [program, *options.specs[1:]]
    sys.stdout.flush()
    if options.no_capture_output:
        return subprocess.call(words, env=environ, cwd=options.cwd)
    # conda holds back what the command prints until it has ended, and gives it no terminal.
    done = subprocess.run(words, env=environ, cwd=options.cwd, capture_output=True, check=False)
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return done.returncode


def list_packages(options: argparse.Namespace) -> int:
    """Print what an environment has, pip's packages too."""
    prefix = existing(prefix_of(options))
    records = records_of(prefix)
    if options.explicit:
        marks = ("md5", "") if options.md5 else ("sha256", "sha256:")
        lines = [f"{each['url']}#{marks[1]}{each[marks[0]]}" for each in records]
        print("\n".join(["# This file may be used to create an environment", "@EXPLICIT", *lines]))
        return 0
    known = {str(each["name"]).lower().replace("_", "-") for each in records}
    sites = [str(each) for each in prefix.glob("lib/python3*/site-packages")]
    for each in distributions(path=sites):
        name = str(each.metadata["Name"])
        if name.lower().replace("_", "-") not in known:
            records.append(
                {"name": name.lower(), "version": each.version, "build": "pypi_0", "channel": "pypi"}
            )
    rows = [
        {
            "name": each["name"],
            "version": each["version"],
            "build_string": each["build"],
            "channel": str(each["channel"]).rstrip("/").rpartition("/")[2],
        }
        for each in sorted(records, key=lambda each: str(each["name"]))
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print(f"# packages in environment at {prefix}:\n#")
        for row in rows:
            print("  ".join(str(value) for value in row.values()))
    return 0


def info(options: argparse.Namespace) -> int:
    """Print what this conda is, and where it keeps things."""
    envs = [str(each) for each in environments()]
    if options.command == "env" or options.envs:
        if options.json:
            print(json.dumps({"envs": envs}))
        else:
            print("# conda environments:\n#")
            print(
                "\n".join(f"{'base' if each == str(ROOT) else Path(each).name:<20} {each}" for each in envs)
            )
        return 0
    alias = os.environ.get("CONDA_CHANNEL_ALIAS", "https://conda.anaconda.org")
    document = {
        **{"a_double": True, "conda_version": version(), "root_prefix": str(ROOT), "conda_prefix": str(ROOT)},
        **{"root_writable": os.access(ROOT, os.W_OK), "envs": envs, "channel_alias": alias},
        **{"default_prefix": os.environ.get("CONDA_PREFIX", str(ROOT)), "platform": platform()},
        "active_prefix": os.environ.get("CONDA_PREFIX"),
        "envs_dirs": [str(environments_folder())],
        "pkgs_dirs": [str(packages_folder())],
        "python_version": ".".join(map(str, sys.version_info[:3])),
        "channels": ["https://repo.anaconda.com/pkgs/main"],
    }
    print(json.dumps(document, indent=2) if options.json else f"a double of conda {version()}, in {ROOT}")
    return 0


def platform() -> str:
    """Return the platform that is solved for."""
    import rattler
    import rattler.exceptions

    return os.environ.get("CONDA_SUBDIR", str(rattler.Subdir.current()))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="conda", allow_abbrev=False, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    parser.add_argument("-V", "--version", action="version", version=f"conda {version()}")
    actions = {
        **{"create": create, "install": install, "update": install, "remove": remove},
        **{"run": run, "list": list_packages, "info": info, "env": info},
    }
    for name, action in actions.items():
        each = commands.add_parser(name, allow_abbrev=False)
        each.set_defaults(action=action)
        if name == "env":
            each.add_argument("what", choices=["list", "remove"])
        target = each.add_mutually_exclusive_group()
        target.add_argument("-n", "--name")
        target.add_argument("-p", "--prefix")
        for flag in (
            "--json",
            "--dry-run",
            "--download-only",
            "--offline",
            "--override-channels",
            "--md5",
            "--explicit",
            "--all",
        ):
            each.add_argument(flag, action="store_true")
        for flag in (
            *("--no-default-packages", "--strict-channel-priority", "--envs", "--no-deps", "--no-pin"),
            "--force-reinstall",
        ):
            each.add_argument(flag, action="store_true")
        each.add_argument("-y", "--yes", action="store_true")
        each.add_argument("-q", "--quiet", action="store_true")
        each.add_argument("-c", "--channel", action="append", default=[])
        each.add_argument("--file", action="append", default=[])
        if name == "run":
            each.add_argument("--no-capture-output", "--live-stream", action="store_true")
            each.add_argument("--cwd")
            each.add_argument("specs", nargs=argparse.REMAINDER)
        else:
            each.add_argument("specs", nargs="*")
    return parser


def main() -> int:
    """Do what the words say; return conda's exit code."""
    options, more = parser().parse_known_args()
    unknown = [word for word in more if word.startswith("-")]
    if unknown:
        sys.stderr.write(f"the double of conda does not know: {' '.join(unknown)}\n")
        return 2
    options.specs += more
    if options.command == "env" and options.what == "remove":
        options.action, options.all = remove, True
    try:
        code = int(options.action(options))
    except CondaError as error:
        code = 1
        if options.json:
            print(
                json.dumps(
                    {"error": str(error), "success": False, "exception_name": str(error).split(":")[0]}
                )
            )
        else:
            sys.stderr.write(f"\n{error}\n\n")
    sys.stdout.flush()
    # The threads of py-rattler may touch the interpreter while it ends, which is a segmentation fault at times.
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
