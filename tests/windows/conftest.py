"""A Windows to run imjoy on: the one that the tests run on, else one in Wine, whose folder IMJOY_WINDOWS_BENCH names.

``.ci/run`` makes that where it can.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

if TYPE_CHECKING:
    from tests.integration.cli.conftest import OnTerminal

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "engine" / "imjoy_engine" / "webapp" / "examples"
RUN_SECONDS = 900
PYTHON_ON_PATH = "C:\\Python311;C:\\Python311\\Scripts"
COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it said."""

    code: int
    said: str
    told: str

    @property
    def document(self) -> dict[str, Any]:
        """Return the one line of JSON that it printed."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        assert len(lines) == 1 and lines[0].isascii(), self
        document: dict[str, Any] = json.loads(lines[0])
        return document


@dataclass(frozen=True)
class Windows:
    """A Windows in ``folder``; the person who uses it is called Jörg Müller."""

    folder: Path
    home: Path

    @property
    def python(self) -> str:
        """Return the folder of its Python."""
        return "C:\\Python311"

    @property
    def command(self) -> str:
        """Return what ``imjoy`` runs."""
        return "C:\\Python311\\Scripts\\imjoy.exe"

    def line(self, tool: str, words: tuple[str, ...]) -> list[str]:
        """Return what runs a tool."""
        return [str(self.folder / "bin" / tool), *words]

    def is_private(self, file: Path) -> bool:
        """Whether nobody but the person may read a file."""
        # Wine keeps a list of Windows as a mode, in which the person's share is the group's too.
        return stat.S_IMODE(file.stat().st_mode) & 0o007 == 0

    def open_to_everyone(self, file: Path) -> None:
        """Let everybody read a file."""
        file.chmod(0o644)

    def path(self, name: str) -> Path:
        """Return where ``C:\\…`` lies."""
        return self.folder.joinpath("prefix", "drive_c", *name.split("\\")[1:])

    def run(
        self, tool: str, *words: str, environ: Mapping[str, str] | None = None, seconds: float = RUN_SECONDS
    ) -> Done:
        """Run one of the bench's tools (``imjoy``, ``winpython``, ``winrun``, ``pwsh``) to its end."""
        # Files, not pipes: what the first program has Wine start holds them open.
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
            code = subprocess.run(
                self.line(tool, words),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=told,
                env={**os.environ, "WINEPATH": PYTHON_ON_PATH, **(environ or {})},
                timeout=seconds,
                check=False,
            ).returncode
            texts = []
            for file in (said, told):
                file.seek(0)
                texts.append(COLOURS.sub("", file.read().decode("utf-8", "replace")).replace("\r", ""))
        return Done(code, *texts)

    @contextmanager
    def started(self, tool: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run one of the bench's tools beside the test, and say nothing of what it says."""
        with subprocess.Popen(
            self.line(tool, words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "WINEPATH": PYTHON_ON_PATH},
        ) as process:
            try:
                yield process
                process.wait(RUN_SECONDS)
            except BaseException:
                process.kill()
                raise

    def processes(self, mark: str) -> list[psutil.Process]:
        """Return the programs of Windows that have ``mark`` in their command line, as this machine sees them."""
        found = []
        for each in psutil.process_iter():
            with suppress(psutil.Error):
                line = each.cmdline()
                if line and line[0].lower().endswith(".exe") and any(mark in word for word in line):
                    found.append(each)
        return found

    def kill(self, pid: int | str) -> None:
        """End a process of Windows by force."""
        self.run("winrun", "taskkill", "/F", "/PID", str(pid))

    def script(self) -> tuple[str, ...]:
        """Return what has PowerShell run install.ps1 of this checkout, copied to where it has no checkout beside it."""
        shutil.copy(ROOT / "install.ps1", self.path("C:\\install.ps1"))
        # What the bench sets for its own pip, the pip that a new Python brings does not know.
        line = "Remove-Item env:PIP_USE_DEPRECATED -ErrorAction Ignore; & C:\\install.ps1 @args; exit $LASTEXITCODE"
        self.path("C:\\script.ps1").write_text(line, encoding="ascii")
        return ("-NoProfile", "-File", "C:\\script.ps1")

    def install(self, *words: str, environ: Mapping[str, str] | None = None) -> Done:
        """Run install.ps1."""
        return self.run("pwsh", *self.script(), *words, environ=environ)


@dataclass(frozen=True)
class ThisWindows(Windows):
    """The Windows that the tests run on, such as that of the workflow."""

    @property
    def python(self) -> str:
        return sys.base_prefix

    def path(self, name: str) -> Path:
        return Path(name)

    @property
    def command(self) -> str:
        return str(Path(sysconfig.get_path("scripts"), "imjoy.exe"))

    def line(self, tool: str, words: tuple[str, ...]) -> list[str]:
        known = {"imjoy": [self.command], "winpython": [sys.executable], "winrun": [], "pwsh": ["pwsh.exe"]}
        return [*known[tool], *words]

    def is_private(self, file: Path) -> bool:
        listed = self.run("winrun", "icacls.exe", str(file))
        assert listed.code == 0, listed
        return not re.search(r"\b(?:Everyone|Users):", listed.said)

    def open_to_everyone(self, file: Path) -> None:
        assert self.run("winrun", "icacls.exe", str(file), "/grant", "*S-1-1-0:R").code == 0


def wait_for(what: Callable[[], object], of: str) -> None:
    """Wait until something is so, for as long as a program may take."""
    deadline = time.monotonic() + RUN_SECONDS
    while not what():
        assert time.monotonic() < deadline, of
        time.sleep(0.1)


@pytest.fixture(scope="session")
def windows() -> Windows:
    """Return the Windows that there is."""
    if os.name == "nt":
        return ThisWindows(Path("C:\\"), Path.home())
    folder = os.environ.get("IMJOY_WINDOWS_BENCH", "")
    if not folder:
        pytest.skip("there is no Windows here: IMJOY_WINDOWS_BENCH names none")
    homes = [each for each in (Path(folder) / "prefix/drive_c/users").iterdir() if " " in each.name]
    return Windows(Path(folder), homes[0])


@pytest.fixture(scope="session")
def tar(windows: Windows) -> Iterator[None]:
    """Have a ``tar.exe`` where Windows has its own; Wine has none, so there it is a double that only knows ``-xzf``."""
    program = windows.path("C:\\windows\\system32\\tar.exe")
    if program.exists():
        yield
        return
    launcher = windows.path(f"{windows.python}\\Lib\\site-packages\\pip\\_vendor\\distlib\\t64.exe")
    line = "import sys, tarfile\nassert sys.argv[1] == '-xzf'\ntarfile.open(sys.argv[2]).extractall()\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as script:
        script.writestr("__main__.py", line)
    first = f"#!{windows.python}\\python.exe -I\n".encode()
    program.write_bytes(launcher.read_bytes() + first + packed.getvalue())
    yield
    program.unlink()


@pytest.fixture(scope="session")
def offline(windows: Windows, tar: None) -> Iterator[tuple[str, dict[str, str]]]:
    """Return a folder that has all that an install needs, and the variables that name the Python in it.

    That is a double of python-build-standalone: the CPython that the bench has, in the same layout, of an older
    version.
    """
    name = "python-double.tar.gz"
    archive = windows.path("C:\\wheels") / name
    without = re.compile(r"/(?:test|__pycache__|Scripts|site-packages/(?!pip|README)[^/]+)(?:/|$)")
    with tarfile.open(archive, "w:gz", compresslevel=1) as packed:
        packed.add(
            windows.path(windows.python),
            "python",
            filter=lambda member: None if without.search(member.name) else member,
        )
    import hashlib

    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    yield (
        "C:\\wheels",
        {
            "IMJOY_PYTHON_URL": f"https://127.0.0.1:9/{name}",
            "IMJOY_PYTHON_SHA256": digest,
        },
    )
    archive.unlink()


@pytest.fixture
def on_terminal(windows: Windows) -> Iterator[Callable[..., OnTerminal]]:
    """Return a function that starts one of the bench's tools on a terminal; what still runs at the end is ended."""
    if os.name == "nt":
        pytest.skip("Windows has no terminal that a test could type on")
    from tests.integration.cli.conftest import OnTerminal

    begun: list[OnTerminal] = []
    # What the first program has Wine start would hold the terminal open.
    windows.run("winrun", "cmd.exe", "/c", "exit")

    def start(tool: str, *words: str) -> OnTerminal:
        begun.append(
            OnTerminal(windows.line(tool, words), 200, {"WINEPATH": PYTHON_ON_PATH}, 50, RUN_SECONDS)
        )
        return begun[-1]

    yield start
    for each in begun:
        each.process.kill()
        each.process.wait(RUN_SECONDS)
        each.close()
