"""A machine with an installed imjoy that a test may break: a prefix of its own, made once and copied for each."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.kit.files import link_or_copy
from tests.unit.imjoy.doctor.conftest import double_conda

from imjoy import __version__

__all__ = ["double_conda"]

ROOT = Path(__file__).resolve().parents[3]
WAIT_SECONDS = 60


@dataclass
class InstalledMachine:
    """A home with an installed imjoy, as the install script leaves it, and the environment of its shell."""

    home: Path
    prefix: Path
    environ: dict[str, str]

    @property
    def workspace(self) -> Path:
        return self.home / "ImJoyWorkspace"

    @property
    def private(self) -> Path:
        return self.workspace / ".imjoy"

    @property
    def site(self) -> Path:
        return next((self.prefix / "lib").glob("python3.*/site-packages"))

    def imjoy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the installed command."""
        return subprocess.run(
            [str(self.prefix / "bin" / "imjoy"), *arguments],
            capture_output=True,
            text=True,
            timeout=WAIT_SECONDS,
            env=self.environ,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def doctor(self, *arguments: str) -> dict[str, Any]:
        """Return the findings by their id, of a doctor without a network."""
        done = self.imjoy("doctor", "--offline", "--json", *arguments)
        assert done.stdout, done.stderr
        document = json.loads(done.stdout)
        found = {each["id"]: each for each in document["checks"]}
        return {**found, "fixes": document["fixes"]}


def findings(found: dict[str, Any]) -> set[str]:
    """Return the ids of what is not well."""
    return {id for id, each in found.items() if id != "fixes" and each["status"] not in ("ok", "skipped")}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a prefix with our packages copied in; what they require comes from this test's own environment."""
    prefix = tmp_path_factory.mktemp("template") / "ImJoyApp"
    venv.EnvBuilder(symlinks=True, with_pip=False).create(prefix)
    site = next((prefix / "lib").glob("python3.*/site-packages"))
    for package, source in (("imjoy", "bootstrap/imjoy"), ("imjoy_engine", "engine/imjoy_engine")):
        shutil.copytree(ROOT / source, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    borrowed = [each for each in sys.path if each.endswith("site-packages")]
    (site / "borrowed.pth").write_text("".join(f"{each}\n" for each in borrowed))
    info = site / f"imjoy-{__version__}.dist-info"
    info.mkdir()
    requires = "\n".join(f"Requires-Dist: {each}" for each in ("click>=8.1", "psutil>=5.9", "aiohttp>=3.10"))
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: imjoy\nVersion: {__version__}\n{requires}\n"
    )
    files = [
        each
        for package in ("imjoy", "imjoy_engine")
        for each in (site / package).rglob("*")
        if each.is_file()
    ]
    (info / "RECORD").write_text("".join(f"{each.relative_to(site).as_posix()},,\n" for each in files))
    git = {"url": "https://example.org/imjoy", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
    (info / "direct_url.json").write_text(json.dumps(git))
    (prefix / ".imjoy").mkdir()
    receipt = {
        "schema": 1,
        "version": __version__,
        "distribution": "venv",
        "parts": ["bin", "lib", "pyvenv.cfg"],
    }
    (prefix / ".imjoy" / "receipt.json").write_text(json.dumps(receipt))
    # Every machine would else compile the same.
    compileall.compile_dir(site, quiet=2)
    return prefix


@pytest.fixture
def healthy(template: Path, home: Path) -> Iterator[InstalledMachine]:
    """Return a machine on which nothing is wrong."""
    prefix = home / "ImJoyApp"
    shutil.copytree(template, prefix, symlinks=True, copy_function=link_or_copy)
    command = prefix / "bin" / "imjoy"
    python = prefix / "bin" / "python"
    command.write_text(f"#!{python}\nimport sys\nfrom imjoy.__main__ import main\nsys.exit(main())\n")
    command.chmod(0o755)
    # What decides about caches and homes stays; what would leak this test's own packages in does not.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CONDA"))}
    environ["PATH"] = f"{prefix / 'bin'}:{environ['PATH']}"
    environ["SHELL"] = "/bin/bash"
    machine = InstalledMachine(home, prefix, environ)
    yield machine
    if (machine.private / "engine.json").exists():
        machine.imjoy("stop")
