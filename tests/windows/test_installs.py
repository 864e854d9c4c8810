"""Whole installs on Windows: from nothing to an engine that runs an example, and back to nothing."""

from __future__ import annotations

import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from imjoy import __version__
from tests.windows.conftest import EXAMPLES, ROOT, Windows, wait_for

if TYPE_CHECKING:
    from tests.integration.cli.conftest import OnTerminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def double(windows: Windows) -> Iterator[str]:
    """Return a checkout whose planner is a double."""
    name = "C:\\double"
    inside = windows.path(name) / "bootstrap" / "imjoy" / "provision"
    inside.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "windows" / "planner_double.py", inside / "main.py")
    shutil.copy(ROOT / "bootstrap" / "imjoy" / "provision" / "from_script.py", inside)
    for each in (inside, inside.parent):
        (each / "__init__.py").touch()
    yield name
    shutil.rmtree(windows.path(name))


@pytest.mark.parametrize("python", ["with a Python on PATH", "with no Python at all"])
def test_a_person_with_an_umlaut_installs_runs_an_example_and_removes_it_all(
    windows: Windows, offline: tuple[str, dict[str, str]], python: str
) -> None:
    if os.name == "nt" and not python.startswith("with a "):
        pytest.skip("the Python that runs this is found wherever it lies")
    folder, variables = offline
    environ = {**variables, **({} if python.startswith("with a ") else {"WINEPATH": ""})}
    prefix = windows.home / "ImJoyApp"
    for left in (prefix, windows.home / ".ImJoyApp.imjoy"):
        shutil.rmtree(left, ignore_errors=True)  # of a run of this that failed
    installed = windows.install("-Offline", folder, "-Distribution", "venv", "-Json", environ=environ)
    assert installed.code == 0, installed
    assert installed.document["action"] == "install"
    assert (prefix / ".imjoy" / "python").is_dir() == (not python.startswith("with a "))
    for name in ("pip", "imjoy"):
        [by] = prefix.glob(f"Lib/site-packages/{name}-*.dist-info/INSTALLER")
        assert by.read_text().strip() == "uv", name  # not the slow way, which is there for when that fails

    name = f"C:\\users\\{windows.home.name}\\ImJoyApp"
    shutil.copy(EXAMPLES / "Progress.imjoy.html", windows.path("C:\\"))
    example = windows.run("winrun", f"{name}\\Scripts\\imjoy.exe", "run", "C:\\Progress.imjoy.html")
    assert example.code == 0, example

    again = windows.install("-Offline", folder, "-Json", environ=environ)
    assert again.document["action"] == "none", again

    uninstall = ("-Uninstall", "-Yes", "-Json")
    if python.startswith("with a "):
        words = (f"{name}\\Scripts\\python.exe", "-c", "import time; time.sleep(600)")
        with windows.started("winrun", *words):
            wait_for(lambda: windows.processes("time.sleep(600)"), "a program of the prefix")
            held = windows.install(*uninstall)
            for each in windows.processes("time.sleep(600)"):
                each.kill()
        assert held.code == 3, held
        assert "python.exe (process " in held.document["error"]["why"]
    gone = windows.install(*uninstall, environ=environ)
    assert gone.code == 0, gone
    assert gone.document
    assert not prefix.exists()
    assert not (windows.home / ".ImJoyApp.imjoy").exists()


def test_ctrl_c_reaches_the_planner_which_undoes_before_the_script_cleans_up(
    windows: Windows, double: str, on_terminal: Callable[..., OnTerminal]
) -> None:
    undone = windows.path("C:\\undone.txt")
    words = ("-From", double, "-Start", "--", "wait", "C:\\undone.txt")
    try:
        terminal = on_terminal("pwsh", *windows.script(), *words)
        terminal.expect("said on stderr")
        terminal.type("\x03")
        assert terminal.wait() == 130, terminal.text
        assert undone.read_text() == "undone"
        assert not abandoned_folders(windows)
    finally:
        undone.unlink(missing_ok=True)


def test_ctrl_c_that_comes_when_the_planner_has_ended_leaves_nothing_and_ends_with_130(
    windows: Windows, double: str, on_terminal: Callable[..., OnTerminal]
) -> None:
    terminal = on_terminal("pwsh", *windows.script(), "-From", double, "-Start", "--", "hold")
    terminal.expect("the planner is gone")
    terminal.type("\x03")
    assert terminal.wait() == 130, terminal.text
    assert not abandoned_folders(windows)


STEPS = {
    "the lock": ".JoyApp.imjoy/lock/owner",
    "the installer is running": "JoyApp/conda/.installer.info",
    "a part of the environment": "JoyApp/pyvenv.cfg",
    "a part of imjoy": "JoyApp/Lib/site-packages/imjoy-*.dist-info",
    "the first engine": "JoyApp/.imjoy/check-*",
    "the receipt": "JoyApp/.imjoy/receipt.json",
}
MAYBE_WHOLE = ("the first engine", "the receipt")
"""An install may come to its end before what ends it reaches it."""
TRIED = (
    tuple(STEPS) if os.environ.get("IMJOY_EVERY_STEP") else ("the installer is running", "a part of imjoy")
)


def abandoned_folders(windows: Windows) -> list[Path]:
    """Return the temporary folders of install scripts."""
    return list((windows.home / "AppData" / "Local" / "Temp").glob("imjoy-door-*"))


def test_an_installer_of_conda_finds_the_empty_folder_that_it_asks_for_and_ends_with_a_killed_install(
    windows: Windows, offline: tuple[str, dict[str, str]], on_terminal: Callable[..., OnTerminal]
) -> None:
    program = "C:\\double-installer.exe"
    here = ROOT / "tests" / "windows"
    defined = (f"-DOUT={windows.path(program)}", "-DBASE=C:\\Python311", f"-DFILL={here / 'fill_conda.py'}")
    makensis = shutil.which("makensis") or pytest.skip("makensis is not here")
    subprocess.run([makensis, "-V1", *defined, here / "installer_double.nsi"], check=True)
    digest = hashlib.sha256(windows.path(program).read_bytes()).hexdigest()
    words = ["/InstallationType=JustMe", "/S"]
    assert windows.run("winrun", program, *words, "/D=C:\\users").code == 2  # as it is not empty

    above = windows.path("C:\\Im")
    for left in (above, *abandoned_folders(windows)):
        shutil.rmtree(left, ignore_errors=True)  # of a run of this that failed
    prefix = ("-Prefix", "C:\\Im\\JoyApp")
    given = ["-Distribution", "miniconda", "-Installer", program, "-Sha256", digest, "-Offline", "C:\\wheels"]
    line = ("pwsh", *windows.script(), *prefix, *given, "-Yes")  # as nobody answers here
    owner = above / ".JoyApp.imjoy" / "lock" / "owner"

    def whole() -> bool:
        return bool(list(above.glob(STEPS["the receipt"])))

    def record() -> str:
        with suppress(FileNotFoundError):
            return owner.read_text()
        return ""

    def ended(step: str, end: Callable[[OnTerminal, str], object], code: int) -> None:
        """Have an install end at a step; with another code only where it has become whole by then."""
        if whole():
            shutil.rmtree(above)
        of_one_killed = record()
        terminal = on_terminal(*line)
        terminal.until(lambda: record() not in ("", of_one_killed), "the planner's record")
        planner = record().split()[0]
        terminal.until(lambda: list(above.glob(STEPS[step])), step)
        end(terminal, planner)
        assert terminal.wait() == code or (step in MAYBE_WHOLE and whole()), (step, terminal.text)
        assert not abandoned_folders(windows)

    for step in TRIED:
        ended(step, lambda terminal, planner: terminal.type("\x03"), 130)
        assert above.exists() == whole(), step  # before it is whole, nothing is left
    for step in TRIED:
        ended(step, lambda terminal, planner: windows.kill(planner), 1)
        wait_for(lambda: not windows.processes("double-installer.exe"), "the end of what the planner ran")

    done = windows.install(*prefix, *given, "-Json")
    assert done.code == 0, done
    conda = windows.run("winrun", "C:\\Im\\JoyApp\\Scripts\\conda.exe", "-V")
    assert conda.said.strip() == "conda 26.7.1", conda

    gone = windows.install(*prefix, "-Uninstall", "-Yes")
    assert gone.code == 0, gone
    assert not above.exists()


def test_the_source_of_an_address_is_the_archive_of_its_branch(
    windows: Windows, double: str, tmp_path: Path
) -> None:
    folder = tmp_path / "lab" / "imjoy" / "archive"
    folder.mkdir(parents=True)
    with tarfile.open(folder / "wip.tar.gz", "w:gz") as packed:
        packed.add(windows.path(double), "imjoy-0123")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/lab/imjoy.git"
        done = windows.install("-From", f"git+{url}@wip#egg=imjoy")
        server.shutdown()
    assert done.code == 9, done
    handed = done.document["handed"]
    assert handed["IMJOY_DOOR_SOURCE"].endswith("\\source\\imjoy-0123")
    assert handed["IMJOY_DOOR_ARCHIVE"].endswith("\\source.tar.gz")


@pytest.mark.parametrize(
    ("prefix", "id"),
    [("Q:\\x", "prefix.not_a_folder"), ("HKCU:\\x", "prefix.name")],
)
def test_a_folder_that_cannot_be_is_refused_by_a_sentence(windows: Windows, prefix: str, id: str) -> None:
    done = windows.install(
        "-Offline", "C:\\wheels", "-Prefix", prefix, "-Distribution", "venv", "-DryRun", "-Json"
    )
    assert done.code == 3, done
    assert [each["id"] for each in done.document["problems"]] == [id]


def test_the_line_of_the_readme_works_pasted_into_the_command_prompt(
    on_terminal: Callable[..., OnTerminal],
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [line] = set(re.findall(r"^powershell .*install\.ps1.*$", text, re.MULTILINE))
    url = re.search(r"https://\S+?/install\.ps1", line)
    assert url is not None
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=ROOT)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        here = line.replace(url[0], f"http://127.0.0.1:{server.server_address[1]}/install.ps1")
        terminal = on_terminal("winrun", "cmd.exe")
        terminal.expect(">")
        terminal.type(here.replace("-Start", "-Version") + "\r")
        terminal.expect(f"\nimjoy {__version__}")
        terminal.type("exit\r")
        server.shutdown()
    assert terminal.wait() == 0, terminal.text
