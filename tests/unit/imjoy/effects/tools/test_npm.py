"""Which registry npm is set to, and that asking npm leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imjoy.effects.tools.npm import npm_registry


def test_the_registry_is_read_from_npmrc_without_npm(tmp_path: Path) -> None:
    (tmp_path / ".npmrc").write_text("audit=false\nregistry = https://mirror.example/npm/\n")
    assert npm_registry({"HOME": str(tmp_path), "PATH": ""}) == "https://mirror.example/npm"


def test_where_npm_has_no_say_there_is_no_registry(tmp_path: Path) -> None:
    assert npm_registry({"HOME": str(tmp_path), "PATH": str(tmp_path)}) is None


@pytest.mark.skipif(os.name == "nt", reason="the double of npm is a shell script")
def test_npm_is_asked_at_last_and_leaves_nothing_in_the_home(tmp_path: Path) -> None:
    home, commands = tmp_path / "home", tmp_path / "bin"
    home.mkdir()
    commands.mkdir()
    # A double of npm, which keeps a log of each run where its cache is.
    npm = commands / "npm"
    npm.write_text(
        '#!/bin/sh\nmkdir -p "${npm_config_cache:-$HOME/.npm}/_logs"\n'
        "echo npm warn old; echo https://mirror.example/npm/\n"
    )
    npm.chmod(0o755)
    environ = {"HOME": str(home), "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    assert npm_registry(environ) == "https://mirror.example/npm"
    assert list(home.iterdir()) == []
