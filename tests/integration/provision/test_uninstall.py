"""`imjoy uninstall`: takes exactly away what was installed."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.integration.engine.test_existing_environments import make_venv, tree_hash

from imjoy.provision.records.receipt import Receipt, write_receipt
from imjoy.provision.records.record import begin_record, install_lock, mark_folder, note_folder, state_folder

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="there the script uninstalls, not the command"
)

RC = ".bash_profile" if sys.platform == "darwin" else ".bashrc"
RECEIPT = Receipt(
    "0.12.0", "venv", sys.executable, "here", "", ("bin", "lib", "pyvenv.cfg", ".imjoy"), "today"
)


def run(*arguments: str, code: int = 0) -> dict[str, object]:
    """Run imjoy and return its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "imjoy", *arguments, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def caches(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make caches of uv and of rattler, and a folder that a variable takes for one."""
    made = []
    for name, mark in (("uv", "CACHEDIR.TAG"), ("rattler", "pkgs")):
        folder = home / "caches" / name
        (folder / mark).mkdir(parents=True)
        monkeypatch.setenv(f"{name.upper()}_CACHE_DIR", str(folder))
        made.append(folder)
    return made


def test_caches_are_named_and_go_when_that_is_said(
    prefix: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = caches(home, monkeypatch)
    assert run("uninstall", "--dry-run")["caches"] == [str(each) for each in kept]
    words = [sys.executable, "-m", "imjoy", "uninstall", "--yes"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    assert "stay, too: ~/caches/uv, ~/caches/rattler. --caches removes them." in done.stdout
    assert "removing ImJoyApp/bin" in done.stderr
    assert all(each.is_dir() for each in kept)
    assert run("uninstall", "--yes", "--caches")["with_caches"]
    assert not any(each.exists() for each in kept)


def test_a_folder_that_is_no_cache_stays(prefix: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "thesis").mkdir()
    monkeypatch.setenv("UV_CACHE_DIR", str(home / "thesis"))
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(home / "none"))
    assert run("uninstall", "--yes", "--caches")["caches"] == []
    assert (home / "thesis").is_dir()


def error_id(document: dict[str, object]) -> object:
    """Return the id of a failure."""
    error = document["error"]
    assert isinstance(error, dict)
    return error["id"]


def listing(folder: Path) -> dict[str, bytes]:
    """Return all that is in a folder, with what is in the files."""
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in sorted(folder.rglob("*"))}


@pytest.fixture
def prefix(home: Path) -> Path:
    """Return a prefix with a receipt."""
    (home / RC).write_text("alias a=b")
    folder = home / "ImJoyApp"
    for each in ("bin", "lib/python3", ".imjoy"):
        (folder / each).mkdir(parents=True)
    (folder / "bin" / "imjoy").write_text("#!/bin/sh\n")
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    write_receipt(folder, RECEIPT)
    return folder


def test_the_home_is_byte_for_byte_what_it_was(home: Path, prefix: Path) -> None:
    run("path", "--shell", "bash", "--apply")
    run("path", "--shell", "fish", "--apply")
    assert run("uninstall", "--yes")["done"] is True
    assert listing(home) == {str(home / RC): b"alias a=b"}


def test_a_dry_run_names_everything_and_removes_nothing(home: Path, prefix: Path) -> None:
    run("path", "--shell", "bash", "--apply")
    before = listing(home)
    told = run("uninstall", "--dry-run")
    assert told["parts"] == [str(prefix / each) for each in (".imjoy", "bin", "lib", "pyvenv.cfg")]
    assert told["edited"] == [str(home / RC)]
    assert told["done"] is False
    assert listing(home) == before


def test_files_that_somebody_put_into_the_prefix_stay(prefix: Path) -> None:
    (prefix / "thesis.tex").write_text("mine")
    assert run("uninstall", "--yes")["left"] == [str(prefix / "thesis.tex")]
    assert [each.name for each in prefix.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("receipt", [True, False])
@pytest.mark.parametrize("mark", ["beside", "beside, on a disk that numbers its files anew", "of 0.12"])
def test_an_install_that_was_cut_short_is_removed_too(prefix: Path, receipt: bool, mark: str) -> None:
    if not receipt:
        (prefix / ".imjoy" / "receipt.json").unlink()
    if mark.startswith("beside"):
        begin_record(prefix, "unfinished", made=prefix)
        note_folder(prefix)
        mark_folder(prefix)
        if mark != "beside":
            number_anew(prefix.parent)
        # What constructor's installer has there while it runs.
        (prefix / ".installer.info").write_text("{}")
        (prefix / "preconda.tar.bz2").write_text("")
        (prefix / "install_tmp").mkdir()
    else:
        (prefix / ".imjoy" / "incomplete").write_text("unfinished\n")
    run("uninstall", "--yes")
    assert not prefix.exists()
    assert not state_folder(prefix).exists()


def number_anew(folder: Path) -> None:
    """Have the records in a folder name other numbers than what they speak of has: as when a FAT is mounted again."""
    for file in folder.rglob("record.json"):
        record = json.loads(file.read_text())
        file.write_text(json.dumps({**record, "inode": record["inode"] + 1}))


def test_a_killed_install_that_had_made_nothing_leaves_nothing(home: Path) -> None:
    before = listing(home)
    target = home / "ImJoyApp"
    begin_record(target, "unfinished", made=target)
    run("uninstall", "--yes")
    assert listing(home) == before


def test_what_a_script_that_was_killed_left_behind_goes_too(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = tmp_path / f"imjoy-door-{platform.node()}-{ended.pid}-x8Yz_1"
    left.mkdir()
    os.utime(left, (0, 0))
    run("uninstall", "--yes", "--dry-run")
    assert left.exists()
    run("uninstall", "--yes")
    assert not left.exists()


def test_a_folder_that_somebody_made_where_a_killed_install_was_is_theirs(home: Path, prefix: Path) -> None:
    (prefix / ".imjoy" / "receipt.json").unlink()
    (prefix / ".imjoy").rmdir()
    begin_record(prefix, "unfinished", made=prefix)
    note_folder(prefix)
    mark_folder(prefix)
    prefix.rename(home / "elsewhere")
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "mine").write_text("mine")
    assert error_id(run("uninstall", "--yes", code=3)) == "uninstall.foreign"
    assert (prefix / "bin" / "mine").exists()


def test_the_workspace_goes_only_when_that_is_said(home: Path, prefix: Path) -> None:
    workspace = home / "ImJoyWorkspace"
    (workspace / ".imjoy").mkdir(parents=True)
    run("uninstall", "--yes")
    assert workspace.exists()
    run("uninstall", "--yes", "--workspace")
    assert not workspace.exists()


def test_environments_that_imjoy_did_not_make_stay_as_they_are(
    home: Path, prefix: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    make_venv(mine)
    before = tree_hash(mine)
    run("env", "add", "cells", "--python", str(mine))
    assert list((home / "ImJoyWorkspace").rglob("*")) != []
    run("uninstall", "--yes", "--workspace")
    assert listing(home) == {str(home / RC): b"alias a=b"}
    assert tree_hash(mine) == before


def test_a_workspace_that_is_none_is_never_removed(
    home: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMJOY_WORKSPACE", str(home))
    assert error_id(run("uninstall", "--yes", "--workspace", code=3)) == "uninstall.workspace"
    assert prefix.exists()


def test_a_folder_of_somebody_else_is_refused(home: Path) -> None:
    (home / "ImJoyApp" / "bin").mkdir(parents=True)
    assert error_id(run("uninstall", "--yes", code=3)) == "uninstall.foreign"
    assert (home / "ImJoyApp" / "bin").exists()


def test_a_receipt_cannot_lead_out_of_the_prefix(home: Path, prefix: Path) -> None:
    outside = home / "outside"
    outside.mkdir()
    receipt = json.loads((prefix / ".imjoy" / "receipt.json").read_text())
    receipt["parts"] = ["../outside", str(outside), "bin", ".."]
    (prefix / ".imjoy" / "receipt.json").write_text(json.dumps(receipt))
    run("uninstall", "--yes")
    assert outside.exists()


def test_without_a_terminal_nothing_goes_unless_yes_is_said(prefix: Path) -> None:
    assert error_id(run("uninstall", code=2)) == "uninstall.unconfirmed"
    assert prefix.exists()


def test_nothing_to_remove_is_no_failure(home: Path) -> None:
    assert run("uninstall", "--yes")["parts"] == []


def test_folders_that_were_made_for_the_prefix_go_when_they_are_empty(home: Path) -> None:
    folder = home / "new" / "one"
    (folder / ".imjoy").mkdir(parents=True)
    write_receipt(folder, replace(RECEIPT, made_folder=str(home / "new")))
    run("uninstall", "--yes", "--prefix", str(folder))
    assert list(home.iterdir()) == []


def test_while_somebody_installs_it_is_refused(prefix: Path) -> None:
    with install_lock(prefix):
        assert error_id(run("uninstall", "--yes", code=7)) == "install.locked"
    assert (prefix / "bin").exists()


def test_a_running_engine_is_stopped_first(home: Path, prefix: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "imjoy_engine", "serve", "--port", "0"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=os.environ,
    ) as engine:
        assert engine.stdout is not None
        try:
            url = json.loads(engine.stdout.readline())["url"]
            assert run("uninstall", "--yes")["engine"] == url
            assert engine.wait(60) == 0
        finally:
            engine.kill()
