"""What tests of ``install.sh`` need: a machine of its own making, a double of the planner, and things to fetch.

The bash is the one on PATH, or that which ``TEST_BASH`` names: the whole of these tests runs in an old one too.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.kit.forge import git
from tests.kit.mirror import Mirror
from tests.shell.macos import doubles

ROOT = Path(__file__).resolve().parents[3]
BASH = os.environ.get("TEST_BASH") or shutil.which("bash") or ""
PLANNER = Path(__file__).with_name("planner_double.py")
FROM_SCRIPT = ROOT / "bootstrap" / "imjoy" / "provision" / "from_script.py"
COMMANDS = (
    *("bash", "cat", "chmod", "curl", "date", "env", "getconf", "git", "gzip", "ln", "mkdir", "mktemp", "mv"),
    *("ps", "rm", "sed", "sh", "sha256sum", "sleep", "tar", "touch", "uname", "wc", "git-remote-http"),
)
"""What a small machine has, but no Python."""

APPLE = bool(os.environ.get("TEST_MACOS"))
"""Whether every machine has the commands of a Mac."""

pytestmark = pytest.mark.skipif(not BASH, reason="bash is not here")


def write_checkout(folder: Path) -> Path:
    """Write what an install script takes for a checkout of imjoy, with the double of the planner, and return it."""
    package = folder / "bootstrap" / "imjoy" / "provision"
    package.mkdir(parents=True)
    for each in (package, package.parent):
        (each / "__init__.py").touch()
    shutil.copy(PLANNER, package / "main.py")
    shutil.copy(FROM_SCRIPT, package)
    (folder / "pyproject.toml").touch()
    return folder


def program(file: Path, text: str) -> Path:
    """Write a shell script that can be run."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


@dataclass
class Machine:
    """A machine: the commands on its PATH, its home, its temporary folder, and what is said there."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    apple: bool = APPLE

    def __post_init__(self) -> None:
        for each in (self.commands, self.home, self.temporary, self.doubles):
            each.mkdir(parents=True)
        for name in COMMANDS:
            if found := shutil.which(name):
                (self.commands / name).symlink_to(found)
        if self.apple:
            doubles.install(self.commands)
            self.without("sha256sum")
            for name in ("shasum", "perl"):
                (self.commands / name).symlink_to(shutil.which(name) or "/nowhere")

    @property
    def commands(self) -> Path:
        """Return the folder with links to the commands of this machine."""
        return self.folder / "commands"

    @property
    def doubles(self) -> Path:
        """Return the folder that comes first on PATH."""
        return self.folder / "doubles"

    @property
    def home(self) -> Path:
        """Return the home."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """Return the temporary folder."""
        return self.folder / "temporary"

    def without(self, *names: str) -> None:
        """Take commands away."""
        for name in names:
            (self.commands / name).unlink(missing_ok=True)

    def has(self, name: str, text: str) -> Path:
        """Have a double of a command."""
        return program(self.doubles / name, text)

    def python(self, name: str = "python3") -> Path:
        """Have a Python that works."""
        return self.has(name, f'exec "{sys.executable}" "$@"')

    def environ(self) -> dict[str, str]:
        """Return the variables of whoever is here, and no others."""
        return {
            "PATH": f"{self.doubles}:{self.commands}",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYENV_ROOT": "/nowhere",
            "IMJOY_MIRROR": "http://127.0.0.1:9",
            "GIT_CONFIG_NOSYSTEM": "1",
            **self.variables,
        }

    def run(self, *words: object, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a terminal."""
        options: dict[str, Any] = {
            "timeout": 60,
            **({} if "input" in more else {"stdin": subprocess.DEVNULL}),
        }
        return subprocess.run(
            list(map(str, words)),
            **{"env": self.environ(), "cwd": self.home, **options, **more},
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a command in a session of its own."""
        return subprocess.Popen(
            list(map(str, words)),
            env=self.environ(),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def left(self) -> list[str]:
        """Return what lies in the temporary folder and the home."""
        return sorted(each.name for folder in (self.temporary, self.home) for each in folder.iterdir())


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return what the double of the planner said."""
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def failure(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the error of the one document that an install script printed."""
    assert done.stdout.isascii()
    document = json.loads(done.stdout)
    assert (document["schema"], document["kind"]) == (1, "failure")
    assert document["error"]["exit_code"] == done.returncode
    error: dict[str, Any] = document["error"]
    assert re.search("error: " + re.escape(error["what"]).replace(r"\?", r"[\s\S]{0,4}"), done.stderr)
    return error


def processes_of(session: int) -> list[str]:
    """Return the commands that still run in a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(stat.with_name("cmdline").read_text().replace("\0", " "))
        except OSError:  # it has just ended
            continue
    return found


def nothing_runs(session: int) -> bool:
    """Wait for a session to be empty; what was killed takes a moment to be gone."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if not processes_of(session):
            return True
        time.sleep(0.01)
    return False


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine without a Python."""
    return Machine(tmp_path / "machine")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with the script in it."""
    folder = write_checkout(tmp_path / "a checkout")
    shutil.copy(ROOT / "install.sh", folder)
    return folder


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Return the script alone, as a download is, a little less patient than the real one."""
    text = (ROOT / "install.sh").read_text(encoding="utf-8")
    for name, seconds in (("START_SECONDS", 1), ("STALL_SECONDS", 1), ("CONNECT_SECONDS", 2)):
        before = text
        text = "\n".join(
            f"{name}={seconds}" if line.startswith(f"{name}=") else line for line in text.split("\n")
        )
        assert text != before
    file = tmp_path / "downloaded" / "install.sh"
    file.parent.mkdir()
    file.write_text(text, encoding="utf-8")
    return file


@dataclass(frozen=True)
class Archive:
    """A file on a server, and its SHA-256."""

    file: Path
    sha256: str


def bring(machine: Machine, server: Mirror, how: str, archive: Archive) -> None:
    """Name the build that is to be fetched, and how the server behaves."""
    machine.variables["IMJOY_PYTHON_URL"] = f"{server.url}/{how}/{archive.file.name}"
    machine.variables["IMJOY_PYTHON_SHA256"] = archive.sha256


@pytest.fixture
def python_archive(tmp_path: Path) -> Archive:
    """Return an archive in the layout of python-build-standalone; its Python is a script that calls the running one."""
    served = tmp_path / "mirror"
    served.mkdir(exist_ok=True)
    file = served / "cpython.tar.gz"
    with tarfile.open(file, "w:gz") as archive:
        for name, content, mode in (
            ("python/bin/python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'.encode(), 0o755),
            # So that half of it can come.
            ("python/lib/much", os.urandom(200_000), 0o644),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid = len(content), mode, 12345
            archive.addfile(member, io.BytesIO(content))
    return Archive(file, hashlib.sha256(file.read_bytes()).hexdigest())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mirror]:
    """Return a server that has what the other fixtures put into its folder."""
    folder = tmp_path / "mirror"
    folder.mkdir(exist_ok=True)
    with Mirror(folder).served() as mirror:
        yield mirror


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of the double, with one commit."""
    folder = write_checkout(tmp_path / "forge" / "work")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    git(folder.parent, "clone", "--quiet", "--bare", str(folder), str(folder.parent / "imjoy.git"))
    return folder.parent / "imjoy.git"
