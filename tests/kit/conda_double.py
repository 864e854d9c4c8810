"""A double of the ``conda`` command, for tests: conda's words and files, py-rattler's solver.

It is installed as the package ``conda`` of the kit's channel, so its root is the environment that it lies in, and its
version that of its record there. It knows ``-V``, ``info``, ``config --show``, ``create`` (specs, ``--file`` with an
explicit list, ``--dry-run``), ``install``, ``update``, ``remove``, ``run``, ``list``, ``env list|create|remove``,
``init``, ``shell.NAME hook|activate`` and ``activate``, with conda's exit codes; ``info --json`` says ``a_double``. As
conda does since 2025, it refuses Anaconda's default channels, whose terms nobody has accepted.

It was compared with the real conda, run from its sources (tags 4.3.30 and 4.8.3 on Python 2.7.18; 4.8.3, 4.10.3 and
4.14.0 on 3.7.16; 26.7.1 on 3.12.1 with the classic solver, against the kit's channel): what ``-V`` and ``info
--json`` write, to which stream and with which exit code, also with a ``.condarc`` that is no YAML; what ``config
--show --json`` answers; ``update`` with a version; ``CONDA_PINNED_PACKAGES``. And 26.7.1 with conda-rattler-solver
0.1.0 on py-rattler 0.23: an environment made, listed, updated, added to, and removed; one of an explicit list with
``file://`` urls, which has the channel ``<unknown>``, and of which it installs nothing more once these files are
gone, where the classic solver does; a whole ``imjoy install --distribution existing``, doctor and uninstall with
either solver. They differ in that (the double does as the rattler solver), and in that the rattler solver puts no pip
beside a Python. By their sources: two digits of a version before 4.11 (``get_major_minor_version``), what ``init``
does to a ``.bashrc``, ``environments.txt`` since 4.4. Not compared: Windows, and the words of errors beyond their
first line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
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


NEEDED = ("certifi", "idna", "packaging", "py-rattler", "requests", "urllib3")
"""What conda itself runs on: in other versions than it came with, `conda create` ends in a TypeError."""
BLOCK = """\
# >>> conda initialize >>>
# !! Contents within this block are managed by 'conda init' !!
__conda_setup="$('{root}/bin/conda' 'shell.{shell}' 'hook' 2> /dev/null)"
if [ $? -eq 0 ]; then
    eval "$__conda_setup"
else
    if [ -f "{root}/etc/profile.d/conda.sh" ]; then
        . "{root}/etc/profile.d/conda.sh"
    else
        export PATH="{root}/bin:$PATH"
    fi
fi
unset __conda_setup
# <<< conda initialize <<<
"""
FISH_BLOCK = """\
# >>> conda initialize >>>
# !! Contents within this block are managed by 'conda init' !!
if test -f {root}/bin/conda
    eval {root}/bin/conda "shell.fish" "hook" $argv | source
end
# <<< conda initialize <<<
"""
HOOK = """\
export CONDA_EXE='{root}/bin/conda'
conda() {{
    case "$1" in
    activate | deactivate) eval "$('{root}/bin/conda' shell.posix "$@")" ;;
    *) '{root}/bin/conda' "$@" ;;
    esac
}}
"""
"""What ``etc/profile.d/conda.sh`` holds too."""


FIRST_WITH_RATTLER = (26,)


class CondaError(Exception):
    """What conda would say before it ends with 1."""


class BrokenSettings(Exception):
    """A file of settings that is no YAML."""


def numbers() -> tuple[int, ...]:
    """Return the version as numbers."""
    return tuple(int(part) for part in version().split(".") if part.isdigit())


def on_python_2() -> bool:
    """Whether the real one of this version is taken for one on Python 2.7."""
    return numbers() < (4, 9)


def settings() -> dict[str, Any]:
    """Return what the files of settings say, the person's before the root's. Raises BrokenSettings."""
    import yaml

    files = [ROOT / ".condarc", Path.home() / ".conda" / ".condarc", Path.home() / ".condarc"]
    files += [Path(named)] if (named := os.environ.get("CONDARC")) else []
    merged: dict[str, Any] = {}
    for file in files:
        try:
            document = yaml.safe_load(file.read_text()) if file.is_file() else None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else 1
            raise BrokenSettings(f'while parsing\n  in "{file}", line {line}, column 1') from error
        for name, value in (document or {}).items():
            if isinstance(value, dict):
                merged[name] = {**merged.get(name, {}), **value}
            elif isinstance(value, list):
                merged[name] = [*value, *merged.get(name, [])]
            else:
                merged[name] = value
    return merged


def check_base() -> None:
    """End as conda does when what it runs on is not what it came with."""
    for name in NEEDED:
        recorded = [
            json.loads(each.read_text())["version"]
            for each in (ROOT / "conda-meta").glob(f"{name}-[0-9]*.json")
        ]
        found = [each.version for each in distributions(name=name, path=[str(Path(__file__).parent)])]
        if recorded and recorded != found:
            raise TypeError(
                f"install() got an unexpected keyword argument: {name} is {found}, not {recorded}"
            )


def version() -> str:
    """Return the version of the package that this is."""
    records = sorted((ROOT / "conda-meta").glob("conda-[0-9]*.json"))
    return str(json.loads(records[-1].read_text())["version"]) if records else "0"


def environments_folders() -> list[Path]:
    """Return where named environments may go, in conda's order."""
    named = os.environ.get("CONDA_ENVS_PATH") or os.environ.get("CONDA_ENVS_DIRS")
    folders = [Path(each) for each in (named or "").split(os.pathsep) if each]
    return [
        *folders,
        *map(Path, settings().get("envs_dirs", [])),
        ROOT / "envs",
        Path.home() / ".conda" / "envs",
    ]


def environments_folder() -> Path:
    """Return the first of them that can be written to, as conda has it."""
    for folder in environments_folders():
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if os.access(nearest, os.W_OK):
            return folder
    raise CondaError(f"NoWritableEnvsDirError: {environments_folders()}")


def packages_folders() -> list[Path]:
    """Return the package caches, in conda's order."""
    separator = os.pathsep if sys.platform == "win32" else ","
    named = [each for each in os.environ.get("CONDA_PKGS_DIRS", "").split(separator) if each]
    folders = [
        Path(os.path.expandvars(each)).expanduser() for each in (*named, *settings().get("pkgs_dirs", []))
    ]
    return folders or [ROOT / "pkgs", Path.home() / ".conda" / "pkgs"]


def packages_folder() -> Path:
    """Return the first cache that can be written to."""
    for folder in packages_folders():
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if os.access(nearest, os.W_OK):
            return folder
    raise CondaError(f"NoWritablePkgsDirError: {packages_folders()}")


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
        return environments_folder() / str(options.name)
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
    custom = settings().get("custom_channels", {})
    return [
        each if "://" in each else f"{str(custom.get(each, channel_alias())).rstrip('/')}/{each}"
        for each in options.channel
    ]


def channel_alias() -> str:
    """Return where channels are."""
    known = os.environ.get("CONDA_CHANNEL_ALIAS") or settings().get("channel_alias")
    return str(known or "https://conda.anaconda.org").rstrip("/")


async def solved(options: argparse.Namespace, specs: Sequence[str], installed: Sequence[Any]) -> list[Any]:
    """Return the records that conda would install."""
    import rattler
    import rattler.exceptions

    offline = options.offline or settings().get("offline")
    action: Any = "force-cache-only" if offline else "cache-or-fetch"
    pinned = [each for each in os.environ.get("CONDA_PINNED_PACKAGES", "").split("&") if each]
    pinned += settings().get("pinned_packages", [])
    names = {rattler.MatchSpec(each).name.normalized for each in specs}
    specs = [*specs, *(each for each in pinned if rattler.MatchSpec(each).name.normalized in names)]
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
                platforms=[rattler.Subdir(platform), rattler.Subdir("noarch")],
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
        if archive.endswith(".conda") and numbers() < (4, 7):
            raise CondaError(f"CondaValueError: could not parse '{archive}' in: {file}")
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
    for file in (prefix / "conda-meta").glob("*.json"):
        meta = json.loads(file.read_text())
        if str(meta["url"]).startswith("file:"):
            meta["channel"] = "<unknown>"
        if numbers() < (4, 11) and meta.get("noarch") == "python":
            meta["files"] = [two_digits(prefix, each) for each in meta["files"]]
        # It may be a hard link into the cache of another environment.
        file.unlink()
        file.write_text(json.dumps(meta))


def two_digits(prefix: Path, file: str) -> str:
    """Move a file of a noarch package to where two digits of Python's version lead; return where that is."""
    moved = re.sub(r"^lib/python3\.1\d/", "lib/python3.1/", file)
    if moved != file and (prefix / file).exists():
        (prefix / moved).parent.mkdir(parents=True, exist_ok=True)
        (prefix / file).rename(prefix / moved)
    return moved


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
    check_base()
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
    if str(prefix) not in known and numbers() >= (4, 4):
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

    check_base()
    prefix = existing(prefix_of(options))
    specs, file = wanted(options)
    channel_urls(options)
    if options.command == "update":
        for each in specs:
            if re.search(r"[=<>!\[ ]", each):
                raise CondaError(
                    f"CondaUpdatePackageError: `conda update` only supports name-only spec, but received: {each}\n"
                    "Use `conda install` to install a specific version of a package."
                )
    installed = [rattler.PrefixRecord.from_path(each) for each in (prefix / "conda-meta").glob("*.json")]
    for known in installed:
        # The rattler solver takes what has no channel for something that has to be linked again.
        place = Path(known.url.removeprefix("file://"))
        if known.channel == "<unknown>" and not place.exists() and numbers() >= FIRST_WITH_RATTLER:
            raise CondaError(f"PathNotFoundError: {place}")
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
    python = "2.7.18" if on_python_2() else ".".join(map(str, sys.version_info[:3]))
    document = {
        **{"a_double": True, "conda_version": version(), "root_prefix": str(ROOT), "conda_prefix": str(ROOT)},
        **{"root_writable": os.access(ROOT, os.W_OK), "envs": envs},
        **{"default_prefix": os.environ.get("CONDA_PREFIX", str(ROOT)), "platform": platform()},
        "active_prefix": os.environ.get("CONDA_PREFIX"),
        "envs_dirs": list(map(str, environments_folders())),
        "pkgs_dirs": list(map(str, packages_folders())),
        "python_version": f"{python}.final.0",
        "channels": ["https://repo.anaconda.com/pkgs/main"],
    }
    print(json.dumps(document, indent=2) if options.json else f"a double of conda {version()}, in {ROOT}")
    return 0


def config(options: argparse.Namespace) -> int:
    """Print settings, as ``config --show`` does; before 4.4 it takes no names."""
    if options.specs and numbers() < (4, 4):
        sys.stderr.write(f"conda: error: unrecognized arguments: {' '.join(options.specs)}\n")
        return 2

    def channel(url: object, name: str) -> dict[str, object]:
        scheme, _, location = str(url).rpartition("://")
        return {
            **{"auth": None, "location": location, "name": name, "package_filename": None, "platform": None},
            **{"scheme": scheme or "https", "token": None},
        }

    said = settings()
    shown: dict[str, object] = {
        "channel_alias": channel(channel_alias(), ""),
        "custom_channels": {
            name: channel(url, name)
            for name, url in {
                "pkgs/main": "https://repo.anaconda.com",
                **said.get("custom_channels", {}),
            }.items()
        },
        "proxy_servers": said.get("proxy_servers", {}),
        "ssl_verify": said.get("ssl_verify", True),
        "offline": bool(said.get("offline", False)),
        "pkgs_dirs": list(map(str, packages_folders())),
        "envs_dirs": list(map(str, environments_folders())),
    }
    shown = {name: value for name, value in shown.items() if not options.specs or name in options.specs}
    print(json.dumps(shown, indent=2))
    return 0


def init(options: argparse.Namespace) -> int:
    """Write conda's block into the start-up file of each shell; what loads conda otherwise is commented out there."""
    files = {"bash": ".bashrc", "zsh": ".zshrc", "fish": ".config/fish/config.fish"}
    for shell in options.specs or ["bash"]:
        file = Path.home() / files[shell]
        text = file.read_text() if file.exists() else ""
        text = re.sub(
            r"^[ \t]*[^#\n]?[ \t]*((?:source|\.) .*etc/profile\.d/conda\.sh.*?)$",
            r"# \1  # commented out by conda initialize",
            text,
            flags=re.MULTILINE,
        )
        block = (FISH_BLOCK if shell == "fish" else BLOCK).format(root=ROOT, shell=shell)
        there = r"^# >>> conda initialize >>>$.*?^# <<< conda initialize <<<$\n?"
        if re.search(there, text, re.MULTILINE | re.DOTALL):
            text = re.sub(there, block.replace("\\", "\\\\"), text, flags=re.MULTILINE | re.DOTALL)
        else:
            text = f"{text.rstrip()}\n\n{block}\n" if text.strip() else f"\n{block}\n"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        print(
            f"modified      {file}\n\n==> For changes to take effect, close and re-open your current shell. <=="
        )
    return 0


def shell_words(words: Sequence[str]) -> int:
    """Print what a shell evaluates: the function ``conda``, or what activating changes."""
    if words[0] == "hook":
        print(HOOK.format(root=ROOT) + "conda activate base")
    elif words[0] == "activate":
        name = words[1] if len(words) > 1 else "base"
        prefix = ROOT if name == "base" else Path(name) if "/" in name else environments_folder() / name
        existing(prefix)
        print(f"PATH='{prefix}/bin':\"$PATH\"\nexport PATH\nexport CONDA_PREFIX='{prefix}'")
        print(f"export CONDA_DEFAULT_ENV='{name}'\nexport CONDA_SHLVL=1")
    else:
        print("unset CONDA_PREFIX CONDA_DEFAULT_ENV\nexport CONDA_SHLVL=0")
    return 0


def activate(options: argparse.Namespace) -> int:
    """Say what the command itself cannot do."""
    raise CondaError("CondaError: Run 'conda init' before 'conda activate'")


def create_from_file(options: argparse.Namespace) -> int:
    """Make an environment of an ``environment.yml``."""
    import yaml

    document = yaml.safe_load(Path(options.file[0]).read_text())
    options.name = options.name or (None if options.prefix else document["name"])
    options.specs = [each for each in document["dependencies"] if isinstance(each, str)]
    options.channel = [*options.channel, *document.get("channels", [])]
    options.file, options.override_channels = [], True
    return create(options)


def platform() -> str:
    """Return the platform that is solved for."""
    import rattler
    import rattler.exceptions

    return os.environ.get("CONDA_SUBDIR", str(rattler.Subdir.current()))


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="conda", allow_abbrev=False, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    actions = {
        **{"create": create, "install": install, "update": install, "remove": remove},
        **{"run": run, "list": list_packages, "info": info, "env": info, "config": config},
        **{"init": init, "activate": activate},
    }
    if numbers() < (4, 6):
        del actions["init"]
    for name, action in actions.items():
        each = commands.add_parser(name, allow_abbrev=False)
        each.set_defaults(action=action)
        if name == "env":
            each.add_argument("what", choices=["list", "create", "remove"])
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
            *("--force-reinstall", "--show"),
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
    words = sys.argv[1:]
    if words in (["-V"], ["--version"]):
        if numbers() < (4, 4):
            settings()
        # Python 2.7's argparse writes it there.
        print(f"conda {version()}", file=sys.stderr if on_python_2() else sys.stdout)
        return 0
    if words[:1] and words[0].startswith("shell."):
        return shell_words(words[1:])
    options, more = parser().parse_known_args()
    unknown = [word for word in more if word.startswith("-")]
    if unknown:
        sys.stderr.write(f"the double of conda does not know: {' '.join(unknown)}\n")
        return 2
    options.specs += more
    if options.command == "env" and options.what == "remove":
        options.action, options.all = remove, True
    if options.command == "env" and options.what == "create":
        options.action = create_from_file
    try:
        code = int(options.action(options))
    except CondaError as error:
        code = 1
        if options.json:
            name = str(error).split(":")[0]
            print(json.dumps({"error": str(error), "success": False, "exception_name": name}))
        else:
            sys.stderr.write(f"\n{error}\n\n")
    return code


def tell_broken(error: BrokenSettings) -> int:
    """Say what conda says of settings that it cannot read: a document, nothing at all, or a traceback."""
    if numbers() >= (22,):
        document = {
            **{"error": "ParserError('while parsing a flow sequence')", "exception_name": "ParserError"},
            "traceback": f"Traceback (most recent call last):\n{error}\n",
        }
        print(json.dumps(document, indent=2), file=sys.stdout if "--json" in sys.argv else sys.stderr)
    elif numbers() < (4, 4):
        sys.stderr.write(f"Traceback (most recent call last):\nruamel.yaml.parser.ParserError: {error}\n")
    return 1


def end() -> None:
    """End with conda's exit code."""
    try:
        code = main()
    except BrokenSettings as error:
        code = tell_broken(error)
    except TypeError:
        traceback.print_exc()
        code = 1
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    # The threads of py-rattler may touch the interpreter while it ends, which is a segmentation fault at times.
    os._exit(code)


if __name__ == "__main__":
    end()
