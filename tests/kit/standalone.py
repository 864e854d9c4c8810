"""A double of python-build-standalone: a Python of this machine that can be moved, in the layout of its archives.

It has what an ``install_only_stripped`` archive has: one folder ``python`` with ``bin/python3`` (and ``python``,
``python3.X``, ``pip3``), ``lib/python3.X`` with the standard library, ensurepip and pip, and ``lib/libpython*.so``;
nothing is compiled, and no test of the standard library is in it. What differs from the real one:

- Its Python is pyenv's, so it needs the libraries of this machine (OpenSSL, sqlite, ...), where the real one brings its
  own, and runs on this machine's glibc or newer, not from 2.17 on.
- Where Python was built with a shared library, that is found by the path that it was built with, so it is the one of
  this machine that is loaded, not the copy beside it.
- The folder ``include`` and the terminfo database are not there.
- Whatever the platform in its name, it is for this machine.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NEEDLESS = frozenset({"test", "tests", "idlelib", "turtledemo", "__pycache__", "site-packages"})
SOMEBODY = 12345
"""The archives belong to whoever built them; nobody of that number need be here."""


@dataclass(frozen=True)
class Standalone:
    """An archive, its SHA-256 and the version of the Python in it."""

    file: Path
    sha256: str
    version: str


def write_standalone(file: Path, prefix: Path, version: str) -> Standalone:
    """Pack the Python at ``prefix`` into a ``tar.gz``."""
    short = ".".join(version.split(".")[:2])
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        for inner, source in _files(prefix, short):
            archive.add(source, f"python/{inner}", recursive=False, filter=_as_built)
        for name in ("python", "python3"):
            link = tarfile.TarInfo(f"python/bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, f"python{short}"
            archive.addfile(_as_built(link))
        # The real one's first line also finds the Python beside it.
        text = f'#!/bin/sh\n"exec" "$(dirname -- "$(realpath -- "$0")")/python{short}" "-m" "pip" "$@"\n'.encode()
        script = tarfile.TarInfo("python/bin/pip3")
        script.size, script.mode = len(text), 0o755
        archive.addfile(_as_built(script), io.BytesIO(text))
    return Standalone(file, hashlib.sha256(file.read_bytes()).hexdigest(), version)


def _files(prefix: Path, short: str) -> Iterator[tuple[str, Path]]:
    yield f"bin/python{short}", (prefix / "bin" / f"python{short}").resolve()
    library = prefix / "lib" / f"python{short}"
    for path in sorted(library.rglob("*")):
        parts = path.relative_to(library).parts
        if path.is_file() and not NEEDLESS & set(parts) and not parts[0].startswith("config-"):
            yield str(path.relative_to(prefix)), path
    for path in sorted((library / "site-packages").glob("pip*/**/*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield str(path.relative_to(prefix)), path
    for path in sorted(prefix.glob("lib/libpython*.so.*")):
        yield f"lib/{path.name}", path


def _as_built(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = SOMEBODY
    member.uname = member.gname = ""
    return member
