"""How packages come into an environment that was made without pip."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import threading
import venv
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import requires
from pathlib import Path

import pip
import pytest
from packaging.requirements import Requirement
from uv import find_uv_bin

from imjoy.provision.apply import interpreter
from imjoy.provision.facts.uv import UV
from imjoy.provision.steps import packages

WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def wheel(folder: Path, name: str, version: str = "1") -> Path:
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", "print('it is here')")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    return file


def run(python: Path, *words: str) -> str:
    done = subprocess.run([str(python), "-I", "-B", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def find(python: Path, module: str) -> str:
    return run(python, "-c", f"import importlib.util as it; print(it.find_spec({module!r}))").strip()


def test_where_uv_cannot_be_had_or_fails_pip_comes_from_ensurepip_and_installs_all(tmp_path: Path) -> None:
    # Nor can that of the machine do it, which is asked first: Windows does not even start a script of a shell.
    failing = tmp_path / "failing"
    failing.write_text(f"#!/bin/sh\necho asked >> '{tmp_path}/told'\nexit 1\n")
    failing.chmod(0o755)
    venv.create(tmp_path / "environment", with_pip=False)
    python = interpreter(tmp_path / "environment")
    (tmp_path / "offline").mkdir()
    start = packages.command(python)[3:]
    offline = ("--offline", str(tmp_path / "offline"))
    run(python, *start, "install", str(wheel(tmp_path, "demo")), *offline, "--uv", str(failing))
    assert sys.platform == "win32" or (tmp_path / "told").read_text() == "asked\n"
    assert "it is here" in run(python, "-c", "import demo")
    assert run(python, "-m", "pip", "--version").startswith("pip ")
    uv = Path(run(python, "-c", WHERE).strip()) / "uv"
    uv.mkdir()
    (uv / "__main__.py").write_text("raise SystemExit('I do not start on this machine')")
    run(python, *start, "install", str(wheel(tmp_path, "other")), *offline)
    assert "it is here" in run(python, "-c", "import other")


def starts_told(python: Path) -> Path:
    """Have the Python of an environment write down, each time that it starts, with which words; return the file."""
    place = Path(run(python, "-c", WHERE).strip())
    told = place / "starts"
    line = f"import sys\nwith open({str(told)!r}, 'a') as told: print(sys.orig_argv, file=told)\n"
    (place / "sitecustomize.py").write_text(line)
    return told


def test_a_uv_of_the_machine_installs_all_in_one_command_and_no_pip_is_started(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=False)
    python = interpreter(tmp_path / "environment")
    (tmp_path / "offline").mkdir()
    wheel(tmp_path / "offline", "uv", "0.9")
    started = starts_told(python)
    start = packages.command(python)[3:]
    options = ("--offline", str(tmp_path / "offline"), "--uv", find_uv_bin())
    run(python, *start, "install", str(wheel(tmp_path, "demo")), *options)
    # uv asks the Python what it is by a script on a path, or in a word, of its own.
    words = [word for line in started.read_text().splitlines() for word in ast.literal_eval(line)]
    assert words.count(packages.STARTER) == 1
    assert "-m" not in words
    assert packages.PIP_OF_PLACE not in words
    assert "it is here" in run(python, "-c", "import demo, uv")
    assert run(python, "-m", "pip", "--version").startswith("pip ")


def test_a_pip_that_lies_elsewhere_takes_nothing_there_for_installed_here(tmp_path: Path) -> None:
    venv.create(tmp_path / "here", with_pip=False)
    place = str(Path(pip.__file__).parents[1])
    listed = run(interpreter(tmp_path / "here"), "-c", packages.PIP_OF_PLACE, place, "list", "--format=json")
    assert json.loads(listed) == []


def test_as_it_is_an_environment_builds_and_gets_nothing_for_that(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=False)
    python = interpreter(tmp_path / "environment")
    # What ensurepip would put there, at a tenth of its work.
    bundled = packages._wheel_of_pip()
    assert bundled is not None
    words = ("pip", "install", "--quiet", "--no-index", "--python", python, bundled)
    subprocess.run([find_uv_bin(), *words], check=True)
    before = run(python, "-m", "pip", "freeze", "--all")
    command = packages.command(
        python, "build", str(wheel(tmp_path, "demo")), str(tmp_path / "wheels"), "--as-is"
    )
    assert subprocess.run(command, check=False).returncode == 0
    assert [each.name for each in (tmp_path / "wheels").iterdir()] == ["demo-1-py3-none-any.whl"]
    assert run(python, "-m", "pip", "freeze", "--all") == before


def test_a_python_without_pip_and_uv_builds_a_folder_by_the_uv_of_the_machine(tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=False)
    python = interpreter(tmp_path / "environment")
    source = tmp_path / "source"
    source.mkdir()
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (source / "pyproject.toml").write_text(backend)
    (source / "backend.py").write_text(f"""import shutil
def build_wheel(folder, *options):
    shutil.copy({str(wheel(tmp_path, "demo"))!r}, folder)
    return "demo-1-py3-none-any.whl"
""")
    started = starts_told(python)
    words = ("build", str(source), str(tmp_path / "wheels"), "--as-is", "--uv", find_uv_bin())
    run(python, *packages.command(python)[3:], *words)
    assert (tmp_path / "wheels" / "demo-1-py3-none-any.whl").exists()
    assert "'-m'" not in started.read_text()
    assert find(python, "pip") == find(python, "uv") == "None"


def test_uv_is_fetched_as_imjoy_requires_it() -> None:
    assert Requirement(UV) in [Requirement(line) for line in requires("imjoy") or ()]


def test_a_second_first_install_takes_from_the_cache_what_the_first_one_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What this index serves may be kept, but it gives no hash that one could ask again with, as many a mirror does.
    folder = tmp_path / "simple" / "demo"
    folder.mkdir(parents=True)
    name = wheel(folder, "demo").name
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')
    fetched: list[str] = []
    wheels: list[list[str]] = []

    class Index(SimpleHTTPRequestHandler):
        def send_header(self, keyword: str, value: str) -> None:
            if keyword == "Last-Modified":
                keyword, value = "Cache-Control", "max-age=31536000"
            super().send_header(keyword, value)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            fetched.append(self.path)

    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("UV_DEFAULT_INDEX", f"http://127.0.0.1:{server.server_port}/simple")
        for each in ("one", "two"):
            venv.create(tmp_path / each, with_pip=False)
            python = interpreter(tmp_path / each)
            run(python, *packages.command(python)[3:], "install", "demo")
            assert "it is here" in run(python, "-c", "import demo")
            wheels.append([path for path in fetched if path.endswith(".whl")])
        server.shutdown()
    assert wheels[0]
    assert wheels[1] == wheels[0]
