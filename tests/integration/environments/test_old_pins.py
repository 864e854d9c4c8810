"""Old plugins choose the Python that can run them: by the wheels that an index has of what they pin."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import json
import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imjoy_engine.environments.builders import old_pins
from imjoy_engine.environments.builders.old_pins import adapt_to_old_pins, pins_of
from imjoy_engine.environments.builders.venv_env import find_uv
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.planning import plan_environment
from imjoy_engine.environments.specs.spec import EnvironmentSpec, this_platform
from imjoy_engine.plugin_files.manifest import from_config

pytestmark = pytest.mark.skipif(
    this_platform() != "linux-64", reason="the wheels of this test are for linux-64"
)


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an index with wheels of years ago, and nothing else."""
    if find_uv() is None:
        pytest.skip("uv is not installed")
    folder = tmp_path / "wheels"
    folder.mkdir()
    for python in ("36m", "37m", "38"):
        tag = f"cp{python.removesuffix('m')}-cp{python}-manylinux1_x86_64"
        add_wheel(folder, "oldarray", "1.18.2", tag)
        if python != "38":
            add_wheel(folder, "oldnet", "1.15.0", tag)
    add_wheel(folder, "fresh", "3.0", "py3-none-any")
    (folder / "source-2.0.tar.gz").write_bytes(b"no archive")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


def add_wheel(folder: Path, name: str, version: str, tag: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: false\nTag: {tag}\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def spec_of(
    *requirements: str, env: str = "", api_version: str = "0.1.8", as_of: str | None = None
) -> EnvironmentSpec:
    config = {"name": "P", "type": "native-python", "requirements": list(requirements), "env": env}
    manifest = from_config({**config, "api_version": api_version}, "x", file="p.imjoy.html").manifest
    return plan_environment(manifest, "", as_of=as_of)


def fitted(spec: EnvironmentSpec, root: Path, *, ask: bool = True) -> EnvironmentSpec:
    said: list[Progress] = []
    return asyncio.run(adapt_to_old_pins(spec, root, os.environ, said.append, ask=ask))


@pytest.mark.parametrize(
    ("requirements", "python"),
    [
        (["oldarray==1.18.2"], "3.8"),
        (["oldarray<2", "fresh"], "3.8"),
        (["oldarray==1.18.2", "oldnet==1.15.0"], "3.7"),
        (["fresh==3.0"], None),
        (["oldarray"], None),
        (["oldarray>=1.0"], None),
        # It was never built for anything: the other one says it all.
        (["source==2.0", "oldnet==1.15.0"], "3.7"),
        (["nowhere==1.0"], None),
    ],
)
def test_the_python_is_the_newest_for_which_all_that_is_pinned_comes_built(
    requirements: list[str], python: str | None, wheels: Path, tmp_path: Path
) -> None:
    spec = fitted(spec_of(*requirements), tmp_path / "store")
    assert spec.python == python
    if python:
        assert spec.channels == ("conda-forge",)
        assert spec.notes[-1].startswith(f"Made with Python {python}, the newest for which ")


def test_a_decision_is_kept_so_that_the_environment_is_found_without_a_network(
    wheels: Path, tmp_path: Path
) -> None:
    spec = spec_of("oldarray==1.18.2")
    assert fitted(spec, tmp_path / "store").python == "3.8"
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert fitted(spec, tmp_path / "store").python == "3.8"
    assert fitted(spec, tmp_path / "store", ask=False).python == "3.8"
    assert fitted(spec_of("oldarray==1.18.3"), tmp_path / "store", ask=False).python is None


def test_a_plugin_that_names_its_python_gets_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_pins, "find_uv", lambda: pytest.fail("nothing was to be asked"))
    spec = spec_of("oldarray==1.18.2", env="conda create -n x python=3.6")
    assert fitted(spec, tmp_path) is spec


def test_only_what_is_bounded_above_is_a_pin() -> None:
    spec = spec_of("a==1", "b~=1.2", "c<3,>=1", "d>=1", "e", "f!=2", "git+https://example.org/g.git")
    assert pins_of(spec) == ["a==1", "b~=1.2", "c<3,>=1"]


HERE = f"cp{sys.version_info[0]}{sys.version_info[1]}"
# What a plugin's environment has anyway, in the versions of today.
OURS = (("imjoy_rpc", "0.5.60"), ("msgpack", "1.1.0"), ("psutil", "7.0"), ("requests", "2.32"), ("six", "1.17"),
        ("websockets", "12.0"))  # fmt: skip


class DatedIndex(http.server.BaseHTTPRequestHandler):
    """A double of an index that says when each file came (PEP 700), but for ``with_dates`` being false."""

    folder: Path
    came: dict[str, str]
    with_dates = True

    def do_GET(self) -> None:
        name = self.path.strip("/").split("/")[-1]
        if self.path.startswith("/files/"):
            return self.answer("application/zip", (self.folder / name).read_bytes())
        wheels = sorted(self.folder.glob(f"{name.replace('-', '_')}-*"))
        if not wheels:
            return self.send_error(404)
        files = [
            {
                "filename": wheel.name,
                "url": f"/files/{wheel.name}",
                "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()},
                **({"upload-time": f"{self.came[wheel.name]}T00:00:00Z"} if self.with_dates else {}),
            }
            for wheel in wheels
        ]
        document = {"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": []}
        return self.answer("application/vnd.pypi.simple.v1+json", json.dumps(document).encode())

    do_HEAD = do_GET

    def answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[DatedIndex]]:
    """Return an index of eight years."""
    if find_uv() is None:
        pytest.skip("uv is not installed")

    class Index(DatedIndex):
        folder = tmp_path / "index"

    Index.came = {}
    Index.folder.mkdir()

    def add(name: str, version: str, tag: str, day: str) -> None:
        add_wheel(Index.folder, name, version, tag)
        Index.came[f"{name}-{version}-{tag}.whl"] = day

    linux = "manylinux1_x86_64"
    add("numpy", "1.15.4", f"cp37-cp37m-{linux}", "2018-11-04")
    add("numpy", "1.18.2", f"cp37-cp37m-{linux}", "2020-03-17")
    add("numpy", "1.18.2", f"cp38-cp38-{linux}", "2020-03-17")
    add("numpy", "2.0.0", f"{HERE}-{HERE}-{linux}", "2024-06-16")
    for version, day in (("0.9", "2018-05-01"), ("1.0", "2020-01-01"), ("2.0", "2023-01-01")):
        add("lib", version, "py3-none-any", day)
    add("late", "1.0", "py3-none-any", "2023-01-01")
    for name, version in OURS:
        add(name, version, "py3-none-any", "2025-01-01")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("UV_INDEX_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("PIP_INDEX_URL", raising=False)
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
        yield Index
        server.shutdown()
        thread.join()


def own_versions(spec: EnvironmentSpec) -> list[str]:
    return [each for each in spec.requirements if each.startswith(("lib", "late", "numpy"))]


def test_an_old_plugin_that_pins_nothing_gets_the_packages_and_the_python_of_its_time(
    index: type[DatedIndex], tmp_path: Path
) -> None:
    spec = fitted(spec_of("lib", api_version="0.1.7"), tmp_path / "store")
    assert (spec.python, spec.channels) == ("3.8", ("conda-forge",))
    assert own_versions(spec) == ["lib==1.0", "numpy==1.18.2"]
    assert spec.notes == ("Made as of March 2020, Python 3.8; --today for the newest.",)
    older = fitted(spec_of("lib", api_version="0.1.1"), tmp_path / "store")
    assert (older.python, own_versions(older)) == ("3.7", ["lib==0.9", "numpy==1.15.4"])
    assert older.notes == ("Made as of December 2018, Python 3.7; --today for the newest.",)


def test_a_day_is_decided_once_and_found_again_without_an_index(
    index: type[DatedIndex], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = spec_of("lib", api_version="0.1.7")
    spec = fitted(asked, tmp_path / "store")
    monkeypatch.setattr(old_pins, "find_uv", lambda: pytest.fail("nothing was to be asked"))
    again = fitted(asked, tmp_path / "store")
    assert again == spec
    assert again.dated


@pytest.mark.parametrize(
    "asked",
    [
        spec_of("lib", api_version="0.1.7", as_of=""),
        spec_of("lib", api_version="0.1.8"),
        spec_of("lib", env="conda create -n x python=3.7", api_version="0.1.7"),
        spec_of(api_version="0.1.7"),
    ],
    ids=["--today", "of no known age", "it names its Python", "it asks for nothing"],
)
def test_everybody_else_gets_the_newest(
    asked: EnvironmentSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_pins, "find_uv", lambda: pytest.fail("nothing was to be asked"))
    assert fitted(asked, tmp_path) is asked


def test_a_person_may_name_the_day(index: type[DatedIndex], tmp_path: Path) -> None:
    spec = fitted(spec_of("lib", as_of="2019-12-31"), tmp_path / "store")
    assert (spec.python, own_versions(spec)) == ("3.7", ["lib==0.9", "numpy==1.15.4"])
    assert spec.notes == ("Made as of December 2019, Python 3.7.",)
    # The engine's own Python where that was there already: no conda is needed.
    spec = fitted(spec_of("lib", as_of="2024-12-31"), tmp_path / "store")
    assert (spec.python, spec.channels, own_versions(spec)) == (None, (), ["lib==2.0", "numpy==2.0.0"])
    named = spec_of("lib", env="conda create -n x python=3.7", as_of="2019-12-31")
    spec = fitted(named, tmp_path / "store")
    assert spec == named
    assert "The date does not count here" in spec.notes[-1]


def test_what_had_not_come_yet_is_taken_as_it_is_today(index: type[DatedIndex], tmp_path: Path) -> None:
    spec = fitted(spec_of("lib", "late", api_version="0.1.7"), tmp_path / "store")
    assert own_versions(spec) == ["late", "lib==1.0", "numpy==1.18.2"]


def test_an_index_without_dates_changes_nothing(index: type[DatedIndex], tmp_path: Path) -> None:
    index.with_dates = False
    asked = spec_of("lib", api_version="0.1.7")
    assert fitted(asked, tmp_path / "store") is asked


def test_a_lock_for_another_machine_asks_for_its_wheels(index: type[DatedIndex], tmp_path: Path) -> None:
    asked = replace(spec_of("lib", api_version="0.1.7"), platform="win-64")
    # The index has numpy for Linux alone.
    assert fitted(asked, tmp_path / "store") is asked
