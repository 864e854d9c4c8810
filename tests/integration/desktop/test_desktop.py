"""`imjoy desktop` with real files, and the programs that check them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the files of Linux")

SECONDS = 60.0


@pytest.fixture(autouse=True)
def prefix(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a prefix that an install has made, as far as an uninstall looks."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    folder = home / "ImJoyApp"
    (folder / "bin").mkdir(parents=True)
    (folder / ".imjoy").mkdir()
    command = folder / "bin" / "imjoy"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m imjoy "$@"\n')
    command.chmod(0o755)
    receipt = {
        "version": "0.12.0",
        "distribution": "venv",
        "python": "",
        "source": "",
        "source_id": "",
        "installed": "",
    }
    (folder / ".imjoy" / "receipt.json").write_text(json.dumps({**receipt, "parts": ["bin", ".imjoy"]}))
    return folder


def imjoy(*words: str) -> dict[str, Any]:
    """Run imjoy and return its document."""
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", *words, "--json"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def contents(home: Path) -> list[Path]:
    """Return everything in the home, but for what Python compiles."""
    return sorted(each for each in home.rglob("*") if "__pycache__" not in each.parts)


@pytest.mark.parametrize(
    ("make", "undo"), [(("add",), ("remove",)), (("autostart", "on"), ("autostart", "off"))]
)
def test_what_is_made_is_told_and_goes_without_a_trace(
    make: tuple[str, ...], undo: tuple[str, ...], home: Path
) -> None:
    other = home / ".config" / "mine"
    other.mkdir(parents=True)
    before = contents(home)
    planned = imjoy("desktop", *make, "--dry-run")["files"]
    assert contents(home) == before
    assert imjoy("desktop", *make)["files"] == planned
    assert imjoy("desktop", *make)["files"] == planned
    state = imjoy("desktop")
    assert (state["menu"], state["autostart"]) == (make == ("add",), make == ("autostart", "on"))
    assert sorted(state["files"]) == sorted(planned)
    imjoy("desktop", *undo)
    assert contents(home) == before
    assert imjoy("desktop", *undo)["files"] == []


def test_the_entry_is_one_to_desktops(home: Path) -> None:
    validate = shutil.which("desktop-file-validate")
    if validate is None:
        pytest.skip("desktop-file-validate is missing")
    strange = home / 'a "lab" of $5 & 100%'
    entry = next(
        each
        for each in imjoy("desktop", "add", "--workspace", str(strange))["files"]
        if each.endswith(".desktop")
    )
    done = subprocess.run([validate, entry], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_uninstall_takes_it_away(home: Path, prefix: Path) -> None:
    imjoy("desktop", "add")
    imjoy("desktop", "autostart", "on")
    planned = imjoy("uninstall", "--dry-run")
    assert sorted(Path(each).name for each in planned["desktop"]) == [
        "imjoy.desktop",
        "imjoy.png",
        "imjoy.service",
        "imjoy.service",
    ]
    imjoy("uninstall", "--yes")
    assert contents(home) == []


def test_the_uninstall_leaves_what_another_prefix_has_written_over(home: Path, prefix: Path) -> None:
    other = home / "Other"
    shutil.copytree(prefix, other)
    imjoy("desktop", "add")
    imjoy("desktop", "autostart", "on")
    imjoy("desktop", "add", "--prefix", str(other))
    assert [Path(each).name for each in imjoy("uninstall", "--dry-run")["desktop"]] == ["imjoy.service"] * 2
    imjoy("uninstall", "--yes")
    state = imjoy("desktop")
    assert (state["menu"], state["autostart"]) == (True, False)
    imjoy("uninstall", "--yes", "--prefix", str(other))
    assert not [each for each in contents(home) if each.is_file()]


def test_a_folder_that_takes_no_files_is_told(home: Path) -> None:
    (home / ".local").write_text("a file")
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", "desktop", "add", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(done.stdout)["error"]["id"] == "desktop.unwritable"
    assert contents(home / ".local") == []
