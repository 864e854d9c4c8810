"""Every verb of imjoy on Windows, as Jörg Müller types it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from imjoy_engine.terminal.client import EngineClient
from tests.windows.conftest import EXAMPLES, Done, Windows, wait_for

if TYPE_CHECKING:
    from tests.integration.cli.conftest import OnTerminal

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PLUGIN = """\
<config lang="json">{{"name": "{name}", "type": "native-python", "version": "1", "requirements": [], {more}}}</config>
<script lang="python">
{script}
</script>
"""
CHILD = """\
import os, subprocess, sys, time
from imjoy import api
class Plugin:
    def run(self, ctx=None):
        child = [sys.executable, "-c", "import subprocess, sys, time; print(subprocess.Popen("
            "[sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True); time.sleep(600)"]
        self.child = subprocess.Popen(child, stdout=subprocess.PIPE)
        return [os.getpid(), self.child.pid, int(self.child.stdout.readline())]
api.export(Plugin())
"""
RUN = """\
import multiprocessing, os, sys
from imjoy import api
def square(x):
    return x * x
class Plugin:
    def setup(self):
        pass
    def run(self, ctx=None):
        print("Ω ę 漢")
        path = os.path.join(api.WORK_DIR, "données.txt")
        with open(path, "w", encoding="utf-8") as file:
            file.write("Ω")
        with multiprocessing.Pool(1) as pool:
            return {"squares": pool.map(square, [1, 2, 3]), "path": path}
if __name__ == "__main__" or True:
    api.export(Plugin())
"""
# Waits until none of some processes is there, and says which are.
GONE = """\
import psutil, sys, time
left = set(map(int, sys.argv[1:]))
for _ in range(600):
    left &= set(psutil.pids())
    if not left:
        break
    time.sleep(0.1)
print(sorted(left))
"""
HOLDER = """\
import socket, sys
held = socket.socket()
held.bind(("127.0.0.1", 0))
held.listen()
open(sys.argv[1], "w").write(str(held.getsockname()[1]))
while True:
    held.accept()[0].close()
"""

# A window that nobody sees, such as those of the Explorer: writes down when it is told that the environment changed.
LISTENER = """\
import ctypes, sys
from ctypes import wintypes
user = ctypes.windll.user32
handler = ctypes.WINFUNCTYPE(ctypes.c_ssize_t, wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
user.DefWindowProcW.argtypes = [wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM]
user.DefWindowProcW.restype = ctypes.c_ssize_t
@handler
def hear(window, message, first, second):
    if message == 0x001A and second and ctypes.wstring_at(second) == "Environment":
        open(sys.argv[1], "w").write("told")
        user.PostQuitMessage(0)
    return user.DefWindowProcW(window, message, first, second)
class Kind(ctypes.Structure):
    _fields_ = [("style", wintypes.UINT), ("hear", handler), ("a", ctypes.c_int), ("b", ctypes.c_int),
        ("instance", wintypes.HANDLE), ("icon", wintypes.HANDLE), ("cursor", wintypes.HANDLE),
        ("brush", wintypes.HANDLE), ("menu", wintypes.LPCWSTR), ("name", wintypes.LPCWSTR)]
user.RegisterClassW(ctypes.byref(Kind(hear=hear, name="Listener")))
assert user.CreateWindowExW(0, "Listener", "Listener", 0, 0, 0, 0, 0, None, None, None, None)
open(sys.argv[1], "w").write("there")
message = wintypes.MSG()
while user.GetMessageW(ctypes.byref(message), None, 0, 0) > 0:
    user.DispatchMessageW(ctypes.byref(message))
"""


@pytest.fixture
def workspace(windows: Windows) -> Iterator[str]:
    """Return a workspace that goes after the test, with the engine that serves it."""
    name = f"C:\\wörk {uuid4().hex[:8]}"
    yield name
    windows.run("imjoy", "stop", "--workspace", name)
    shutil.rmtree(windows.path(name), ignore_errors=True)


def start(windows: Windows, workspace: str, *words: str) -> dict[str, Any]:
    """Start an engine in the background; return what that printed."""
    done = windows.run(
        "imjoy", "start", "--detach", "--port", "0", "--json", "--workspace", workspace, *words
    )
    assert done.code == 0, done
    return done.document


def client(windows: Windows, workspace: str, engine: dict[str, Any]) -> EngineClient:
    token = windows.path(workspace) / ".imjoy" / "token"
    return EngineClient(engine["url"], token.read_text().strip())


def write_plugin(windows: Windows, workspace: str, script: str, name: str = "Plugin", more: str = "") -> str:
    folder = windows.path(workspace)
    folder.mkdir(exist_ok=True)
    source = PLUGIN.format(name=name, script=script, more=more or '"description": ""')
    (folder / f"{name}.imjoy.html").write_text(source, encoding="utf-8")
    return f"{workspace}\\{name}.imjoy.html"


def result_of(said: str) -> tuple[Any, str]:
    """Return what the events of a run say that it gave, and what the plugin printed."""
    events = [json.loads(line) for line in said.splitlines() if line.strip()]
    [value] = [each["value"] for each in events if each["event"] == "result"]
    return value, "".join(each["text"] for each in events if each["event"] == "log")


def left_of(windows: Windows, pids: list[int]) -> str:
    """Return which of these processes are there after a minute, as a list."""
    return windows.run("winpython", "-c", GONE, *map(str, pids)).said.strip()


def test_an_engine_is_started_known_asked_and_stopped(windows: Windows, workspace: str) -> None:
    engine = start(windows, workspace)
    with urllib.request.urlopen(f"{engine['url']}/healthz", timeout=30) as answer:
        assert answer.status == 200
    again = start(windows, workspace)
    assert again["already_running"] and again["pid"] == engine["pid"]
    at = ("--workspace", workspace)
    status = windows.run("imjoy", "status", "--json", *at)
    assert (status.code, status.document["url"]) == (0, engine["url"]), status
    token = windows.run("imjoy", "token", *at).said.strip()
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    rotated = windows.run("imjoy", "token", "--rotate", *at)
    assert rotated.code == 0 and token not in rotated.said, rotated
    assert windows.run("imjoy", "logs", "-n", "5", *at).said.strip()
    stopped = windows.run("imjoy", "stop", "--json", *at)
    assert stopped.code == 0, stopped
    assert left_of(windows, [engine["pid"]]) == "[]"
    assert windows.run("imjoy", "status", *at).code != 0


def test_nobody_else_may_read_the_token(windows: Windows, workspace: str) -> None:
    start(windows, workspace)
    private = windows.path(workspace) / ".imjoy"
    assert windows.is_private(private / "token") and windows.is_private(private)
    seen = windows.run(
        "pwsh",
        "-NoProfile",
        "-Command",
        f"(Get-Acl '{workspace}\\.imjoy\\token').Access.IdentityReference.Value",
    )
    assert "Everyone" not in seen.said and seen.said.strip(), seen
    windows.open_to_everyone(private / "token")
    look = ("doctor", "--only", "engine.token", "--workspace", workspace)
    found = windows.run("imjoy", *look)
    assert found.code == 1 and "Everyone" in found.said, found
    assert windows.run("imjoy", *look, "--fix", "--yes").code == 0
    assert windows.is_private(private / "token")


@pytest.mark.parametrize("what", ["the plugin", "its process", "the engine", "the engine by force"])
def test_what_a_plugin_started_ends_with(windows: Windows, workspace: str, what: str) -> None:
    engine = start(windows, workspace)
    speaker = client(windows, workspace, engine)

    async def begin() -> tuple[str, list[int]]:
        started = await speaker.start_plugin(
            source=PLUGIN.format(name="Parent", script=CHILD, more='"description": ""'),
            file="Parent.imjoy.html",
        )
        async with await speaker.connect(started["id"], {}, timeout=300) as connection:
            return started["id"], list(await connection.call("run", timeout=120))

    id, pids = asyncio.run(begin())
    if what == "the plugin":
        asyncio.run(speaker.request("DELETE", f"/api/v1/plugins/{id}"))
    elif what == "its process":
        windows.kill(pids[0])
    elif what == "the engine":
        assert windows.run("imjoy", "stop", "--workspace", workspace).code == 0
    else:
        windows.kill(engine["pid"])
        pids.append(engine["pid"])
    assert left_of(windows, pids) == "[]"


@pytest.mark.parametrize("page", ["437", "1252", "65001"])
def test_a_plugin_runs_and_every_letter_of_it_reaches_a_file_and_a_pipe(
    windows: Windows, workspace: str, page: str
) -> None:
    file = write_plugin(windows, workspace, RUN)
    # Its own letters a .cmd would have in that code page, so it has none.
    run = f'"{windows.command}" run "%PLUGIN%" --json --workspace "%WORKSPACE%"'
    line = f'@chcp {page} >nul\r\n@{run} >"%WORKSPACE%\\out.txt" 2>"%WORKSPACE%\\err.txt"\r\n'
    windows.path("C:\\line.cmd").write_bytes(line.encode("ascii"))
    environ = {"PLUGIN": file, "WORKSPACE": workspace}
    done = windows.run("winrun", "cmd.exe", "/c", "C:\\line.cmd", environ=environ)
    said = (windows.path(workspace) / "out.txt").read_bytes()
    told = (windows.path(workspace) / "err.txt").read_bytes().decode("utf-8")
    assert done.code == 0, (done, said, told)
    assert said.isascii()
    value, text = result_of(said.decode())
    assert value["squares"] == [1, 4, 9]
    assert text == "Ω ę 漢\n"
    assert windows.path(value["path"]).read_text(encoding="utf-8") == "Ω"
    assert "\x1b" not in said.decode() + told


def test_a_name_of_two_hundred_characters_is_one_of_a_file_but_has_no_room_for_environments(
    windows: Windows, workspace: str
) -> None:
    long = f"{workspace}\\{'größe ' * 15}x\\{'lang' * 24}x"
    assert len(long) > 190
    windows.path(long).mkdir(parents=True)
    file = write_plugin(windows, long, RUN)
    done = windows.run("imjoy", "run", file, "--json", "--workspace", workspace)
    assert done.code == 0, done
    assert result_of(done.said)[0]["squares"] == [1, 4, 9]
    refused = windows.run("imjoy", "run", file, "--workspace", long)
    assert refused.code == 1 and "env.long-name" in refused.told + refused.said, refused


def test_a_plugin_that_crashes_is_told_by_the_code_that_windows_knows(
    windows: Windows, workspace: str
) -> None:
    file = write_plugin(windows, workspace, "import ctypes\nctypes.windll.kernel32.ExitProcess(0xC0000005)\n")
    done = windows.run("imjoy", "run", file, "--workspace", workspace)
    assert done.code != 0
    assert "0xC0000005" in done.said + done.told, done


@contextmanager
def held_port(windows: Windows, workspace: str) -> Iterator[tuple[str, int]]:
    """Have a program hold a port; yield both, as text and as its number."""
    windows.path(workspace).mkdir()
    windows.path("C:\\holder.py").write_text(HOLDER)
    note = windows.path(workspace) / "port.txt"
    with windows.started("winpython", "C:\\holder.py", f"{workspace}\\port.txt"):
        wait_for(lambda: note.exists() and note.read_text(), "the port")
        port = note.read_text()
        listed = windows.run("imjoy", "doctor", "--port", port, "--json")
        [listener] = listed.document["listeners"]
        assert "holder.py" in listener["command"]
        try:
            yield port, listener["pid"]
        finally:
            windows.kill(listener["pid"])


def test_a_cluster_is_refused_by_a_sentence(windows: Windows, workspace: str) -> None:
    words = ("--detach", "--port", "0", "--cluster", "slurm", "--json", "--workspace", workspace)
    refused = windows.run("imjoy", "start", *words)
    assert refused.document["error"]["id"] == "cluster.missing", refused


def test_who_has_a_port_is_named_and_ended_only_when_told_so(windows: Windows, workspace: str) -> None:
    with held_port(windows, workspace) as (port, pid):
        taken = windows.run("imjoy", "start", "--detach", "--port", port, "--workspace", workspace)
        assert taken.code == 5 and "python.exe" in taken.said + taken.told, taken
        killed = windows.run("imjoy", "doctor", "--port", port, "--kill", str(pid), "--yes")
        assert killed.code == 0, killed
        assert left_of(windows, [pid]) == "[]"
    assert windows.run("imjoy", "doctor", "--port", port, "--json").document["free"]


def test_on_a_terminal_a_stranger_is_ended_only_by_typing_its_number(
    windows: Windows, workspace: str, on_terminal: Callable[..., OnTerminal]
) -> None:
    with held_port(windows, workspace) as (port, pid):
        words = ("start", "--no-open", "--port", port, "--workspace", workspace)
        terminal = on_terminal("imjoy", *words)
        offered = int(terminal.expect("[3] quit:").rpartition("[1] use ")[2].split()[0])
        assert f"(pid {pid}, you)" in terminal.text and "holder.py" in terminal.text
        terminal.type("1\r")
        terminal.expect(f"http://127.0.0.1:{offered}")
        terminal.expect("Ctrl-C, here")
        terminal.type("\x03")
        assert terminal.wait() == 130

        terminal = on_terminal("imjoy", "doctor", "--port", port, "--kill", str(pid))
        terminal.expect(f"Type {pid} to stop it:")
        terminal.type("yes\r")
        assert terminal.wait() == 1

        terminal = on_terminal("imjoy", *words)
        terminal.expect("[3] quit:")
        terminal.type("2\r")
        terminal.expect(f"Type {pid} to stop it:")
        terminal.type(f"{pid}\r")
        terminal.expect(f"http://127.0.0.1:{port}")
        assert left_of(windows, [pid]) == "[]"
        terminal.expect("Ctrl-C, here")
        terminal.type("\x03")
        assert terminal.wait() == 130


def test_path_is_put_into_the_registry_and_taken_out_again(windows: Windows) -> None:
    def known() -> str:
        return windows.run("winrun", "reg", "query", "HKCU\\Environment", "/v", "Path").said

    prefix = ("--prefix", "C:\\Im Joy")
    told = windows.run("imjoy", "path", *prefix, "--shell", "bash", "--json").document
    assert told["session"] == 'export PATH="/c/Im Joy:/c/Im Joy/Scripts:$PATH"'
    windows.path("C:\\listener.py").write_text(LISTENER)
    note = windows.path("C:\\heard.txt")
    note.unlink(missing_ok=True)
    with windows.started("winpython", "C:\\listener.py", "C:\\heard.txt"):
        wait_for(lambda: note.exists() and note.read_text(), "the window")
        assert windows.run("imjoy", "path", *prefix, "--apply").code == 0
        # Windows that are opened later know it, without a new session.
        wait_for(lambda: note.read_text() == "told", "the message")
    assert "C:\\Im Joy\\Scripts" in known()
    assert windows.run("imjoy", "path", *prefix, "--remove").code == 0
    assert "Im Joy" not in known()


def test_the_menu_and_the_login_start_it_until_told_otherwise(windows: Windows) -> None:
    def run(*words: str) -> dict[str, Any]:
        done = windows.run("imjoy", "desktop", *words, "--json", "--prefix", "C:\\no install")
        assert done.code == 0, done
        return done.document

    files = [windows.path(each) for each in run("add")["files"]]
    run("autostart", "on")
    state = run()
    assert state["menu"] and state["autostart"] and all(each.exists() for each in files), state
    assert {each.suffix for each in files} == {".ico", ".txt", ".lnk"}
    run("remove")
    run("autostart", "off")
    state = run()
    assert not state["menu"] and not state["autostart"] and not any(each.exists() for each in files), state


@pytest.mark.parametrize(
    "words",
    [
        ("doctor", "--offline", "--json"),
        ("doctor", "--list"),
        ("env", "list", "--json"),
        ("--version",),
        ("--help",),
        ("install", "--dry-run", "--distribution", "venv", "--json"),
    ],
)
def test_a_verb_that_only_looks_says_one_thing_and_no_colour(
    windows: Windows, workspace: str, words: tuple[str, ...]
) -> None:
    more = ("--workspace", workspace) if words[0] in ("doctor", "env") else ()
    done: Done = windows.run("imjoy", *words, *more)
    assert done.code in (0, 1), done
    assert "Traceback" not in done.told
    if "--json" in words:
        assert done.document


def newer(windows: Windows, number: int) -> str:
    """Return a wheel that is the bench's own imjoy but for its number."""
    import zipfile

    [wheel] = windows.path("C:\\wheels").glob("imjoy-*.whl")
    version = wheel.name.split("-")[1]
    new = f"99.{number}.0"
    folder = windows.path("C:\\newer")
    folder.mkdir(exist_ok=True)
    target = folder / wheel.name.replace(version, new)
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(("/METADATA", "imjoy/__init__.py")):
                content = content.replace(version.encode(), new.encode(), 1)
            if name.endswith("/RECORD"):
                content = re.sub(rb"(imjoy/__init__\.py|METADATA),[^\n]*", rb"\1,,", content)
                content = content.replace(version.encode(), new.encode())
            packed.writestr(name.replace(f"-{version}.", f"-{new}."), content)
    return f"C:\\newer\\{target.name}"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    "ways",
    [
        ("exe", "module", "exe"),
        *([("exe",) * 3, ("module",) * 3] if os.environ.get("IMJOY_EVERY_STEP") else []),
    ],
)
def test_an_upgrade_and_a_step_back_work_three_times_in_a_row(
    windows: Windows, workspace: str, ways: tuple[str, ...]
) -> None:
    home = f"C:\\up {uuid4().hex[:6]}"
    made = windows.run("winpython", "-m", "venv", "--without-pip", home)
    assert made.code == 0, made
    local = ("--no-index", "--find-links", "C:\\wheels", "--python", f"{home}\\Scripts\\python.exe")
    # By its place: of a name uv takes what it had once under this version, whose dependencies may have been others.
    [wheel] = windows.path("C:\\wheels").glob("imjoy-*.whl")
    ours = f"C:\\wheels\\{wheel.name}"
    filled = windows.run("winpython", "-m", "uv", "pip", "install", "--quiet", *local, ours, "pip")
    assert filled.code == 0, filled
    programs = {
        "exe": (f"{home}\\Scripts\\imjoy.exe",),
        "module": (f"{home}\\Scripts\\python.exe", "-m", "imjoy"),
    }

    def run(way: str, *words: str) -> Done:
        done = windows.run("winrun", *programs[way], *words)
        assert done.code == 0, done
        return done

    at = ("--workspace", workspace, "--yes", "--json")
    before = run("exe", "--version").said.split()[1]
    try:
        for number, way in enumerate(ways):
            run(way, "upgrade", "--from", newer(windows, number), *at)
            assert run(way, "--version").said.split()[1] == f"99.{number}.0"
            run(way, "upgrade", "--rollback", *at)
            assert run(way, "--version").said.split()[1] == before
    finally:
        shutil.rmtree(windows.path(home), ignore_errors=True)
        shutil.rmtree(windows.path("C:\\newer"), ignore_errors=True)


def examples() -> list[str]:
    """Return the native examples that need nothing, or numpy alone, whichever it is."""
    found = []
    for file in sorted((EXAMPLES).glob("*.imjoy.html")):
        text = file.read_text(encoding="utf-8")
        asked = re.search(r'"requirements": (\[.*?\]|\{)', text, re.DOTALL)
        if '"native-python"' in text and asked and asked[1] in ("[]", '["numpy"]'):
            found.append(file.name)
    return found


@pytest.mark.parametrize("name", examples())
def test_an_example_runs(windows: Windows, workspace: str, name: str) -> None:
    windows.path(workspace).mkdir()
    shutil.copy(EXAMPLES / name, windows.path(workspace) / name)
    done = windows.run("imjoy", "run", f"{workspace}\\{name}", "--workspace", workspace)
    assert done.code == 0, done
