"""The oldest and the newest uv of the range that imjoy asks for build environments, and warn nobody of anything."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from imjoy.model.errors import ImJoyError
from imjoy_engine.environments.builders import venv_env
from imjoy_engine.environments.progress import Progress
from imjoy_engine.environments.specs.spec import EnvironmentSpec
from imjoy_engine.environments.store.store import EnvironmentStore

# As it was before a test's own index of wheels was set.
INDEX = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
[ASKED] = [
    each
    for each in map(Requirement, metadata.requires("imjoy") or ())
    if each.name == "uv" and not each.marker
]
[OLDEST] = [each.version for each in ASKED.specifier if each.operator == ">="]


@pytest.fixture(params=["oldest", "newest"])
def uv(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process use a uv of the index."""
    wanted = f"uv=={OLDEST}" if request.param == "oldest" else str(ASKED)
    folder = tmp_path / "uv"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    with monkeypatch.context() as patch:
        for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX"):
            patch.delenv(name, raising=False)
        for name, value in INDEX.items():
            patch.setenv(name, value)
        got = subprocess.run(
            [*pip, "--only-binary", ":all:", "--target", folder, wanted],
            capture_output=True,
            text=True,
            check=False,
        )
    if got.returncode:
        pytest.skip(f"the index has no {wanted} for this machine: {got.stderr[-200:]}")
    monkeypatch.syspath_prepend(folder)
    # Asked where it is, an old one names the one beside the Python that runs.
    monkeypatch.setattr(venv_env, "find_uv", lambda: str(folder / "bin" / "uv"))
    assert (venv_env.uv_version() == Version(OLDEST).release[:2]) == (request.param == "oldest")


def test_a_uv_of_either_end_builds_and_its_warnings_reach_nobody(
    uv: None, wheelhouse: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse("foo")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("UV_NATIVE_TLS", "UV_SYSTEM_CERTS"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "true")
            store = EnvironmentStore(tmp_path / name, freeze=False)
            heard: list[Progress] = []
            python = asyncio.run(store.ensure(EnvironmentSpec(None, ("foo",)), heard.append))
            with pytest.raises(ImJoyError) as caught:
                asyncio.run(store.ensure(EnvironmentSpec(None, ("no-such-package",)), heard.append))
        assert list(python.parent.parent.glob("lib/python*/site-packages/foo.py")) != []
        assert "no-such-package" in caught.value.why
        said = "\n".join([*(each.text for each in heard), caught.value.why]).casefold()
        assert [word for word in ("warning", "deprecat", "uv_") if word in said] == [], said
