"""What the tests of provisioning share: doubles of installers, a server that misbehaves, a wheel of this checkout."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE))

from mirror import Mirror  # noqa: E402


@dataclass(frozen=True)
class Doubles:
    """A folder of installers that have the names of the real ones, and their SHA-256."""

    folder: Path
    sha256: str


@pytest.fixture(scope="session")
def doubles(tmp_path_factory: pytest.TempPathFactory) -> Doubles:
    """Return doubles of Miniconda's and Miniforge's installers for Linux."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the doubles of the installers are for Linux")
    folder = tmp_path_factory.mktemp("installers")
    done = subprocess.run(
        [sys.executable, str(HERE / "miniconda_double.py"), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip("this Python cannot be moved, so there is nothing that a double could unpack")
    return Doubles(folder, done.stdout.strip())


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel of this checkout, built from a copy."""
    from imjoy.provision.source import copy_checkout

    folder = tmp_path_factory.mktemp("wheel")
    copy_checkout(ROOT, folder / "source")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(folder / "source")],
        check=True,
    )
    return next(folder.glob("imjoy-*.whl"))


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    """Return a server for a folder of its own."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    server = Mirror(folder)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.let_go.set()
    server.shutdown()
    server.server_close()
    thread.join()
