"""Fetches the packages of a lock, and links them into an environment: the two steps of a process of their own.

Standard library alone, from Python 3.9 on; linking needs py-rattler besides, which a folder beside it holds. Whoever
makes an environment writes down what is to be done (:class:`Work`), and reads how it went from a file, too.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imjoy.effects.network.download import download, file_sha256
from imjoy.model.errors import ExitCode, ImJoyError

HASH_FIX = "try again; if it stays so, a proxy or the mirror on the way is at fault"
AT_ONCE = 4
"""More than that at a time, and servers take it amiss."""
FULL_SIGNS = ("No space left on device", "os error 28", "Disk quota exceeded", "WinError 112")
RECORDED = (
    *("arch", "build", "build_number", "constrains", "depends", "features", "license", "license_family"),
    *("noarch", "platform", "subdir", "timestamp", "track_features", "python_site_packages_path"),
)
"""What a package tells of itself, and conda keeps in ``conda-meta``."""


@dataclass(frozen=True)
class Package:
    """A package of a lock. It is asked for at each of ``urls`` in turn; the one that had it is recorded."""

    name: str
    version: str
    urls: tuple[str, ...]
    sha256: str
    md5: str
    depends: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Return the name of its file."""
        return self.urls[0].rpartition("/")[2]

    @property
    def stem(self) -> str:
        """Return its name, version and build, as conda joins them."""
        return self.file.replace(".tar.bz2", "").replace(".conda", "")

    @property
    def subdir(self) -> str:
        """Return the platform that it is for."""
        return self.urls[0].rpartition("/")[0].rpartition("/")[2]


@dataclass(frozen=True)
class Work:
    """What is to be done. ``folders`` may hold packages already, the first is where new ones go; offline none come.

    ``offline`` is the folder that has to hold them all then, or empty. With ``old_names`` the conda knows ``.tar.bz2``
    alone, and would overlook a record that names another file. ``specs`` are what conda is told was asked for.
    """

    target: str
    platform: str
    packages: tuple[Package, ...]
    folders: tuple[str, ...]
    stage: str
    offline: str
    connect: bool
    verify: bool
    specs: tuple[str, ...]
    conda_version: str
    old_names: bool

    def write(self, file: Path) -> None:
        """Write it down. Raises ``OSError``."""
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Work:
        """Return what was written down."""
        values = json.loads(file.read_text(encoding="utf-8"))
        packages = [
            Package(**{**each, "urls": tuple(each["urls"]), "depends": tuple(each["depends"])})
            for each in values["packages"]
        ]
        names = ("folders", "specs")
        return cls(**{**values, "packages": tuple(packages), **{name: tuple(values[name]) for name in names}})


def main(arguments: Sequence[str]) -> int:
    """Do ``fetch WORK`` or ``link WORK``; what went wrong is in ``WORK.error`` afterwards, and is printed."""
    verb, file = arguments[0], Path(arguments[1])
    error_file = file.with_suffix(".error")
    try:
        work = Work.read(file)
        if verb == "fetch":
            fetch(work, file.with_suffix(".found"))
        else:
            link(work, json.loads(file.with_suffix(".found").read_text(encoding="utf-8")))
    except ImJoyError as error:
        if any(sign in error.why for sign in FULL_SIGNS):
            # Who runs this step knows what a full disk means, and how much is needed.
            print(error.why, file=sys.stderr)  # noqa: T201
            return 1
        error_file.write_text(json.dumps(error.as_json()), encoding="utf-8")
        print(f"{error.what}\n{error.why}", file=sys.stderr)  # noqa: T201 - into the log of the install
        return 1
    return 0


def fetch(work: Work, found: Path) -> None:
    """Have every package on this disk, its SHA-256 right, and write where and from which url into ``found``.

    Raises :class:`ImJoyError` ``download.checksum`` (6), ``conda.offline`` (4), and what a download raises.
    """
    there: dict[str, dict[str, str]] = {}
    failed = threading.Event()

    def have(package: Package) -> None:
        if failed.is_set():
            return
        try:
            path, url = _have(package, work)
        except BaseException:
            failed.set()
            raise
        there[package.name] = {"path": str(path), "url": url}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for each in [pool.submit(have, package) for package in work.packages]:
            each.result()
    found.write_text(json.dumps(there), encoding="utf-8")


def link(work: Work, found: Mapping[str, Mapping[str, str]]) -> None:
    """Make the environment of the packages that were found, and record them as conda does.

    Raises :class:`ImJoyError` ``conda.link``.
    """
    import rattler

    target, cache = Path(work.target), Path(work.stage) / "unpacked"
    records = [
        _record(rattler, each, Path(found[each.name]["path"]), work.platform) for each in work.packages
    ]
    target.mkdir(parents=True, exist_ok=True)
    install = rattler.install(
        records,
        target_prefix=str(target),
        package_cache=rattler.PackageCache.new_layered(
            [cache], validation_mode=rattler.ValidationMode.skip()
        ),
        installed_packages=[],
        platform=rattler.Subdir(work.platform),
        show_progress=False,
    )
    try:
        # Every start of the planner comes by this module, and only the process that links needs it.
        import asyncio

        asyncio.run(install)
    except Exception as error:  # py-rattler has an exception for everything, and each may be about the disk
        raise ImJoyError(
            "conda.link", f"The packages could not be put into {target}.", why=str(error)
        ) from error
    # conda writes none, and backup programs would leave the environment out.
    (target / "CACHEDIR.TAG").unlink(missing_ok=True)
    for package in work.packages:
        _note(
            target,
            package,
            found[package.name],
            f"{package.stem}.tar.bz2" if work.old_names else package.file,
        )
    _write_history(target, work, found)
    shutil.rmtree(cache, ignore_errors=True)


def _have(package: Package, work: Work) -> tuple[Path, str]:
    """Return where a package lies, and its url."""
    for folder in (*([work.offline] if work.offline else []), *work.folders):
        path = Path(folder, package.file)
        with suppress(OSError):
            if path.is_file() and file_sha256(path) == package.sha256:
                return path, package.urls[0]
    if work.offline or not work.connect:
        raise ImJoyError(
            "conda.offline",
            f"{package.file} is not here, and nothing may be fetched.",
            why=f"Looked in {', '.join((work.offline, *work.folders) if work.offline else work.folders)}.",
            fix=f"put it into {work.offline or work.folders[0]}: {package.urls[0]}",
            exit_code=ExitCode.NETWORK_NEEDED,
        )
    cache = Path(work.folders[0])
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / package.file
    for url in package.urls:
        try:
            download(
                url, target, package.sha256, lambda done, total: None, verify=work.verify, hash_fix=HASH_FIX
            )
        except ImJoyError as error:
            if error.id == "download.checksum" or url == package.urls[-1]:
                raise
            continue
        _note_url(cache, url)
        print(f"{url}  {target.stat().st_size} bytes", flush=True)  # noqa: T201
        return target, url
    raise AssertionError(package)


def _note_url(folder: Path, url: str) -> None:
    """Tell conda where a package of its cache came from, as it does itself."""
    with suppress(OSError), _URLS, (folder / "urls.txt").open("a", encoding="utf-8") as urls:
        urls.write(f"{url}\n")


_URLS = threading.Lock()


def _record(rattler: Any, package: Package, path: Path, platform: str) -> Any:
    """Return what py-rattler installs; its url is the file here, which :func:`_note` replaces by the real one."""
    build = package.stem.rpartition("-")[2]
    number = build.rpartition("_")[2]
    record = rattler.PackageRecord(
        package.name,
        package.version,
        rattler.BuildString(build),
        int(number) if number.isdigit() else 0,
        package.subdir,
        # Whether it holds Python modules stands in the package; here it only tells them from programs.
        noarch=("python" if "py" in build else "generic") if package.subdir == "noarch" else None,
        depends=list(package.depends),
        sha256=bytes.fromhex(package.sha256),
    )
    return rattler.RepoDataRecord(
        record, package.file, path.absolute().as_uri(), path.absolute().parent.as_uri()
    )


def _note(target: Path, package: Package, found: Mapping[str, str], name: str) -> None:
    """Have conda's record of a package say what the package says of itself, and where it really came from."""
    file = target / "conda-meta" / f"{package.stem}.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    with suppress(OSError, ValueError):
        index = json.loads(
            Path(record["extracted_package_dir"], "info", "index.json").read_text(encoding="utf-8")
        )
        record.update({name: index[name] for name in RECORDED if index.get(name) is not None})
    base = found["url"].rpartition("/")[0]
    record.update(url=found["url"], fn=name, channel=base.rpartition("/")[0], sha256=package.sha256)
    record.update(
        md5=package.md5, size=Path(found["path"]).stat().st_size, package_tarball_full_path=found["path"]
    )
    # What it was linked from is taken away.
    for gone in ("extracted_package_dir", "link"):
        record.pop(gone, None)
    file.write_text(json.dumps(record, indent=2), encoding="utf-8")


def _write_history(target: Path, work: Work, found: Mapping[str, Mapping[str, str]]) -> None:
    """Write what conda reads of an environment's past: what is there, and what was asked for."""
    lines = [time.strftime("==> %Y-%m-%d %H:%M:%S <=="), "# cmd: imjoy install"]
    lines.append(f"# conda version: {work.conda_version}")
    for package in work.packages:
        channel = found[package.name]["url"].rsplit("/", 3)[1]
        lines.append(f"+{channel}/{package.subdir}::{package.stem}")
    lines.append(f"# update specs: {json.dumps(list(work.specs))}")
    (target / "conda-meta" / "history").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # The threads of py-rattler may touch the interpreter while it ends, which is a segmentation fault at times.
    os._exit(code)
