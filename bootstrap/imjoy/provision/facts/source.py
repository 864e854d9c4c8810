"""What is to be installed: a checkout, a wheel, a repository or an archive, and how to tell when it has changed."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import imjoy
from imjoy import PROJECT_URL
from imjoy.context import Context
from imjoy.effects.tools.git import COMMIT, find_git, find_reference, resolve
from imjoy.model.errors import ImJoyError
from imjoy.provision.facts.install_script import InstallScript
from imjoy.provision.facts.preflight import Finding

Kind = Literal["checkout", "wheel", "git", "url", "unknown"]
HOW_TO_NAME_ONE = "give a wheel, a checkout's folder or a git url: --from"
HOW_TO_HAVE_ALL = (
    f"where there is a network, this makes all wheels: python3 -m pip wheel --wheel-dir DIR git+{PROJECT_URL}"
)
CHECKOUT_PARTS = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "bootstrap", "engine")
"""What is copied from a checkout to be built; building writes beside its sources."""


@dataclass(frozen=True)
class Source:
    """A source. ``id`` differs when its content does, and is empty when that cannot be known.

    ``ref`` is the branch, tag or commit of a repository; ``local`` the folder or file that it was fetched into, if it
    was. ``unreachable`` says why a repository did not answer; ``finding`` why there is nothing to install.
    """

    kind: Kind
    place: str
    id: str = ""
    ref: str = ""
    local: str = ""
    unreachable: str = ""
    finding: Finding | None = None

    @property
    def followed(self) -> str:
        """Return what a later install or upgrade has to ask for: the place, with the ref where one was named."""
        return f"{self.place}@{self.ref}" if self.ref not in ("", "HEAD") else self.place

    def as_json(self) -> dict[str, object]:
        """Return what a plan tells of a source."""
        return {"kind": self.kind, "place": self.place, "id": self.id}


def find_source(
    wanted: str | None, context: Context, offline: Path | None, script: InstallScript | None = None
) -> Source:
    """Return the source that ``wanted`` names, else the wheel in ``offline``, our own checkout, or the repository.

    What an install script has fetched already is neither asked for nor fetched again.
    """
    if script is not None and (script.source is not None or script.unreachable):
        return _fetched(wanted or f"git+{PROJECT_URL}", script, context)
    place = wanted or _wheel_in(offline) or _own_checkout() or f"git+{PROJECT_URL}"
    folder = Path(place).expanduser()
    if folder.is_dir():
        real = folder.resolve()
        if not is_checkout(real):
            fix = f"git clone {PROJECT_URL} makes one"
            return _nothing(place, "source.not_imjoy", f"{real} is not a checkout of imjoy", fix)
        return Source("checkout", str(real), f"tree:{fingerprint(real)}")
    if place.endswith(".whl") and "://" not in place:
        if not folder.is_file():
            fix = HOW_TO_HAVE_ALL if offline and not wanted else HOW_TO_NAME_ONE
            return _nothing(place, "source.missing", f"there is no file {place}", fix)
        digest = hashlib.sha256(folder.read_bytes()).hexdigest()
        return Source("wheel", str(folder.resolve()), f"wheel:{digest}")
    if place.startswith("git+"):
        return _in_repository(place.removeprefix("git+"), context)
    if place.startswith("https://") and place.endswith((".whl", ".zip", ".tar.gz")):
        return Source("url", place)
    if place.startswith(("https://", "ssh://", "file://")):
        return _in_repository(place, context)
    return _nothing(place, "source.missing", f"{place} is no folder, no wheel and no git url")


def split_ref(url: str) -> tuple[str, str]:
    """Return a git url, as pip has it behind ``git+``, without ref and fragment, and the ref, by default HEAD."""
    url = url.partition("#")[0]
    # An @ before the first slash of the path belongs to the server's name; a branch's name may have slashes.
    path = url.partition("://")[2].partition("/")[2]
    ref = path.partition("@")[2]
    return (url.removesuffix(f"@{ref}"), ref) if ref else (url, "HEAD")


def is_checkout(folder: Path) -> bool:
    """Whether a folder holds the sources of imjoy."""
    return (folder / "pyproject.toml").is_file() and (folder / "bootstrap/imjoy/__init__.py").is_file()


def fingerprint(checkout: Path) -> str:
    """Return a number that changes when any file that would be installed does; the same as in ``install.sh``."""
    lines = []
    for file in _files(checkout):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        lines.append((file.relative_to(checkout).as_posix().encode(), digest))
    text = b"".join(f"{digest}  ".encode() + name + b"\n" for name, digest in sorted(lines))
    return hashlib.sha256(text).hexdigest()


def copy_checkout(checkout: Path, target: Path) -> None:
    """Copy what building needs. Raises ``OSError``."""
    target.mkdir()
    for part in CHECKOUT_PARTS:
        if (checkout / part).is_dir():
            shutil.copytree(
                checkout / part, target / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy2(checkout / part, target / part)


def _files(checkout: Path) -> Iterator[Path]:
    for part in CHECKOUT_PARTS:
        path = checkout / part
        for file in path.rglob("*") if path.is_dir() else [path]:
            inside = file.relative_to(checkout).as_posix()
            ours = "__pycache__" not in inside and ".egg-info/" not in inside
            ours = ours and file.suffix not in (".pyc", ".pyo")
            if file.is_file() and ours:
                yield file


def _own_checkout() -> str:
    folder = Path(imjoy.__file__).resolve().parents[2]
    return str(folder) if is_checkout(folder) else ""


def _wheel_in(offline: Path | None) -> str:
    if offline is None:
        return ""
    # The pattern where there is none, so that this is what is missed.
    return str([offline / "imjoy-*.whl", *sorted(offline.glob("imjoy-*.whl"))][-1])


def _fetched(place: str, script: InstallScript, context: Context) -> Source:
    """Return what the install script has fetched from ``place``, or why it could not."""
    local = str(script.source or "")
    if script.source is not None and "://" not in place:
        # A folder that an old Python's imjoy was installed from may have moved on; what it carries has not.
        return Source("checkout", place, f"tree:{fingerprint(script.source)}", local=local)
    if place.startswith("https://") and place.endswith((".whl", ".zip", ".tar.gz")):
        digest = hashlib.sha256(Path(local).read_bytes()).hexdigest() if local.endswith(".whl") else ""
        id = f"wheel:{digest}" if digest else ""
        return Source("url", place, id, local=local, unreachable=script.unreachable)
    url, ref = split_ref(place.removeprefix("git+"))
    commit = ref if COMMIT.fullmatch(ref) else ""
    if script.source is not None:
        commit = commit or _commit_of_archive(script.archive) or resolve(script.source, "HEAD", context) or ""
        if not is_checkout(script.source):
            return _nothing(place, "source.not_imjoy", f"{place} is not imjoy")
    id = f"commit:{commit}" if commit else ""
    return Source("git", f"git+{url}", id, ref=ref, local=local, unreachable=script.unreachable)


def _commit_of_archive(archive: Path | None) -> str:
    """Return the commit that `git archive`, and so every forge, writes into an archive; empty where there is none.

    https://git-scm.com/docs/git-archive: as the comment of a zip, and in a global pax header of a tar.
    """
    if archive is None:
        return ""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                text = packed.comment.decode("ascii", "replace")
        else:
            with tarfile.open(archive) as tar:
                tar.next()
                text = tar.pax_headers.get("comment", "")
    except (OSError, tarfile.TarError, zipfile.BadZipFile):
        return ""
    return text.strip() if COMMIT.fullmatch(text.strip()) else ""


def _in_repository(url: str, context: Context) -> Source:
    url, ref = split_ref(url)
    place = f"git+{url}"
    if COMMIT.fullmatch(ref):
        return Source("git", place, f"commit:{ref}", ref=ref)
    if find_git(context) is None:
        if url.startswith("https://github.com/"):
            return Source("url", f"{url.removesuffix('.git')}/archive/{ref}.zip")
        return _nothing(
            place, "host.git", f"git is not here, and {url} needs it", "install git, or --from FILE.whl"
        )
    try:
        found = find_reference(url, ref, context)
    except ImJoyError as error:
        return Source("git", place, ref=ref, unreachable=error.why)
    if found is None:
        fix = f"git ls-remote {url} lists what there is"
        return _nothing(place, "source.missing", f"{url} has no branch, tag or commit {ref}", fix)
    return Source("git", place, f"commit:{found.commit}", ref=ref)


def _nothing(place: str, id: str, what: str, fix: str = HOW_TO_NAME_ONE) -> Source:
    return Source("unknown", place, finding=Finding(id, what, fix))
