"""The base of a Miniconda belongs to conda: imjoy lives beside it, and `conda create` works after all that it does."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.provision import entry_points
from tests.kit.channel_server import ChannelServer
from tests.kit.fixtures import Doubles
from tests.kit.miniconda import changed_files, installer_names

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kit's packages are for Linux"),
]


NEWER = "0.12.99"


def run(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command as a person does, without the checkout on its path."""
    environ = {name: value for name, value in entry_points.environ().items() if not name.startswith("PYTHON")}
    return subprocess.run(
        list(map(str, words)),
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def install(*words: object) -> subprocess.CompletedProcess[str]:
    """Run ``imjoy install``."""
    return run(sys.executable, "-I", "-m", "imjoy", "install", "--yes", *words)


def makes_environments(conda: Path, name: str) -> bool:
    """Whether a conda still makes environments."""
    words = ("create", "-y", "-q", "-n", name, "--override-channels", "-c", "conda-forge", "python", "small")
    return run(conda, *words).returncode == 0


@pytest.fixture
def newer(wheel: Path, tmp_path: Path) -> Path:
    """Return a wheel of an imjoy that is newer, and else the same."""
    old = wheel.name.split("-")[1]
    file = tmp_path / wheel.name.replace(old, NEWER)
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name in (
                "imjoy/__init__.py",
                f"imjoy-{old}.dist-info/METADATA",
                f"imjoy-{old}.dist-info/RECORD",
            ):
                content = content.replace(old.encode(), NEWER.encode())
            target.writestr(name.replace(f"imjoy-{old}.", f"imjoy-{NEWER}."), content)
    return file


def upgrade(imjoy: Path, newer: Path) -> None:
    """Bring imjoy up, then what it lives on."""
    for words in (("--from", newer), ("--base",)):
        done = run(imjoy, "upgrade", "--yes", *words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert run(imjoy, "--version").stdout.strip() == f"imjoy {NEWER}"


def test_the_base_of_a_new_miniconda_stays_as_its_packages_brought_it(
    doubles: Doubles, wheel: Path, newer: Path, channel: ChannelServer, home: Path
) -> None:
    prefix = home / "ImJoyApp"
    installer = next(doubles.folder / each for each in installer_names() if each.startswith("Miniconda"))
    chosen = ("--distribution", "miniconda", "--installer", installer, "--sha256", doubles.sha256)
    done = install(*chosen, "--from", wheel, "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    base = prefix / "conda"
    assert changed_files(base) == []
    assert list(base.glob("lib/python3.*/EXTERNALLY-MANAGED"))
    assert not list((base / "lib").glob("python3.*/site-packages/imjoy*"))
    for command in ("python", "pip", "imjoy", "conda"):
        assert run(prefix / "bin" / command, "--version").returncode == 0, command
    told = json.loads(run(prefix / "bin" / "conda", "info", "--json").stdout)
    assert told["root_prefix"] == str(base)
    assert makes_environments(prefix / "bin" / "conda", "one")

    # Again, as an upgrade and a repair do.
    [module] = prefix.glob("lib/python3.*/site-packages/imjoy_engine/server.py")
    module.unlink()
    again = install("--from", wheel, "--prefix", prefix)
    assert again.returncode == 0, again.stderr
    assert module.exists()
    assert changed_files(base) == []
    assert (base / "envs" / "one" / "bin" / "python").exists()
    upgrade(prefix / "bin" / "imjoy", newer)
    assert run(prefix / "bin" / "conda", "-V").stdout == "conda 26.9.0\n"
    assert changed_files(base) == []
    assert makes_environments(prefix / "bin" / "conda", "two")


# Install and uninstall leave it so in another test, and what `upgrade --base` finds to bring up is looked at, too.
@entry_points.every_step
def test_a_conda_that_was_here_stays_byte_for_byte_through_install_and_uninstall(
    miniconda: Callable[..., Path], wheel: Path, newer: Path, channel: ChannelServer, home: Path
) -> None:
    conda = miniconda()
    root = conda.parents[1]

    def content() -> dict[str, bytes]:
        left_alone = ("pkgs", "envs", "__pycache__")
        return {
            str(file.relative_to(root)): file.read_bytes()
            for file in root.rglob("*")
            if file.is_file() and not any(part in left_alone for part in file.relative_to(root).parts)
        }

    before = content()
    done = install("--distribution", "existing", "--from", wheel)
    assert done.returncode == 0, done.stderr
    assert content() == before
    upgrade(home / "ImJoyApp" / "bin" / "imjoy", newer)
    assert content() == before
    assert run(conda, "-V").stdout == "conda 26.7.1\n"
    gone = run(home / "ImJoyApp" / "bin" / "imjoy", "uninstall", "--yes")
    assert gone.returncode == 0, gone.stderr
    assert content() == before
    assert not (root / "envs" / "imjoy").exists()
    assert changed_files(root) == []
    assert makes_environments(conda, "one")
