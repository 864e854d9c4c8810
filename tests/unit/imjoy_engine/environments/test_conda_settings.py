"""What the user told conda is obeyed, and nothing of it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from imjoy_engine.environments.conda_settings import CHANNEL_ALIAS, channel_urls, read_conda_settings


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


def test_a_broken_file_is_passed_over(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / ".condarc").write_text("channel_alias: [")
    assert read_conda_settings(environ, None).channel_alias == CHANNEL_ALIAS


def test_packages_are_shared_with_the_conda_that_is_there(tmp_path: Path, environ: dict[str, str]) -> None:
    prefix = tmp_path / "ImJoyApp"
    assert read_conda_settings(environ, prefix).package_cache.parts[-2:] == ("cache", "pkgs")
    (prefix / "conda-meta").mkdir(parents=True)
    assert read_conda_settings(environ, prefix).package_cache == prefix / "pkgs"
    environ["CONDA_PKGS_DIRS"] = str(tmp_path / "own")
    assert read_conda_settings(environ, prefix).package_cache == tmp_path / "own"
