"""What the user told conda is obeyed, and nothing of it is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from imjoy.effects.tools.conda import CHANNEL_ALIAS, command_name
from imjoy_engine.environments.specs.conda_settings import channel_urls, direct_hosts, read_conda_settings


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_channels_are_where_conda_has_them_unless_the_user_says_otherwise(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    assert read_conda_settings(environ, None).url("pytorch") == f"{CHANNEL_ALIAS}/pytorch"
    assert read_conda_settings(environ, None).url("file:///x") == "file:///x"
    (tmp_path / ".condarc").write_text(
        "channel_alias: https://mirror\ncustom_channels:\n  own: https://ours/conda/\n"
    )
    settings = read_conda_settings(environ, None)
    assert channel_urls(("pytorch", "own", "own/label/x"), settings) == [
        "https://mirror/pytorch",
        "https://ours/conda/own",
        "https://ours/conda/own/label/x",
    ]
    environ["CONDA_CHANNEL_ALIAS"] = "https://nearer"
    assert read_conda_settings(environ, None).url("x") == "https://nearer/x"


def test_the_proxies_of_a_mac_s_settings_count_until_conda_names_others(
    tmp_path: Path, environ: dict[str, str], a_mac: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "urllib.request.getproxies", lambda: {"https": "http://proxy:3128", "no": "localhost"}
    )
    assert read_conda_settings(environ, None).proxy_servers == (("https", "http://proxy:3128"),)
    (tmp_path / ".condarc").write_text("proxy_servers: {https: 'http://theirs:3128'}\n")
    assert read_conda_settings(environ, None).proxy_servers == (("https", "http://theirs:3128"),)
    assert read_conda_settings({**environ, "HTTPS_PROXY": "http://mine"}, None).proxy_servers == (
        ("https", "http://theirs:3128"),
    )


def test_a_mac_s_exceptions_count_for_its_own_proxies(
    tmp_path: Path, environ: dict[str, str], a_mac: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib.request.getproxies", lambda: {"https": "http://proxy:3128"})
    monkeypatch.setattr("urllib.request.proxy_bypass", lambda host: host.endswith(".institute"))
    urls = [
        "https://me:secret@conda.institute:8443/x",
        "https://conda.institute/y",
        "https://away",
        "file:///x",
    ]
    assert direct_hosts(urls, read_conda_settings(environ, None)) == ("conda.institute",)
    (tmp_path / ".condarc").write_text("proxy_servers: {https: 'http://theirs:3128'}\n")
    assert direct_hosts(urls, read_conda_settings(environ, None)) == ()


def test_what_no_proxy_names_is_left_out(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / ".condarc").write_text("proxy_servers: {https: 'http://theirs:3128'}\n")
    environ["NO_PROXY"] = "127.0.0.1, .institute,"
    assert direct_hosts(["https://away"], read_conda_settings(environ, None)) == ("127.0.0.1", ".institute")
    environ["no_proxy"] = "*"
    assert direct_hosts(["https://away"], read_conda_settings(environ, None)) == ("*",)


def test_a_broken_file_is_passed_over(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / ".condarc").write_text("channel_alias: [")
    assert read_conda_settings(environ, None).channel_alias == CHANNEL_ALIAS


def own_conda(prefix: Path) -> Path:
    """Make what tells a conda in a prefix; return its root."""
    (prefix / "conda" / "conda-meta").mkdir(parents=True)
    command = prefix / "conda" / command_name()
    command.parent.mkdir()
    command.touch()
    return prefix / "conda"


def adopted_conda(tmp_path: Path) -> tuple[Path, Path]:
    """Make a prefix whose receipt names a conda elsewhere; return both."""
    root = own_conda(tmp_path / "opt")
    prefix = tmp_path / "ImJoyApp"
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / ".imjoy").mkdir()
    (prefix / ".imjoy" / "receipt.json").write_text(json.dumps({"conda": str(root / command_name())}))
    return prefix, root


def test_packages_are_shared_with_the_conda_that_is_there(tmp_path: Path, environ: dict[str, str]) -> None:
    prefix = tmp_path / "ImJoyApp"
    assert read_conda_settings(environ, prefix).package_cache.parts[-2:] == ("cache", "pkgs")
    root = own_conda(prefix)
    assert read_conda_settings(environ, prefix).package_cache == root / "pkgs"
    environ["CONDA_PKGS_DIRS"] = str(tmp_path / "own")
    assert read_conda_settings(environ, prefix).package_cache == tmp_path / "own"


def test_an_adopted_conda_s_own_settings_count(tmp_path: Path, environ: dict[str, str]) -> None:
    prefix, root = adopted_conda(tmp_path)
    (root / ".condarc").write_text(
        "channel_alias: https://institute/conda\npkgs_dirs: [$SCRATCH/pkgs]\noffline: true\n"
        "proxy_servers: {https: 'http://proxy:3128'}\nssl_verify: /etc/institute.pem\n"
    )
    environ["SCRATCH"] = str(tmp_path / "scratch")
    settings = read_conda_settings(environ, prefix)
    assert settings.url("conda-forge") == "https://institute/conda/conda-forge"
    assert settings.package_cache == tmp_path / "scratch" / "pkgs"
    assert settings.proxy_servers == (("https", "http://proxy:3128"),)
    assert (settings.ssl_verify, settings.offline) == (str(Path("/etc/institute.pem").absolute()), True)
    assert settings.command == root / command_name()

    # What a person says counts more than what the institute says.
    (tmp_path / ".condarc").write_text("channel_alias: https://mine\noffline: false\nssl_verify: false\n")
    settings = read_conda_settings(environ, prefix)
    assert settings.url("x") == "https://mine/x"
    assert (settings.ssl_verify, settings.offline) == (False, False)
    environ["CONDA_SSL_VERIFY"] = "truststore"
    assert read_conda_settings(environ, prefix).ssl_verify is True


def test_a_cache_that_cannot_be_made_is_passed_over(tmp_path: Path, environ: dict[str, str]) -> None:
    never = "Q:\\pkgs" if os.name == "nt" else "/dev/null/pkgs"
    (tmp_path / ".condarc").write_text(f"pkgs_dirs: ['{never}', '{tmp_path / 'second'}']\n", encoding="utf-8")
    assert read_conda_settings(environ, None).package_cache == tmp_path / "second"


def test_a_cache_on_a_drive_that_is_gone_is_passed_over(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone" / "pkgs"
    (tmp_path / ".condarc").write_text(f"pkgs_dirs: ['{gone}', '{tmp_path / 'second'}']\n", encoding="utf-8")
    (tmp_path / "second").mkdir()
    # Of a drive that is gone not even its first folder is there.
    monkeypatch.setattr(Path, "exists", lambda path: path == tmp_path / "second")
    assert read_conda_settings(environ, None).package_cache == tmp_path / "second"
