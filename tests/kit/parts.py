"""The kit's expensive parts, each made once for this machine and linked from then on."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

from tests.kit.channel import IN_BASE, CondaChannel
from tests.kit.files import link_or_copy
from tests.kit.miniconda import CONDA_VERSION, Miniconda, installer_names, make_base, write_installers
from tests.kit.pythons import movable_pythons, running_python
from tests.kit.requirements import needed_by
from tests.kit.standalone import Standalone, write_standalone
from tests.kit.turns import turn_at

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".pytest_cache" / "d" / "kit"
LOCKED_PYTHON = "3.12"
"""What the locks of the tests have."""
NEWER_CONDA_VERSION = "26.9.0"
"""What conda-forge has of conda, for whoever brings the base up to date."""


class CannotBeMade(Exception):
    """This machine lacks what a part is made of; the message says what."""


def make_channel(folder: Path, cache: Path = CACHE) -> CondaChannel:
    """Fill a channel: the Pythons that can be moved, pip, two versions of conda, and modules that need each other."""
    pythons = movable_pythons()
    if not pythons:
        raise CannotBeMade(
            "no Python that can be moved is here, so there is nothing to make conda packages of"
        )
    cache.mkdir(parents=True, exist_ok=True)
    with turn_at(cache / "lock"):
        channel = CondaChannel(folder, cache)
        for number, prefix in sorted(pythons.items()):
            compiles = number == running_python() or number.startswith(f"{LOCKED_PYTHON}.")
            channel.add_python(prefix, number, compiles=compiles)
        channel.add_distribution("pip", entry_points=("pip = pip._internal.cli.main:main",))
        channel.add_distribution("PyYAML", alone=True)
        for name, number in IN_BASE.items():
            channel.add_distribution(name, as_version=number, alone=True)
    for number in (CONDA_VERSION, NEWER_CONDA_VERSION):
        channel.add_conda(number)
    channel.add_module("small", "1.0")
    channel.add_module("small", "2.0")
    channel.add_module("middle", depends=("python", "small <2"))
    channel.add_module("modern", depends=("python >=3.8", "small >=2"))
    channel.add_module("computes", depends=("python", "__cuda >=12.4"))
    return channel


def base(channel: CondaChannel, cache: Path = CACHE) -> Miniconda:
    """Return the base environment that is copied wherever a test wants a Miniconda."""
    python = running_python()
    if python is None:
        raise CannotBeMade("this Python cannot be moved, so there is nothing that a double could unpack")
    kept = cache / f"base-{_key()}"
    with turn_at(cache / "lock"):
        if not (kept / "scripts.json").exists():
            shutil.rmtree(kept, ignore_errors=True)
            made = make_base(kept / "root", channel, cache / "packages", python)
            (kept / "scripts.json").write_text(json.dumps(made.scripts))
    return Miniconda(kept / "root", tuple(json.loads((kept / "scripts.json").read_text())))


def installers(folder: Path, root: Miniconda, cache: Path = CACHE) -> str:
    """Put the installers of Miniconda and Miniforge for Linux into a folder; return the SHA-256 of them all."""
    kept = cache / f"installers-{_key()}"
    with turn_at(cache / "lock"):
        if not (kept / "sha256").exists():
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir()
            (kept / "sha256").write_text(write_installers(kept, root))
    folder.mkdir(parents=True, exist_ok=True)
    for name in installer_names():
        link_or_copy(kept / name, folder / name)
    return (kept / "sha256").read_text()


def standalone(cache: Path = CACHE) -> Standalone:
    """Return the double of python-build-standalone, of the newest Python that can be moved."""
    pythons = movable_pythons()
    if not pythons:
        raise CannotBeMade("no Python that can be moved is here, so there is nothing to pack")
    version, prefix = max(pythons.items(), key=lambda each: tuple(map(int, each[0].split("."))))
    cache.mkdir(parents=True, exist_ok=True)
    source = (HERE / "standalone.py").read_bytes() + f"{version} {prefix}".encode()
    file = cache / f"standalone-{hashlib.sha256(source).hexdigest()[:16]}.tar.gz"
    with turn_at(cache / "lock"):
        if not file.exists():
            write_standalone(file.with_suffix(".part"), prefix, version)
            file.with_suffix(".part").rename(file)
    return Standalone(file, hashlib.sha256(file.read_bytes()).hexdigest(), version)


def _key() -> str:
    """Return what changes when any part does."""
    digest = hashlib.sha256(str(running_python()).encode())
    for file in sorted(HERE.glob("*.py")):
        digest.update(file.read_bytes())
    for name in sorted({"pip", *needed_by("imjoy"), *installer_names()}):
        digest.update(f"{name} {'' if name.endswith('.sh') else version(name)}".encode())
    return digest.hexdigest()[:16]
