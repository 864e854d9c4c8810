"""Private files."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kit.files import is_private, open_to_all

from imjoy.effects.disk.files import (
    MAX_BYTES,
    chown_command,
    ensure_private_folder,
    file_error,
    make_folders,
    other_owner,
    read_json,
    set_aside,
    write_private,
)

posix = pytest.mark.skipif(os.name != "posix", reason="modes, pipes and links of POSIX systems")


def test_file_and_folder_belong_to_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "private" / "token"
    write_private(path, "secret\n")
    assert path.read_text() == "secret\n"
    assert is_private(path)
    assert is_private(path.parent)


def test_a_file_that_was_open_to_all_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    open_to_all(path)
    write_private(path, "new")
    assert is_private(path)


def test_a_write_that_fails_leaves_the_old_content_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "token"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def umask_zero() -> Iterator[None]:
    """Let whoever makes a file forget to close it."""
    before = os.umask(0)
    yield
    os.umask(before)


@posix
def test_whatever_the_umask_is_our_folders_are_ours(tmp_path: Path, umask_zero: None) -> None:
    ensure_private_folder(tmp_path / "data" / "workspace" / ".imjoy")
    for folder in (
        tmp_path / "data",
        tmp_path / "data" / "workspace",
        tmp_path / "data" / "workspace" / ".imjoy",
    ):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix
def test_folders_that_are_there_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    make_folders(tmp_path / "shared")
    make_folders(tmp_path / "shared" / "mine")
    assert stat.S_IMODE((tmp_path / "shared").stat().st_mode) == 0o755
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_folders(tmp_path / "file")


@posix
def test_what_was_left_of_a_write_and_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / f"token.{os.getpid()}.new").symlink_to(elsewhere)
    write_private(tmp_path / "token", "secret\n")
    assert not elsewhere.exists()
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def no_pipe(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_loop(path: Path) -> None:
    path.symlink_to(path)


def binary(path: Path) -> None:
    path.write_bytes(b"\x80\xff\x00")


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def long(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)


@posix
@pytest.mark.parametrize("spoil", [no_pipe, a_pipe, a_loop, binary, nested, long])
def test_what_is_no_document_is_an_error_with_its_path_and_never_a_hang(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = tmp_path / "engine.json"
    spoil(path)
    with pytest.raises(OSError) as raised:
        read_json(path)
    assert str(raised.value.filename) == str(path)


def test_on_macos_a_folder_that_is_held_private_has_words_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = PermissionError(errno.EPERM, "Operation not permitted", str(home / "Documents" / "w" / "token"))
    elsewhere = PermissionError(errno.EPERM, "Operation not permitted", str(home / "w" / "token"))
    for system, words in (("darwin", "Privacy & Security"), ("linux", "permissions")):
        monkeypatch.setattr("imjoy.effects.disk.files.sys.platform", system)
        told, other = file_error(denied), file_error(elsewhere)
        assert told is not None and other is not None
        assert words in told.fix
        assert "Privacy" not in other.fix


def test_what_is_set_aside_keeps_what_was_set_aside_before(tmp_path: Path) -> None:
    for content in ("one", "two"):
        (tmp_path / "token").write_text(content)
        set_aside(tmp_path / "token")
    assert [(tmp_path / f"token.broken-{number}").read_text() for number in (1, 2)] == ["one", "two"]


def test_what_the_system_refuses_is_told_by_its_path_and_what_is_our_bug_is_not(tmp_path: Path) -> None:
    try:
        (tmp_path / "no" / "such").write_text("")
    except OSError as error:
        assert file_error(error) is None
    told = file_error(OSError(errno.ENOSPC, "No space left on device", str(tmp_path / "log")))
    assert told is not None
    assert (told.id, str(tmp_path / "log") in told.what, "space" in told.fix) == ("file.refused", True, True)
    assert file_error(OSError(errno.ENOSPC, "No space left on device")) is None
    assert file_error(ValueError("x")) is None


@posix
@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can make a folder of root's")
def test_whose_a_folder_is_can_be_told() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        (Path(folder) / "it's").mkdir(mode=0o700)
        Path(folder).chmod(0o755)
        child = os.fork()
        if child == 0:
            os.setuid(54321)
            told = other_owner(Path(folder) / "it's" / "token")
            cure = chown_command(Path(folder) / "it's")
            right = "belongs to root, and you are user 54321" in told and cure == (
                f"sudo chown -R 54321 '{folder}/it'\\''s'"
            )
            os._exit(0 if right else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert other_owner(Path(folder)) == "", "to root nothing is closed"
