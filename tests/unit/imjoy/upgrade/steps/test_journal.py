"""The journal: whatever was done of a swap, taking it back gives what was there before."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.kit.files import make_link

from imjoy.upgrade.steps import journal
from imjoy.upgrade.steps.journal import (
    GUARD,
    JOURNAL,
    MARK,
    Journal,
    discard,
    discard_below,
    exchange,
    guard_line,
    is_dead,
    link_or_copy,
    recover,
    replace_file,
    restore,
    sweep,
    undo,
    unreadable,
)


class Environment:
    """Two folders of packages and a command, as a swap finds them."""

    def __init__(self, folder: Path) -> None:
        self.home, self.live, self.waiting = folder / "home", folder / "live", folder / "waiting"
        self.command, self.added, self.saved = (
            folder / "bin/command",
            folder / "share/new/file",
            folder / "saved",
        )
        for each in (self.home, self.live, self.waiting, self.command.parent, folder / "share"):
            each.mkdir(parents=True)
        (self.live / "package").write_text("old")
        (self.waiting / "package").write_text("new")
        self.command.write_text("old")
        os.link(self.command, self.saved)
        self.journal = Journal(self.home)

    def begin(self, *, exchanged: bool = True) -> None:
        self.journal.begin(
            self.live, self.waiting, [(self.command, self.saved), (self.added, None)], exchanged=exchanged
        )

    def change_files(self) -> None:
        new = self.home / "new"
        new.write_text("new")
        replace_file(new, self.command)
        replace_file(new, self.added)

    @property
    def is_old(self) -> bool:
        return (
            (self.live / "package").read_text() == "old"
            and self.command.read_text() == "old"
            and not self.added.parent.exists()
            and not (self.live / GUARD).exists()
            and not (self.home / "journal.json").exists()
        )


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    made = Environment(tmp_path)
    try:
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        exchange(tmp_path / "one", tmp_path / "two")
    except OSError as error:
        pytest.skip(f"no exchange of folders here: {error}")
    return made


@pytest.mark.parametrize("done", [0, 1, 2])
def test_any_part_of_a_swap_is_taken_back(done: int, environment: Environment) -> None:
    environment.begin()
    if done > 0:
        environment.change_files()
    if done > 1:
        exchange(environment.live, environment.waiting)
        assert (environment.live / "package").read_text() == "new"
    environment.journal.abandon()
    environment.journal.close()
    assert environment.is_old


def test_what_was_committed_stays(environment: Environment) -> None:
    environment.begin()
    environment.change_files()
    exchange(environment.live, environment.waiting)
    environment.journal.swapped()
    environment.journal.commit()
    environment.journal.close()
    assert not recover(environment.home)
    assert ((environment.live / "package").read_text(), environment.command.read_text()) == ("new", "new")
    assert not (environment.live / GUARD).exists()


def test_a_live_upgrade_is_left_alone_and_a_dead_one_is_not(environment: Environment) -> None:
    environment.begin()
    environment.journal.swapped()
    assert not recover(environment.home)
    assert not is_dead(environment.home)
    # Its process ends.
    environment.journal.close()
    assert is_dead(environment.home)
    assert recover(environment.home)
    assert environment.is_old


def test_the_line_that_site_runs_takes_a_dead_upgrade_back(environment: Environment) -> None:
    environment.begin()
    environment.change_files()
    exchange(environment.live, environment.waiting)
    environment.journal.close()
    line = (environment.live / GUARD).read_text()
    assert line.startswith("import ") and line.count("\n") == 1
    subprocess.run([sys.executable, "-I", "-c", line], check=True)
    assert environment.is_old


def test_the_line_that_site_runs_does_nothing_without_a_journal(tmp_path: Path) -> None:
    line = journal.guard_line(tmp_path / "recover.py", tmp_path)
    done = subprocess.run([sys.executable, "-I", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_a_swap_that_another_takes_back_does_not_begin(environment: Environment) -> None:
    held = journal.lock_journal(environment.home)
    with pytest.raises(OSError):
        environment.begin()
    environment.journal.abandon()
    assert held is not None
    os.close(held)
    assert not (environment.home / "journal.json").exists()


def test_a_folder_is_restored_to_exactly_what_it_was(tmp_path: Path) -> None:
    saved, live = tmp_path / "saved", tmp_path / "live"
    for folder in (saved, live):
        (folder / "kept").mkdir(parents=True)
    (saved / "kept" / "file").write_text("old")
    (saved / "gone").write_text("old")
    (saved / "link").symlink_to("kept")
    if not (saved / "link").is_symlink():
        pytest.skip("this system keeps no symbolic links")
    (saved / "was-file").write_text("old")
    (live / "kept" / "file").write_text("new")
    (live / "added" / "deep").mkdir(parents=True)
    (live / "was-file").mkdir()
    restore(saved, live)
    restore(saved, live)
    assert sorted(each.name for each in live.iterdir()) == ["gone", "kept", "link", "was-file"]
    assert (live / "kept" / "file").read_text() == (live / "was-file").read_text() == "old"
    assert (live / "link").is_symlink()


WHOLE = {"live": "/l", "waiting": "/w", "exchanged": False, "files": [], "trees": [], "swapping": True}


@pytest.mark.skipif(os.name != "posix", reason="named pipes of POSIX systems")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: os.mkfifo(path),  # noqa: PLW0108 - Windows has none
        os.mkdir,
        lambda path: path.write_bytes(b"\x80"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_text(""),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text("{}"),
        lambda path: path.write_text(json.dumps({**WHOLE, "files": [1]})),
        lambda path: path.write_text(json.dumps({**WHOLE, "live": 1})),
        lambda path: path.write_text(json.dumps({**WHOLE, "swapping": "yes"})),
    ],
)
def test_a_journal_that_is_none_raises_what_is_promised_and_bothers_no_python(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    journal = tmp_path / JOURNAL
    spoil(journal)
    with pytest.raises(OSError):
        undo(tmp_path)
    with pytest.raises(OSError):
        recover(tmp_path)
    assert unreadable(tmp_path)
    recovery = tmp_path / "recover.py"
    recovery.write_bytes(Path(sys.modules[undo.__module__].__file__ or "").read_bytes())
    line = guard_line(recovery, tmp_path)
    started = subprocess.run(
        [sys.executable, "-c", line + "print('up')"], capture_output=True, text=True, timeout=20, check=False
    )
    assert (started.returncode, started.stdout, started.stderr) == (0, "up\n", "")


@pytest.mark.skipif(os.name != "posix", reason="named pipes of POSIX systems")
def test_what_is_no_file_in_the_journal_s_place_is_called_so(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / JOURNAL)
    assert unreadable(tmp_path) == "the journal of an upgrade is no file"
    (tmp_path / JOURNAL).unlink()
    (tmp_path / JOURNAL).mkdir()
    assert unreadable(tmp_path) == "the journal of an upgrade is no file"


def test_a_loop_of_links_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).symlink_to(tmp_path / JOURNAL)
    assert recover(tmp_path) is False


@pytest.mark.skipif(os.name != "nt", reason="needs Windows")
def test_a_library_that_is_loaded_is_replaced_again_and_again_and_what_went_aside_is_swept(
    tmp_path: Path,
) -> None:
    target, newer = tmp_path / "environment" / "_queue.pyd", tmp_path / "newer.pyd"
    target.parent.mkdir()
    shutil.copy(Path(sys.base_prefix, "DLLs", "_queue.pyd"), target)
    loaded = ctypes.CDLL(str(target))
    saved = tmp_path / "saved.pyd"
    link_or_copy(target, saved)
    for number in range(3):
        newer.write_bytes(b"%d" % number)
        replace_file(newer, target)
        assert target.read_bytes() == b"%d" % number
    discard(saved)
    assert not saved.exists() and loaded
    sweep(target.parent)
    assert len(list(target.parent.glob("*.imjoy-aside"))) == 1  # the one that is loaded


def test_the_line_that_site_runs_is_ascii_whatever_the_folder_is_called(tmp_path: Path) -> None:
    home = tmp_path / "Jörg 细胞"
    home.mkdir()
    (home / JOURNAL).touch()
    ran = tmp_path / "ran"
    text = f"import pathlib; pathlib.Path({str(ran)!a}).write_text(HOME, encoding='utf-8')"
    (home / "recover.py").write_text(text, encoding="utf-8")
    line = guard_line(home / "recover.py", home)
    assert line.isascii()
    subprocess.run([sys.executable, "-c", line], check=True)
    assert ran.read_text(encoding="utf-8") == str(home)


def test_a_folder_whose_last_file_goes_is_no_longer_taken_for_a_distribution(tmp_path: Path) -> None:
    files = [tmp_path / "imjoy-1.dist-info" / each for each in ("METADATA", "licenses/LICENSE")]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.touch()
    (tmp_path / "kept").touch()
    for file in files:
        discard_below(tmp_path, file)
    assert [each.name for each in tmp_path.iterdir()] == ["kept"]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc which file is meant")
def test_the_journal_is_on_the_disk_before_it_counts(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content, then its name, then the folder: a power cut in between leaves the old journal, or the new one."""
    done: list[str] = []
    sync, rename = os.fsync, Path.replace

    def synced(number: int) -> None:
        name = Path(f"/proc/self/fd/{number}").readlink().name
        done.append(f"sync {name}")
        sync(number)

    def renamed(path: Path, target: Path) -> Path:
        done.append(f"rename {path.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    written = [f"sync {JOURNAL}.new", f"rename {JOURNAL}.new", f"sync {environment.home.name}"]
    # What takes it back has to be there whenever the journal is.
    ready = ["sync recover.py", f"sync {GUARD}", f"sync {GUARD}"]
    environment.begin()
    assert done == ready + written
    environment.journal.swapped()
    assert done == ready + written * 2
    environment.journal.commit()
    assert done == [*ready, *written * 2, f"sync {environment.home.name}"]
    environment.journal.close()


def test_what_takes_it_back_is_there_before_the_journal_is(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[bool] = []
    write = Journal._write

    def written(journal: Journal) -> None:
        there.append(
            all(
                path.exists()
                for path in (journal.recovery, environment.live / GUARD, environment.waiting / GUARD)
            )
        )
        write(journal)

    monkeypatch.setattr(Journal, "_write", written)
    environment.begin()
    assert there == [True]
    environment.journal.abandon()
    environment.journal.close()


def test_once_all_is_in_place_nobody_waits(environment: Environment) -> None:
    environment.begin()
    assert json.loads(environment.journal.file.read_text())["swapping"] is True
    environment.journal.swapped()
    assert json.loads(environment.journal.file.read_text())["swapping"] is False
    environment.journal.abandon()
    environment.journal.close()


def test_nothing_that_was_not_saved_stays_in_a_folder_that_is_restored(tmp_path: Path) -> None:
    saved, live = tmp_path / "saved", tmp_path / "live"
    saved.mkdir()
    (saved / "kept").write_text("old")
    (live / "new-folder").mkdir(parents=True)
    (live / "new-folder" / "inside").write_text("new")
    (live / "new-file").write_text("new")
    (live / "new-link").symlink_to("kept")
    restore(saved, live)
    assert {each.name for each in live.iterdir()} == {"kept"}


@pytest.mark.skipif(os.name != "posix", reason="the modes of locks are those of POSIX")
def test_a_lock_is_one_s_alone_never_waited_for_and_its_own_errors_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    first = journal.lock_journal(tmp_path)
    assert first is not None
    assert journal.lock_journal(tmp_path) is None
    os.close(first)
    again = journal.lock_journal(tmp_path)
    assert again is not None
    os.close(again)

    def refuse(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "no locks on this disk")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="no locks"):
        journal.lock_journal(tmp_path)


def test_what_another_has_taken_back_meanwhile_is_neither_dead_nor_taken_back_again(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.begin()
    environment.journal.close()
    lock_journal = journal.lock_journal

    def lock_late(home: Path) -> int | None:
        lock = lock_journal(home)
        environment.journal.file.unlink(missing_ok=True)
        return lock

    content = environment.journal.file.read_bytes()
    monkeypatch.setattr(journal, "lock_journal", lock_late)
    assert not is_dead(environment.home)
    environment.journal.file.write_bytes(content)
    assert not recover(environment.home)


def test_a_live_swap_is_waited_for_and_not_for_ever(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.begin()
    now = [0.0]
    monkeypatch.setattr("imjoy.upgrade.steps.journal.time.monotonic", lambda: now[0])
    monkeypatch.setattr("imjoy.upgrade.steps.journal.time.sleep", lambda seconds: now.append(now.pop() + 1))
    assert not recover(environment.home)
    assert now[0] > journal.PATIENCE_SECONDS
    environment.journal.abandon()
    environment.journal.close()
    assert environment.is_old


def test_while_it_is_taken_back_a_python_that_starts_waits(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.begin()
    environment.journal.swapped()
    environment.journal.close()
    waited_for: list[bool] = []

    def look(saved: Path, target: Path) -> None:
        waited_for.append(json.loads(environment.journal.file.read_text())["swapping"])
        replace_file(saved, target)

    monkeypatch.setattr(journal, "replace_file", look)
    assert recover(environment.home)
    assert waited_for == [True]
    assert environment.is_old


def test_a_mark_of_the_time_before_is_not_taken_for_this_swap_s(environment: Environment) -> None:
    (environment.live / MARK).touch()
    environment.begin()
    assert not (environment.live / MARK).exists()
    assert (environment.waiting / MARK).exists()
    environment.journal.abandon()
    environment.journal.close()
    assert environment.is_old
    assert (environment.waiting / "package").read_text() == "new"


def test_files_are_taken_back_in_the_opposite_order(environment: Environment, tmp_path: Path) -> None:
    """What a later change saved is what an earlier one had made."""
    between = tmp_path / "between"
    between.write_text("between")
    environment.journal.begin(
        environment.live,
        environment.waiting,
        [(environment.command, environment.saved), (environment.command, between)],
        exchanged=False,
    )
    environment.journal.abandon()
    environment.journal.close()
    assert environment.command.read_text() == "old"


def test_a_swap_without_an_exchange_is_taken_back_with_its_trees(
    environment: Environment, tmp_path: Path
) -> None:
    saved = tmp_path / "saved-tree"
    shutil.copytree(environment.live, saved)
    environment.journal.begin(
        environment.live, environment.waiting, [], exchanged=False, trees=[(environment.live, saved)]
    )
    assert not (environment.waiting / GUARD).exists()
    (environment.live / "package").unlink()
    (environment.live / "package").mkdir()
    (environment.live / "more").write_text("new")
    environment.journal.close()
    assert recover(environment.home)
    assert environment.is_old
    assert {each.name for each in environment.live.iterdir()} == {"package"}


def test_the_guard_stays_until_all_of_a_folder_is_restored(tmp_path: Path) -> None:
    saved, live = tmp_path / "saved", tmp_path / "live"
    saved.mkdir()
    live.mkdir()
    (live / GUARD).write_text("import os\n")
    restore(saved, live)
    assert (live / GUARD).exists()


def test_links_are_saved_and_restored_as_links(tmp_path: Path) -> None:
    saved, live, elsewhere = tmp_path / "saved", tmp_path / "live", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("mine")
    (saved / "folder").mkdir(parents=True)
    (saved / "folder" / "file").write_text("old")
    make_link(saved / "link", elsewhere)
    live.mkdir()
    (live / "folder").symlink_to(elsewhere)
    (live / "link").mkdir()
    restore(saved, live)
    assert (live / "link").is_symlink()
    assert (live / "folder" / "file").read_text() == "old"
    assert not (live / "folder").is_symlink()
    assert [each.name for each in elsewhere.iterdir()] == ["precious"]
    link_or_copy(saved / "link", tmp_path / "copy")
    assert (tmp_path / "copy").is_symlink()
