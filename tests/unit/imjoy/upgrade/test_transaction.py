"""A session of an upgrade: who may have one, and what it leaves of one that was killed."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest
from tests.kit.files import make_link

from imjoy.context import Context
from imjoy.model.errors import ImJoyError
from imjoy.provision.records.conda_link import environment_of
from imjoy.provision.records.record import install_lock
from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.steps.journal import GUARD, JOURNAL, Journal, lock_journal, replace_file
from imjoy.upgrade.steps.snapshots import (
    Snapshot,
    keep_files,
    newest_snapshot,
    next_folder,
    sweep_snapshots,
    write_facts,
)
from imjoy.upgrade.transaction import Session


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Return an environment with a folder of packages and one of commands."""
    made = tmp_path / "environment"
    for each in (made / "site", made / "bin"):
        each.mkdir(parents=True)
    return made


def session_of(environment: Path) -> Session:
    origin = Origin(
        version="1",
        environment=environment,
        interpreter=Path(sys.executable),
        site=environment / "site",
        scripts=environment / "bin",
        manager="pip",
        source="",
        id="",
    )
    context = Context.of_this_process()
    return Session(origin, context.layout(str(environment)), context, lambda title, fraction: None)


@pytest.fixture
def killed(environment: Path) -> Path:
    """Return a command of an upgrade that was killed; the old one lies in the stage."""
    home = environment / ".imjoy" / "upgrade"
    saved, command = home / "stage" / "saved" / "command", environment / "bin" / "command"
    saved.parent.mkdir(parents=True)
    saved.write_text("old")
    command.write_text("new")
    journal = Journal(home)
    journal.begin(environment / "site", environment / "site", [(command, saved)], exchanged=False)
    journal.swapped()
    journal.close()
    return command


def test_what_was_killed_is_taken_back_first(environment: Path, killed: Path) -> None:
    with session_of(environment):
        assert killed.read_text() == "old"
    assert not (environment / "site" / GUARD).exists()


@pytest.mark.parametrize("fails_in", ["the beginning", "the end"])
def test_the_way_back_stays_while_it_could_not_be_gone(
    fails_in: str, environment: Path, killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [True]

    def placed(source: Path, target: Path) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace_file(source, target)

    monkeypatch.setattr("imjoy.upgrade.steps.journal.replace_file", placed)
    if fails_in == "the beginning":
        with pytest.raises(ImJoyError) as caught, session_of(environment):
            pass
        assert caught.value.id == "upgrade.disk"
    else:
        # What a session leaves in which an upgrade could not be taken back.
        session_of(environment)._end()
    full[0] = False
    with session_of(environment):
        assert killed.read_text() == "old"


def test_what_another_process_is_taking_back_is_left_to_it(environment: Path, killed: Path) -> None:
    home = environment / ".imjoy" / "upgrade"
    lock = lock_journal(home)
    assert lock is not None
    with pytest.raises(ImJoyError) as caught, session_of(environment):
        pass
    assert caught.value.id == "install.locked"
    assert (home / JOURNAL).exists() and (home / "stage" / "saved" / "command").exists()
    os.close(lock)
    with session_of(environment):
        assert killed.read_text() == "old"


def test_by_a_link_to_the_environment_the_lock_is_that_of_an_install(
    environment: Path, tmp_path: Path
) -> None:
    link = tmp_path / "another place" / "link"
    link.parent.mkdir()
    make_link(link, environment)
    with install_lock(environment_of(link)):
        for each in (environment, link):
            with pytest.raises(ImJoyError) as caught, session_of(each):
                pass
            assert caught.value.id == "install.locked"
    with session_of(link):
        pass
    assert sorted(each.name for each in tmp_path.iterdir()) == ["another place", "environment"]
    assert list(link.parent.iterdir()) == [link]


def snapshot_of(environment: Path, version: str) -> Snapshot:
    home = environment / ".imjoy" / "upgrade"
    return Snapshot(next_folder(home), version, "", "", {"imjoy": version}, ())


def test_a_snapshot_counts_from_the_moment_on_in_which_its_facts_are_there(environment: Path) -> None:
    home = environment / ".imjoy" / "upgrade"
    (environment / "bin" / "command").write_text("old")
    for version in ("1", "2", "3"):
        snapshot = snapshot_of(environment, version)
        keep_files(snapshot, environment, [Path("bin/command"), Path("bin/of no file")])
        facts = write_facts(snapshot, home)
        before = newest_snapshot(home)
        assert (before.version if before else "0") < version
        replace_file(facts, snapshot.facts)
        facts.unlink()
        assert newest_snapshot(home) == snapshot
        assert (snapshot.layer / "bin" / "command").read_text() == "old"
    begun = snapshot_of(environment, "4")
    keep_files(begun, environment, [Path("bin/command")])
    sweep_snapshots(home)
    left = sorted(each.name for each in (home / "snapshots").iterdir())
    assert left == ["0002", "0003"]


def test_a_session_leaves_no_snapshot_that_was_begun(environment: Path) -> None:
    begun = snapshot_of(environment, "1")
    (environment / "bin" / "command").write_text("old")
    keep_files(begun, environment, [Path("bin/command")])
    with session_of(environment):
        assert not begun.folder.exists()
    assert newest_snapshot(environment / ".imjoy" / "upgrade") is None
