"""An old Python finds one for the planner, or fetches it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from tests.kit.mirror import Mirror

from imjoy.legacy import pythons
from imjoy.legacy.messages import Refusal
from imjoy.legacy.pythons import find_or_fetch

PYTHON = sys.executable
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the doubles are shell scripts")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """A folder in place of PATH, on a machine whose only Python is too old."""
    folder = tmp_path / "path"
    folder.mkdir()
    old = folder / "python"
    program(old, "exit 1")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CONDA_EXE", raising=False)
    monkeypatch.setattr(sys, "executable", str(old))
    return folder


def program(file: Path, lines: str) -> None:
    """Write a program."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{lines}\n")
    file.chmod(0o755)


def archive(folder: Path) -> bytes:
    """Return an archive as the makers of whole Pythons pack it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("python/bin/python3")
        member.size, member.mode = 10, 0o755
        tar.addfile(member, io.BytesIO(b"#!/bin/sh\n"))
    return packed.getvalue()


def test_the_one_on_path_is_taken_that_says_yes_whatever_it_prints(path: Path, tmp_path: Path) -> None:
    program(path / "python3", "echo; echo noise; echo more >&2; exit 9")
    program(path / "python3.12", "echo Python 2.7; exit 0")
    assert find_or_fetch(str(tmp_path), []) == (str(path / "python3.12"), {})


def test_one_that_hangs_is_passed_over(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "START_SECONDS", 0.3)
    program(path / "python3", "exec /bin/sleep 60")
    program(path / "python3.9", "exit 0")
    began = time.monotonic()
    assert find_or_fetch(str(tmp_path), [])[0] == str(path / "python3.9")
    assert time.monotonic() - began < 30


def test_the_python_of_a_conda_will_do(path: Path, home: Path, tmp_path: Path) -> None:
    program(home / "miniconda3" / "bin" / "python", "exit 0")
    assert find_or_fetch(str(tmp_path), [])[0] == str(home / "miniconda3" / "bin" / "python")


def test_where_there_is_none_a_whole_one_is_fetched_and_checked(
    path: Path,
    tmp_path: Path,
    mirror: Mirror,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (mirror.folder / "python.tar.gz").write_bytes(archive(tmp_path))
    digest = hashlib.sha256(archive(tmp_path)).hexdigest()
    monkeypatch.setenv("IMJOY_PYTHON_URL", f"{mirror.url}/plain/python.tar.gz")
    monkeypatch.setenv("IMJOY_PYTHON_SHA256", digest)
    for tool in ("curl", None):
        if tool:
            (path / tool).symlink_to(f"/usr/bin/{tool}")
        folder = tmp_path / f"with {tool}"
        folder.mkdir()
        found, told = find_or_fetch(str(folder), [])
        assert found == str(folder / "python" / "bin" / "python3")
        assert told == {"IMJOY_DOOR_PYTHON": str(folder / "python")}
        if tool:
            (path / tool).unlink()

    monkeypatch.setenv("IMJOY_PYTHON_SHA256", "0" * 64)
    with pytest.raises(Refusal) as caught:
        find_or_fetch(str(tmp_path), [])
    assert (caught.value.names["id"], caught.value.exit_code) == ("download.checksum", 6)
    assert digest in str(caught.value.names["why"])


def test_without_a_network_it_says_so(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMJOY_MIRROR", "http://127.0.0.1:9")
    with pytest.raises(Refusal) as caught:
        find_or_fetch(str(tmp_path), [])
    assert (caught.value.names["id"], caught.value.exit_code) == ("network.python", 4)


def test_a_folder_may_hold_it(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "package"
    (package / "provision").mkdir(parents=True)
    name = pythons.platform_name()
    file = "cpython-3.13+1.tar.gz"
    table = {"base_url": "https://host/", "platforms": {name: {"file": file, "sha256": ""}}}
    packed = archive(tmp_path)
    table["platforms"][name]["sha256"] = hashlib.sha256(packed).hexdigest()  # type: ignore[index]
    (package / "provision" / "installers.json").write_text(json.dumps({"python": table}))
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / file).write_bytes(packed)
    monkeypatch.setattr(pythons, "PACKAGE", str(package))
    found, _ = find_or_fetch(str(tmp_path), ["install", "--offline", str(tmp_path / "dir"), "--yes"])
    assert os.access(found, os.X_OK)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_a_python_comes_it_leaves_nothing(
    path: Path, tmp_path: Path, mirror: Mirror, number: int
) -> None:
    (mirror.folder / "python.tar.gz").write_bytes(archive(tmp_path))
    (path / "curl").symlink_to("/usr/bin/curl")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    root = Path(pythons.__file__).parents[2]
    # Only what the door itself would find is on PATH, so it has to fetch; the interpreter here stands for an old one.
    code = (
        "import sys; from imjoy.legacy import pythons, bootstrap; pythons._candidates = lambda: []; "
        "sys.exit(bootstrap.main(['install']))"
    )
    environ = {"PATH": str(path), "HOME": str(tmp_path), "TMPDIR": str(scratch), "PYTHONPATH": str(root)}
    environ |= {"IMJOY_PYTHON_URL": f"{mirror.url}/stall/python.tar.gz", "IMJOY_PYTHON_SHA256": "0"}
    with subprocess.Popen(
        [PYTHON, "-c", code], env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as door:
        assert door.stderr is not None
        assert "fetching a Python" in door.stderr.readline()
        # A terminal tells all of the group of Ctrl-C, whoever sends TERM tells one process.
        os.killpg(door.pid, number) if number == signal.SIGINT else door.send_signal(number)
        said = door.stderr.read()
        assert door.wait(60) == 130, said
    assert list(scratch.iterdir()) == []
