"""Old plugins choose the Python that can run them: by the wheels that an index has of what they pin."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path

import pytest

from imjoy_engine.environments import old_pins
from imjoy_engine.environments.old_pins import for_old_pins, pins_of
from imjoy_engine.environments.planning import plan_environment
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.spec import EnvironmentSpec, this_platform
from imjoy_engine.environments.venv_env import find_uv
from imjoy_engine.plugins.manifest import from_config

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


def spec_of(*requirements: str, env: str = "") -> EnvironmentSpec:
    config = {"name": "P", "type": "native-python", "requirements": list(requirements), "env": env}
    manifest = from_config(config, "x", file="p.imjoy.html").manifest
    return plan_environment(manifest, "")


def fitted(spec: EnvironmentSpec, root: Path, *, ask: bool = True) -> EnvironmentSpec:
    import os

    said: list[Progress] = []
    return asyncio.run(for_old_pins(spec, root, os.environ, said.append, ask=ask))


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
