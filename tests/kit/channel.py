"""A conda channel of real packages, made on this machine: interpreters, pip, the double of conda, small modules.

No conda server is needed: the packages are in conda's own format (``.conda``), and the channel has a ``repodata.json``
with sha256 sums, which conda and py-rattler check over http.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib.metadata import distribution, version
from pathlib import Path

from tests.kit.files import link_or_copy
from tests.kit.requirements import needed_by

ZSTANDARD_MAGIC = (0xFD2FB528).to_bytes(4, "little")
ZSTANDARD_BLOCK_BYTES = 128 * 1024
NO_TIMES: Mapping[str, float] = {}
IN_BASE = {
    **{"certifi": "2023.7.22", "idna": "3.4", "packaging": "21.3", "py-rattler": "0.26.0"},
    **{"requests": "2.28.2", "urllib3": "1.26.18"},
}
"""What conda came with, in the versions that it needs: older ones than imjoy wants (they only say so)."""
# What an interpreter does without in these tests; a quarter of its size is left.
NEEDLESS = ("test", "tests", "idlelib", "lib2to3", "turtledemo", "tkinter", "site-packages")
OPTIMIZED = (".opt-1.pyc", ".opt-2.pyc")
WINDOWS_PARTS = ("DLLs", "Lib")


def sub_platform() -> str:
    """Return conda's name of this platform."""
    from imjoy_engine.environments.specs.spec import this_platform

    return this_platform()


def tar_of(
    content: Mapping[str, bytes], executables: Collection[str] = (), times: Mapping[str, float] = NO_TIMES
) -> bytes:
    """Return a tar archive of ``content``; ``times`` keep compiled modules valid."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in content.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            # Who unpacks it may round up what has a fraction, and a compiled module goes by whole seconds.
            member.mtime = int(times.get(path, 0.0))
            member.mode = 0o755 if path in executables else 0o644
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def zstandard_frame(data: bytes) -> bytes:
    """Return ``data`` as one frame of raw blocks (RFC 8878): made at once, and needs no library."""
    frame = [ZSTANDARD_MAGIC, b"\x00\x50"]  # a window of 1 MiB, no checksum
    for start in range(0, max(len(data), 1), ZSTANDARD_BLOCK_BYTES):
        block = data[start : start + ZSTANDARD_BLOCK_BYTES]
        last = start + ZSTANDARD_BLOCK_BYTES >= len(data)
        frame += [(len(block) << 3 | last).to_bytes(3, "little"), block]
    return b"".join(frame)


def files_of(name: str) -> list[tuple[str, Path]]:
    """Return the files of an installed distribution, commands and bytecode left out, with their names in a package."""
    found = []
    for path in distribution(name).files or []:
        real = Path(str(path.locate()))
        if real.is_file() and ".." not in path.parts and real.suffix != ".pyc":
            found.append((f"site-packages/{path}", real))
    return found


def renumbered(files: Mapping[str, bytes | Path], old: str, new: str) -> dict[str, bytes | Path]:
    """Return the files of a distribution that says that it is of another version."""
    changed: dict[str, bytes | Path] = {}
    for path, data in files.items():
        if ".dist-info/" not in path:
            changed[path] = data
            continue
        content = data if isinstance(data, bytes) else data.read_bytes()
        if path.endswith(("/METADATA", "/RECORD")):
            content = content.replace(f"Version: {old}\n".encode(), f"Version: {new}\n".encode())
            content = content.replace(f"-{old}.dist-info".encode(), f"-{new}.dist-info".encode())
        changed[path.replace(f"-{old}.dist-info/", f"-{new}.dist-info/")] = content
    return changed


def compiled(
    files: Mapping[str, bytes | Path], times: Mapping[str, float], interpreters: Iterable[Path]
) -> dict[str, bytes]:
    """Return the bytecode of modules, which conda makes when it links a package that is for every Python."""
    modules = {path: data for path, data in files.items() if path.endswith(".py")}
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path, data in modules.items():
            copy = Path(folder, path)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data if isinstance(data, bytes) else data.read_bytes())
            os.utime(copy, (times.get(path, 0.0),) * 2)
        for interpreter in interpreters:
            # What is for an older Python does not compile, and stays as it is.
            subprocess.run([interpreter, "-I", "-m", "compileall", "-qq", folder], check=False)
        for each in Path(folder).rglob("*.pyc"):
            found[each.relative_to(folder).as_posix()] = each.read_bytes()
    return found


def stripped(file: Path) -> bytes:
    """Return a program or library without what a debugger would read: four fifths of its size."""
    if shutil.which("strip") is None:
        return file.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, file.name)
        done = subprocess.run(["strip", "--strip-debug", "-o", copy, file], capture_output=True, check=False)
        return (copy if done.returncode == 0 else file).read_bytes()


class CondaChannel:
    """Packages in a folder that any file server can serve as a channel.

    Big packages are made once into ``cache`` (of this machine, for as long as nothing of them changes) and linked.
    """

    def __init__(self, folder: Path, cache: Path | None = None, platform: str = "") -> None:
        self.folder = folder
        self._cache = cache
        self._platform = platform or sub_platform()
        self._records: dict[str, dict[str, dict[str, object]]] = {self._platform: {}, "noarch": {}}
        self._compilers: list[Path] = []
        self.write_index()

    def add(
        self,
        name: str,
        version: str = "1.0",
        files: Mapping[str, bytes | Path] | None = None,
        *,
        depends: Sequence[str] = (),
        noarch: bool = False,
        executables: Iterable[str] = (),
        entry_points: Sequence[str] = (),
    ) -> Path:
        """Write a package with ``files`` (paths in the prefix: content, or a file to take it from); return it."""
        subdir = "noarch" if noarch else self._platform
        build = "py_0" if noarch else "0"
        times = {path: data.stat().st_mtime for path, data in (files or {}).items() if isinstance(data, Path)}
        content = {
            path: data if isinstance(data, bytes) else data.read_bytes()
            for path, data in (files or {}).items()
        }
        index: dict[str, object] = {
            "name": name,
            "version": version,
            "build": build,
            "build_number": 0,
            "depends": list(depends),
            "subdir": subdir,
        }
        if noarch:
            index.update(noarch="python", platform=None, arch=None)
        paths = [
            {
                "_path": path,
                "path_type": "hardlink",
                "sha256": hashlib.sha256(data).hexdigest(),
                "size_in_bytes": len(data),
            }
            for path, data in content.items()
        ]
        info = {
            "info/index.json": json.dumps(index).encode(),
            "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}).encode(),
            "info/files": "".join(f"{path}\n" for path in content).encode(),
            "info/about.json": b"{}",
        }
        if noarch:
            link = {"type": "python", "entry_points": list(entry_points)}
            info["info/link.json"] = json.dumps({"noarch": link, "package_metadata_version": 1}).encode()
        stem = f"{name}-{version}-{build}"
        archive = self.folder / subdir / f"{stem}.conda"
        archive.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
            package.writestr(f"pkg-{stem}.tar.zst", zstandard_frame(tar_of(content, set(executables), times)))
            package.writestr(f"info-{stem}.tar.zst", zstandard_frame(tar_of(info)))
        data = archive.read_bytes()
        return self._take(
            archive,
            {
                **index,
                "md5": hashlib.md5(data).hexdigest(),
                "sha256": hashlib.sha256(data).hexdigest(),
                "size": len(data),
                "timestamp": 1_600_000_000_000,
            },
        )

    def add_module(self, name: str, version: str = "1.0", *, depends: Sequence[str] = ("python",)) -> Path:
        """Write a noarch package with one module of that name."""
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        files = {
            f"site-packages/{name}.py": f"version = {version!r}\n".encode(),
            f"site-packages/{name}-{version}.dist-info/METADATA": metadata,
            f"site-packages/{name}-{version}.dist-info/RECORD": b"",
        }
        return self.add(name, version, files, depends=depends, noarch=True)

    def add_python(self, prefix: Path, version: str, *, compiles: bool = False) -> Path:
        """Repackage the interpreter at ``prefix``, such as one of pyenv's.

        Where it ``compiles``, the distributions that are added later have bytecode for it.
        """
        short = ".".join(version.split(".")[:2])
        program = (prefix / "bin" / f"python{short}").resolve()
        if compiles:
            self._compilers.append(program)
        return self._once(
            f"python {program} {program.stat().st_mtime_ns}",
            lambda: self._add_python(prefix, version, program),
        )

    def add_windows_python(self, folder: Path, version: str) -> Path:
        """Repackage the Python for Windows in a folder, which there is a prefix as it is."""
        files: dict[str, bytes | Path] = {}
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder)
            if (
                path.is_file()
                and inner.parts[0] in WINDOWS_PARTS
                and not set(inner.parts) & {*NEEDLESS, "__pycache__"}
            ):
                files[inner.as_posix()] = path
        for path in folder.glob("*.*"):
            if path.suffix in (".exe", ".dll"):
                files[path.name] = path
        files["Lib/site-packages/README.txt"] = b"packages\n"
        return self.add("python", version, files, depends=("__win",))

    def add_distribution(
        self, name: str, *, entry_points: Sequence[str] = (), as_version: str = "", alone: bool = False
    ) -> Path:
        """Repackage a Python package that is installed here, with all that it requires, or ``alone``.

        With ``as_version`` it says that it is of that version, and is not.
        """
        names = [name] if alone else sorted({name, *needed_by(name)})
        versions = " ".join(f"{each}={version(each)}" for each in names)

        def content() -> dict[str, bytes | Path]:
            files: dict[str, bytes | Path] = {i: file for each in names for i, file in files_of(each)}
            times = {path: file.stat().st_mtime for path, file in files.items() if isinstance(file, Path)}
            files.update(compiled(files, times, self._compilers))
            return renumbered(files, version(name), as_version) if as_version else files

        return self._once(
            f"distribution {name} {versions} {entry_points} {as_version} {self._compilers}",
            lambda: self.add(
                name.lower(),
                as_version or version(name),
                content(),
                depends=("python",),
                noarch=True,
                entry_points=entry_points,
            ),
        )

    def add_conda(self, version: str) -> Path:
        """Write the double of conda as the package ``conda`` of this version."""
        return self.add(
            "conda",
            version,
            {"site-packages/conda_double.py": Path(__file__).with_name("conda_double.py").read_bytes()},
            depends=(
                "python >=3.10",
                "pip",
                "pyyaml",
                *(f"{name} ={number}" for name, number in IN_BASE.items()),
            ),
            noarch=True,
            entry_points=("conda = conda_double:end",),
        )

    def _add_python(self, prefix: Path, version: str, program: Path) -> Path:
        short = ".".join(version.split(".")[:2])
        files: dict[str, bytes | Path] = {}
        for path in sorted((prefix / "lib" / f"python{short}").rglob("*")):
            inner = path.relative_to(prefix)
            needless = any(part in NEEDLESS or part.startswith("config-") for part in inner.parts)
            if path.is_file() and not needless and not path.name.endswith(OPTIMIZED):
                files[str(inner)] = stripped(path) if path.suffix == ".so" else path
        files[f"lib/python{short}/site-packages/README.txt"] = b"packages\n"
        for library in prefix.glob(f"lib/libpython{short}*.so.*"):
            files[f"lib/{library.name}"] = stripped(library)
        programs = ["bin/python", "bin/python3", f"bin/python{short}"]
        for each in programs:
            files[each] = program
        return self.add("python", version, files, depends=("__glibc",), executables=programs)

    def _once(self, what: str, make: Callable[[], Path]) -> Path:
        """Link the package from the cache, and make it first where it is not there."""
        if self._cache is None:
            return make()
        source = Path(__file__).read_bytes()
        kept = self._cache / hashlib.sha256(source + what.encode()).hexdigest()
        if not kept.is_dir():
            made = make()
            beside = self._cache / f"{kept.name}.{os.getpid()}"
            beside.mkdir(parents=True)
            link_or_copy(made, beside / made.name)
            (beside / "record.json").write_text(json.dumps(self._records[made.parent.name][made.name]))
            try:
                beside.rename(kept)
            except OSError:  # another session was first
                (beside / "record.json").unlink()
                (beside / made.name).unlink()
                beside.rmdir()
            return made
        record = json.loads((kept / "record.json").read_text())
        archive = next(kept.glob("*.conda"))
        target = self.folder / str(record["subdir"]) / archive.name
        target.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(archive, target)
        return self._take(target, record)

    def _take(self, archive: Path, record: dict[str, object]) -> Path:
        self._records[archive.parent.name][archive.name] = record
        self.write_index()
        return archive

    def has_python(self, version: str) -> bool:
        """Whether there is a Python of this minor version, such as ``3.6``."""
        return any(name.startswith(f"python-{version}.") for name in self._records[self._platform])

    def write_index(self) -> None:
        """Write ``repodata.json`` for what is there."""
        for subdir, records in self._records.items():
            folder = self.folder / subdir
            folder.mkdir(parents=True, exist_ok=True)
            document = {
                "info": {"subdir": subdir},
                "packages": {},
                "packages.conda": records,
                "repodata_version": 1,
            }
            (folder / "repodata.json").write_text(json.dumps(document))
