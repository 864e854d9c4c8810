"""Fetch the npm packages that the web app is made of: once, by hash, so that it works with the network cut afterwards.

The registry is the one that npm's own configuration names. Where there is none, or it does not answer, single files
come from the jsDelivr CDN. Nothing that fails its hash is ever kept.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.webapp.verified import PACKAGES_FILE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import requests

CDN_URL = "https://cdn.jsdelivr.net/npm"
CONNECT_SECONDS = 10
READ_SECONDS = 60
CHUNK_BYTES = 64 * 1024

Report = Callable[[str, int, int], None]
"""Called with a sentence, the bytes done and the bytes in all (0 where the size is not known)."""


@dataclass(frozen=True)
class PackageFile:
    """One file of a package; ``path`` is relative to the package, ``size`` in bytes.

    ``module`` is the name by which other modules import it, if they do.
    """

    path: str
    size: int
    sha256: str
    module: str = ""

    @property
    def name(self) -> str:
        """What it is called on the page's own address, where each name is there once."""
        if self.module:
            return f"{self.module.lstrip('@').replace('/', '-')}.js"
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Package:
    """A pinned npm package; ``integrity`` is the tarball's, in npm's notation (``sha512-<base64>``)."""

    name: str
    version: str
    integrity: str
    files: tuple[PackageFile, ...]

    def folder(self, root: Path) -> Path:
        """Where its files lie under ``root``; another version is another folder."""
        return root / self.name.replace("/", "+").lstrip("@") / self.version


@cache
def pinned_packages() -> tuple[Package, ...]:
    """Return the packages of ``packages.toml``."""
    document = tomllib.loads(PACKAGES_FILE.read_text("utf-8"))
    return tuple(
        Package(
            name=entry["name"],
            version=entry["version"],
            integrity=entry["integrity"],
            files=tuple(PackageFile(**file) for file in entry["file"]),
        )
        for entry in document["package"]
    )


def import_map() -> dict[str, dict[str, str]]:
    """Return where a page finds the modules that others import by name, in the form that browsers read."""
    files = (file for package in pinned_packages() for file in package.files)
    return {"imports": {file.module: f"./lib/{file.name}" for file in files if file.module}}


def library_files(root: Path) -> dict[str, Path]:
    """Return the fetched files by their name (``imjoy-core.min.js``); a file that is not there is left out.

    The names are distinct. Nothing is hashed here: :func:`ensure_webapp` did that when they were fetched.
    """
    found = {
        file.name: package.folder(root) / file.path for package in pinned_packages() for file in package.files
    }
    return {name: path for name, path in found.items() if path.is_file()}


def ensure_webapp(root: Path, report: Report, *, environ: Mapping[str, str], cdn: str = CDN_URL) -> None:
    """Make every pinned file lie under ``root``, verified; asks nobody when they are there already.

    ``root`` is created where needed. A file is written beside its place and renamed into it, so that an interruption
    leaves either the whole file or none.

    Raises:
        ImJoyError: ``webapp.checksum`` when what was served is not what was pinned (nothing of it is kept);
            ``webapp.offline`` when nobody could be asked; ``webapp.unwritable`` when ``root`` cannot be written.
    """
    wanted = [package for package in pinned_packages() if not _is_complete(package, root)]
    if not wanted:
        return
    from imjoy.effects.tools.npm import npm_registry

    registry = npm_registry(environ)
    for package in wanted:
        contents = _download(package, registry, cdn, report, environ)
        for file in package.files:
            _verify_file(package, file, contents[file.path])
        try:
            for file in package.files:
                _write(package.folder(root) / file.path, contents[file.path])
        except OSError as error:
            raise ImJoyError(
                "webapp.unwritable",
                "The web app's files cannot be kept.",
                why=f"{error.filename or root}: {error.strerror or error}",
                fix="Make the folder writable, or choose another with --workspace.",
            ) from error


def _is_complete(package: Package, root: Path) -> bool:
    for file in package.files:
        try:
            content = (package.folder(root) / file.path).read_bytes()
        except OSError:
            return False
        if hashlib.sha256(content).hexdigest() != file.sha256:
            return False
    return True


def _trust_the_system(session: requests.Session, environ: Mapping[str, str]) -> None:
    """Have https trust what this system, or a variable, trusts, besides what requests carries; as pip and uv do."""
    from requests.adapters import HTTPAdapter

    from imjoy.effects.network.http import certificates

    trusted = certificates(environ)

    class Trusting(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, ssl_context=trusted, **options)

        def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
            return super().proxy_manager_for(proxy, ssl_context=trusted, **options)

    session.mount("https://", Trusting())


def _download(
    package: Package, registry: str | None, cdn: str, report: Report, environ: Mapping[str, str]
) -> dict[str, bytes]:
    import requests  # 0.14 s to import, and needed at the first start only

    reasons = []
    with requests.Session() as session:
        _trust_the_system(session, environ)
        if registry is not None:
            try:
                return _from_registry(session, package, registry, report)
            except requests.RequestException as error:
                reasons.append(f"the npm registry: {_brief(error)}")
        try:
            return _from_cdn(session, package, cdn, report)
        except requests.RequestException as error:
            reasons.append(f"{cdn}: {_brief(error)}")
    raise ImJoyError(
        "webapp.offline",
        f"The web app needs {package.name} {package.version}, and no server that has it can be reached.",
        why="\n".join(reasons),
        fix="Connect to the network once and type: imjoy start --serve\n"
        "Behind a proxy set HTTPS_PROXY, and SSL_CERT_FILE to its certificates where the system does not trust it.\n"
        "With a mirror of the npm registry set npm_config_registry.",
        exit_code=ExitCode.NETWORK_NEEDED,
    )


def _from_registry(
    session: requests.Session, package: Package, registry: str, report: Report
) -> dict[str, bytes]:
    from urllib.parse import quote

    metadata = session.get(
        f"{registry}/{quote(package.name, safe='@')}",
        # What is needed to install, which is a small part of all that it knows.
        headers={"Accept": "application/vnd.npm.install-v1+json, application/json;q=0.8"},
        timeout=(CONNECT_SECONDS, READ_SECONDS),
    )
    metadata.raise_for_status()
    document: dict[str, Any] = metadata.json()
    import requests

    try:
        url = document["versions"][package.version]["dist"]["tarball"]
    except (KeyError, TypeError) as error:
        raise requests.RequestException(f"it has no {package.name} {package.version}") from error
    tarball = _get(session, url, f"{package.name} {package.version}", 0, report)
    algorithm, _, expected = package.integrity.partition("-")
    found = base64.b64encode(hashlib.new(algorithm, tarball).digest()).decode()
    if found != expected:
        raise _mismatch(package, "its tarball", package.integrity, f"{algorithm}-{found}")
    return _unpack(package, tarball)


def _unpack(package: Package, tarball: bytes) -> dict[str, bytes]:
    import tarfile

    contents = {}
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        for file in package.files:
            member = archive.extractfile(f"package/{file.path}")
            if member is None:
                raise _mismatch(package, file.path, file.sha256, "no such file")
            contents[file.path] = member.read()
    return contents


def _from_cdn(session: requests.Session, package: Package, cdn: str, report: Report) -> dict[str, bytes]:
    return {
        file.path: _get(
            session,
            f"{cdn}/{package.name}@{package.version}/{file.path}",
            f"{package.name} {package.version}",
            file.size,
            report,
        )
        for file in package.files
    }


def _get(session: requests.Session, url: str, label: str, size: int, report: Report) -> bytes:
    with session.get(url, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)) as response:
        response.raise_for_status()
        total = size or int(response.headers.get("Content-Length") or 0)
        content = b"".join(_counted(response.iter_content(CHUNK_BYTES), label, total, report))
    report(label, len(content), len(content))
    return content


def _counted(chunks: Iterator[bytes], label: str, total: int, report: Report) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        done += len(chunk)
        report(label, done, max(total, done))
        yield chunk


def _verify_file(package: Package, file: PackageFile, content: bytes) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise _mismatch(package, file.path, file.sha256, found)


def _write(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            # A start looks at size and time only: after a power loss both could be right, and zeros in the file.
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _mismatch(package: Package, part: str, expected: str, found: str) -> ImJoyError:
    return ImJoyError(
        "webapp.checksum",
        f"{package.name} {package.version} does not match its checksum; it was not kept.",
        why=f"{part}\nexpected {expected}\nfound    {found}",
        fix="Try again. When it happens again, a proxy or a mirror changes files: set npm_config_registry to another.",
        exit_code=ExitCode.CHECKSUM_MISMATCH,
    )


def _brief(error: Exception) -> str:
    # The full text of a connection error holds the url, and with it a password where a mirror needs one.
    text = str(error).split("(Caused by", 1)[-1]
    return re.sub(r"//[^/\s@]+@", "//", text).strip(" ()") or type(error).__name__
