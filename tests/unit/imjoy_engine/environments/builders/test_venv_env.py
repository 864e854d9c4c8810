"""What a build gets of the engine's environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from imjoy_engine.environments.builders import venv_env
from imjoy_engine.environments.builders.venv_env import Freshness, UvDownloads, build_variables, find_uv

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")

USEFUL = {
    "PATH": "/bin",
    "HOME": "/home/x",
    "https_proxy": "http://proxy",
    "UV_CACHE_DIR": "/cache",
    "PIP_DEFAULT_TIMEOUT": "9",
    "SSL_CERT_FILE": "/ca.pem",
    "CC": "clang",
    "CFLAGS": "-O2",
    "SSH_AUTH_SOCK": "/agent",
    "LC_ALL": "C",
    "XDG_CONFIG_HOME": "/config",
}


def test_a_build_gets_what_finds_and_compiles_packages() -> None:
    assert USEFUL.items() <= build_variables(USEFUL).items()


@pytest.mark.parametrize(
    "name",
    [
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "IMJOY_ENGINE_TOKEN",
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "PIP_TARGET",
        "PIP_USER",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_PROJECT_ENVIRONMENT",
        "GIT_DIR",
        "LD_PRELOAD",
    ],
)
def test_a_build_gets_no_secret_and_nothing_of_another_environment(name: str) -> None:
    assert name not in build_variables({**USEFUL, name: "x"})


def test_a_build_asks_no_questions() -> None:
    variables = build_variables({})
    assert variables["GIT_TERMINAL_PROMPT"] == "0"
    assert "BatchMode" in variables["GIT_SSH_COMMAND"]
    assert variables["PIP_NO_INPUT"] == "1"
    assert build_variables({"GIT_SSH_COMMAND": "mine"})["GIT_SSH_COMMAND"] == "mine"


def test_what_an_index_said_is_used_again_for_a_day_unless_it_may_have_changed(
    tmp_path: Path,
) -> None:
    variables = {"UV_CACHE_DIR": str(tmp_path)}
    fresh = Freshness(variables, "3.11", ["numpy"])
    assert not fresh.holds()
    fresh.renew()
    assert fresh.holds()
    assert Freshness(variables, "3.11", ["numpy"]).holds()
    assert not Freshness(variables, "3.8", ["numpy"]).holds()
    assert not Freshness({**variables, "UV_INDEX": "http://other"}, "3.11", ["numpy"]).holds()
    assert not Freshness({**variables, "UV_REFRESH": "1"}, "3.11", ["numpy"]).holds()
    [note] = (tmp_path / "imjoy-looked-up").iterdir()
    os.utime(note, (0, 0))
    assert not fresh.holds()
    url = Freshness(variables, "3.11", ["git+https://host/x"])
    url.renew()
    assert not url.holds()


@pytest.mark.parametrize(
    ("system", "name", "inside"), [("linux", "XDG_CACHE_HOME", "uv"), ("win32", "LOCALAPPDATA", "uv/cache")]
)
def test_what_an_index_said_is_remembered_where_uv_remembers_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, name: str, inside: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    Freshness({name: str(tmp_path)}, "3.11", ["numpy"]).renew()
    assert (tmp_path / inside / "imjoy-looked-up").is_dir()


@pytest.mark.parametrize("given", ["UV_SYSTEM_CERTS", "UV_NATIVE_TLS"])
@pytest.mark.parametrize(
    ("version", "known"),
    [((0, 5), "UV_NATIVE_TLS"), ((0, 10), "UV_NATIVE_TLS"), ((0, 11), "UV_SYSTEM_CERTS")],
)
def test_the_system_s_certificates_are_asked_for_by_the_name_that_this_uv_knows(
    given: str, version: tuple[int, ...], known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venv_env, "uv_version", lambda: version)
    variables = venv_env.build_variables({given: "1"})
    assert {name for name in variables if name in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")} == {known}


def test_a_network_that_is_not_there_is_named_and_not_the_plugin() -> None:
    error = venv_env._failure(["dns error", "Failed to fetch"], "Correct the package named above.")
    assert (error.id, int(error.exit_code)) == ("env.offline", 4)
    assert "network" in error.what
    assert "Correct" not in error.fix
    assert "--env" in error.fix


@pytest.mark.skipif(os.name != "posix", reason="a program of the shell")
@pytest.mark.parametrize("line", ["exit 0", "kill -ABRT $$", "exit 127"])
def test_a_uv_that_does_not_start_here_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    uv = pytest.importorskip("uv")
    program = tmp_path / "uv"
    program.write_text(f"#!/bin/sh\n{line}\n")
    program.chmod(0o755)
    monkeypatch.setattr(uv, "find_uv_bin", lambda: str(program))
    assert find_uv() == (str(program) if line == "exit 0" else None)


def test_what_uv_says_of_its_downloads_is_added_up_in_megabytes_and_never_goes_back() -> None:
    downloads = UvDownloads()
    lines = (
        *("Resolved 3 packages in 2ms", "Downloading numpy (10.0MiB)", " Downloaded numpy"),
        *("Downloading scipy (30.0MiB)", " Downloading torch (1.5GiB)", " Downloaded small"),
        *(" Downloaded scipy", " Downloaded torch", " Downloading x from y"),
    )
    told = [progress for progress in map(downloads.take, lines) if progress]
    assert [progress.text for progress in told] == [
        "Downloading numpy: 0.0 of 10.5 MB",
        "Downloading packages: 10.5 of 10.5 MB",
        "Downloading scipy: 10.5 of 41.9 MB",
        "Downloading scipy and 1 more: 10.5 of 1652.6 MB",
        "Downloading torch: 41.9 of 1652.6 MB",
        "Downloading packages: 1652.6 of 1652.6 MB",
    ]
    shares = [progress.fraction or 0.0 for progress in told]
    assert shares == sorted(shares)
    assert shares[-1] == 0.7


def test_a_download_of_no_size_is_one_and_a_size_that_is_no_number_is_none() -> None:
    downloads = UvDownloads()
    empty = downloads.take(" Downloading x (0.0KiB)")
    assert empty is not None
    assert (empty.text, empty.fraction) == ("Downloading x: 0.0 of 0.0 MB", 0.3)
    for size in ("1.2.3MiB", ".MiB", "1.MiB"):
        assert downloads.take(f" Downloading y ({size})") is None
