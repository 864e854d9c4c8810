"""The page's modules that need no page, tried in Node: ``page/*.test.js``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from imjoy.model.errors import ImJoyError
from imjoy_engine.webapp import fetch

NODE = shutil.which("node")
FILES = sorted((Path(__file__).parent / "page").glob("*.test.js"))
SECONDS = 60


@pytest.fixture(scope="module")
def msgpack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that packs the page's messages."""
    folder = tmp_path_factory.mktemp("msgpack")
    wanted = tuple(package for package in fetch.pinned_packages() if package.name == "@msgpack/msgpack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetch, "pinned_packages", lambda: wanted)
        try:
            fetch.ensure_webapp(folder, lambda text, done, total: None, environ=os.environ)
        except ImJoyError as error:
            pytest.skip(f"the page's packages are missing: {error.why}")
        return fetch.library_files(folder)["msgpack.min.js"]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_node_finds_nothing_wrong(file: Path, msgpack: Path) -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--test", str(file)],
        env={**os.environ, "MSGPACK": str(msgpack)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
