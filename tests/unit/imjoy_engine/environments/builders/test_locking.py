"""The parts of a plugin's lock: what conda-lock is asked for, and what becomes of uv's answer."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from imjoy.effects.tools import conda_lock
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.environments.builders.locking import _entry, _pip_part, _source, lock_plugin
from imjoy_engine.environments.builders.venv_env import find_uv
from imjoy_engine.environments.specs.spec import EnvironmentSpec

SHA256 = "ab" * 32
WHEEL = {"url": "https://me:secret@index/six-1.0.whl", "hashes": {"sha256": SHA256}}


def test_a_plugin_of_pip_packages_alone_is_locked_with_the_python_of_this_engine(tmp_path: Path) -> None:
    source = yaml.safe_load(_source(EnvironmentSpec(None, ("six",), platform="win-64"), tmp_path).read_text())
    python = f"python={sys.version_info[0]}.{sys.version_info[1]}"
    assert source == {"channels": ["conda-forge"], "platforms": ["win-64"], "dependencies": [python, "pip"]}


def test_a_plugin_with_conda_packages_is_locked_from_its_channels(tmp_path: Path) -> None:
    spec = EnvironmentSpec(
        "3.8", (), channels=("bioconda", "conda-forge"), conda=("small=1",), platform="osx-64"
    )
    source = yaml.safe_load(_source(spec, tmp_path).read_text())
    assert source["channels"] == ["bioconda", "conda-forge"]
    assert source["dependencies"] == ["python=3.8", "small=1", "pip"]


def test_a_wheel_is_held_by_its_hash_and_no_password_gets_into_the_lock(tmp_path: Path) -> None:
    entry = _entry({"name": "six", "version": "1.0", "wheels": [WHEEL]}, "linux-64", tmp_path)
    assert (entry["url"], entry["hash"]) == ("https://index/six-1.0.whl", {"sha256": SHA256})
    assert "source" not in entry


def test_a_package_without_a_wheel_is_held_by_its_sources(tmp_path: Path) -> None:
    sdist = {"url": "https://index/six-1.0.tar.gz", "hashes": {"sha256": SHA256}}
    entry = _entry({"name": "six", "version": "1.0", "sdist": sdist}, "linux-64", tmp_path)
    assert entry["url"] == "https://index/six-1.0.tar.gz"


def test_a_file_of_a_folder_of_wheels_gets_the_url_of_a_file(tmp_path: Path) -> None:
    wheel = {"path": "wheels/six-1.0.whl", "hashes": {"sha256": SHA256}}
    entry = _entry({"name": "six", "version": "1.0", "wheels": [wheel]}, "linux-64", tmp_path)
    assert entry["url"] == (tmp_path / "wheels" / "six-1.0.whl").resolve().as_uri()


def test_a_repository_is_held_by_its_commit(tmp_path: Path) -> None:
    vcs = {"type": "git", "url": "https://host/six", "requested-revision": "main", "commit-id": "cd" * 20}
    entry = _entry({"name": "six", "vcs": vcs}, "linux-64", tmp_path)
    assert entry["url"] == f"git+https://host/six@{'cd' * 20}"


def test_a_platform_without_a_name_in_both_worlds_is_refused() -> None:
    with pytest.raises(ImJoyError) as refused:
        lock_plugin("Blur", [EnvironmentSpec(None, (), platform="linux-s390x")], {})
    assert refused.value.id == "lock.platform-unknown"


def test_without_conda_lock_the_line_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(conda_lock, "find_spec", lambda name: None)
    with pytest.raises(ImJoyError) as refused:
        conda_lock.require_conda_lock(tmp_path, {})
    assert (refused.value.id, refused.value.exit_code) == (
        "lock.no-conda-lock",
        ExitCode.PREFLIGHT_REFUSED,
    )
    assert '"imjoy[lock] @ git+' in refused.value.fix


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """Return the address of a proxy that lets nobody through, and whom it was asked for."""
    names: list[str] = []

    class Refuses(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            names.append(self.path)
            self.send_error(403)

        def log_message(self, format: str, *values: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", names
        server.shutdown()
        thread.join(10)


def test_no_python_is_fetched_to_lock_what_pip_installs(asked: tuple[str, list[str]], tmp_path: Path) -> None:
    uv = find_uv()
    if uv is None:
        pytest.skip("uv is missing")
    proxy, names = asked
    conda = [
        {"name": "python", "version": "3.13.1", "platform": "osx-64", "manager": "conda", "dependencies": []}
    ]
    spec = EnvironmentSpec("3.13", (), platform="osx-64")
    environ = {"HTTPS_PROXY": proxy, "UV_CACHE_DIR": str(tmp_path / "cache")}
    assert _pip_part(spec, conda, uv, tmp_path, environ) == []
    assert names == []
