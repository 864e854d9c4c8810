"""Where the imjoy that runs came from, who put it there, and into which environment."""

from __future__ import annotations

import json
import site
import sys
import sysconfig
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Literal, cast

import imjoy
from imjoy.provision.records.receipt import own_folder, read_receipt

NAME = "imjoy"
Manager = Literal["pip", "pipx", "uv", "editable", "checkout", "system", "user"]


@dataclass(frozen=True)
class Origin:
    """An installed imjoy. ``source`` is as ``--from`` takes it, empty for a package index; ``id`` as in a receipt.

    ``environment`` is the folder of its Python, ``site`` the one of its packages, ``scripts`` the one of its commands.
    For an editable install and a checkout ``source`` is the folder.
    """

    version: str
    environment: Path
    interpreter: Path
    site: Path
    scripts: Path
    manager: Manager
    source: str
    id: str

    @property
    def home(self) -> Path:
        """The folder that belongs to the upgrades of this environment."""
        return own_folder(self.environment) / "upgrade"

    @property
    def commit(self) -> str:
        """The installed commit, or an empty string."""
        return self.id.removeprefix("commit:") if self.id.startswith("commit:") else ""


def find_origin() -> Origin:
    """Return the origin of the imjoy that runs in this process."""
    environment, packages = Path(sys.prefix), Path(sysconfig.get_path("purelib"))
    found = next(iter(distributions(name=NAME, path=[str(packages)])), None)
    document = direct_url(found) if found else {}
    manager = _manager(environment, packages, found, document)
    if manager == "checkout":
        source, id = str(Path(imjoy.__file__).resolve().parents[2]), ""
    elif not document:
        source, id = "", f"version:{found.version}" if found else ""
    else:
        source, id = source_of(environment, document)
    return Origin(
        version=found.version if found and manager != "checkout" else imjoy.__version__,
        environment=environment,
        interpreter=Path(sys.executable),
        site=packages,
        scripts=Path(sysconfig.get_path("scripts")),
        manager=manager,
        source=source,
        id=id,
    )


def direct_url(distribution: Distribution) -> dict[str, object]:
    """Return where pip had a distribution from (PEP 610); empty for an index, and when it cannot be read."""
    try:
        document = json.loads(distribution.read_text("direct_url.json") or "{}")
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", document) if isinstance(document, dict) else {}


def belongs_to_system() -> bool:
    """Whether this Python is the system's own, which pip refuses to change (PEP 668)."""
    marker = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    return sys.prefix == sys.base_prefix and marker.exists()


def _manager(
    environment: Path, packages: Path, found: Distribution | None, document: dict[str, object]
) -> Manager:
    code = Path(imjoy.__file__).resolve()
    folder = document.get("dir_info")
    if isinstance(folder, dict) and folder.get("editable"):
        return "editable"
    if found is None or not code.is_relative_to(packages.resolve()):
        return "user" if code.is_relative_to(Path(site.getusersitepackages()).resolve()) else "checkout"
    if (environment / "pipx_metadata.json").exists():
        return "pipx"
    if (environment / "uv-receipt.toml").exists():
        return "uv"
    return "system" if belongs_to_system() else "pip"


def source_of(environment: Path, document: dict[str, object]) -> tuple[str, str]:
    """Return source and id: what pip wrote down, but the receipt's where pip was given a wheel that we had built."""
    url = str(document.get("url", ""))
    receipt, path = read_receipt(environment), path_of(url)
    # By the folder's name alone (`.imjoy`, or `.NAME.imjoy` beside): a home that was moved since still has its old
    # place in what pip wrote down.
    if receipt is not None and any(
        part.startswith(".") and part.endswith(".imjoy") for part in Path(path).parts
    ):
        return receipt.source, receipt.source_id
    vcs, archive = document.get("vcs_info"), document.get("archive_info")
    if isinstance(vcs, dict):
        ref = str(vcs.get("requested_revision") or "")
        return f"git+{url}{f'@{ref}' if ref else ''}", f"commit:{vcs.get('commit_id', '')}"
    if isinstance(archive, dict) and url.endswith(".whl"):
        digest = str(archive.get("hash", "")).removeprefix("sha256=")
        return path or url, f"wheel:{digest}" if digest else ""
    known = receipt.source_id if receipt is not None and receipt.source == path else ""
    return path or url, known


def path_of(url: str) -> str:
    """Return the path that a ``file`` url names, and of any other text an empty string."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    return url2pathname(urlsplit(url).path) if url.startswith("file://") else ""
