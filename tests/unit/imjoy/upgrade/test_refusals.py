"""Upgrades that are refused or fail on this machine: what is installed stays, and the error says what to do."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from imjoy.context import Context
from imjoy.effects.processes.process import CommandResult
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.model.layout import Layout
from imjoy.upgrade.facts.origin import Origin
from imjoy.upgrade.facts.target import Target
from imjoy.upgrade.steps.base import BaseChange
from imjoy.upgrade.transaction import Session

COMMAND = ("imjoy/__main__.py", "imjoy_engine/__main__.py")
ENTRY_POINT = "[console_scripts]\nimjoy = imjoy.__main__:main\n"


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """Return an environment with nothing in it but its folders."""
    environment = tmp_path / "environment"
    for name in ("site", "bin"):
        (environment / name).mkdir(parents=True)
    return Origin(
        "1.0", environment, Path(sys.executable), environment / "site", environment / "bin", "pip", "", ""
    )


@pytest.fixture
def session(origin: Origin, home: Path) -> Session:
    """Return a session in which every command that is asked succeeds and says nothing."""
    context = Context(home, {}, run=lambda argv, **options: CommandResult(tuple(argv), 0, "", 0.0))
    layout = Layout(origin.environment, home / "workspace")
    return Session(origin, layout, context, lambda text, fraction: None)


def left_in(origin: Origin) -> list[str]:
    """Return what stands in the environment, but for the log of the upgrade."""
    names = (str(each.relative_to(origin.environment)) for each in origin.environment.rglob("*"))
    return sorted(each for each in names if not each.startswith(".imjoy"))


def test_without_a_snapshot_there_is_nothing_to_go_back_to(session: Session, origin: Origin) -> None:
    with pytest.raises(ImJoyError) as caught, session:
        session.prepare_rollback()
    assert (caught.value.id, caught.value.exit_code) == ("upgrade.no-snapshot", ExitCode.PREFLIGHT_REFUSED)
    assert left_in(origin) == ["bin", "site"]


@pytest.mark.parametrize(
    ("number", "id"), [(errno.EACCES, "upgrade.unwritable"), (errno.ENOSPC, "upgrade.disk")]
)
def test_an_environment_that_cannot_be_written_is_refused_before_anything_is_done(
    session: Session, origin: Origin, monkeypatch: pytest.MonkeyPatch, number: int, id: str
) -> None:
    def refuse(dir: Path) -> None:
        raise OSError(number, "told by the system", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(ImJoyError) as caught, session:
        pytest.fail("it was begun")
    assert (caught.value.id, caught.value.exit_code) == (id, ExitCode.PREFLIGHT_REFUSED)
    assert "told by the system" in caught.value.why
    assert [each.name for each in origin.environment.iterdir()] in (["site", "bin"], ["bin", "site"])


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")
def test_root_does_not_upgrade_what_belongs_to_somebody_else(session: Session, origin: Origin) -> None:
    os.chown(origin.environment, 54321, 54321)
    with pytest.raises(ImJoyError) as caught, session:
        pytest.fail("it was begun")
    assert (caught.value.id, caught.value.exit_code) == ("upgrade.unwritable", ExitCode.PREFLIGHT_REFUSED)
    assert "belongs to user 54321" in caught.value.what
    assert "as user 54321: imjoy upgrade" in caught.value.fix
    assert left_in(origin) == ["bin", "site"]


def test_too_little_space_is_refused_with_what_is_free_and_needed(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=7 * 1024**2))
    with pytest.raises(ImJoyError) as caught, session:
        pytest.fail("it was begun")
    assert caught.value.id == "upgrade.disk"
    assert "7 MiB" in caught.value.why


@pytest.mark.parametrize(
    ("name", "files", "entry_points", "why"),
    [
        ("imjoy", None, "", "It is no wheel"),
        ("other", COMMAND, ENTRY_POINT, "The distribution in it is called other"),
        ("imjoy", COMMAND[:1], ENTRY_POINT, f"It has no {COMMAND[1]}"),
        ("imjoy", COMMAND, "", "It has no imjoy command"),
    ],
)
def test_a_wheel_that_is_not_our_imjoy_is_refused(
    session: Session,
    origin: Origin,
    tmp_path: Path,
    name: str,
    files: tuple[str, ...] | None,
    entry_points: str,
    why: str,
) -> None:
    wheel = tmp_path / "imjoy-2.0-py3-none-any.whl"
    wheel.write_text("no archive")
    if files is not None:
        with zipfile.ZipFile(wheel, "w") as archive:
            for file in files:
                archive.writestr(file, "")
            archive.writestr(f"{name}-2.0.dist-info/METADATA", f"Name: {name}\nVersion: 2.0\n")
            archive.writestr(f"{name}-2.0.dist-info/entry_points.txt", entry_points)
    with pytest.raises(ImJoyError) as caught, session:
        session.prepare(Target("wheel", str(wheel), "", "", moves=False))
    assert (caught.value.id, caught.value.exit_code) == ("upgrade.stranger", ExitCode.PREFLIGHT_REFUSED)
    assert caught.value.why.startswith(why)
    assert left_in(origin) == ["bin", "site"]


class Undone(BaseChange):
    """A change of which the undoing is the test's."""

    def __init__(self, problem: OSError | None) -> None:
        self.problem = problem

    def undo(self) -> None:
        """Fail as the disk would."""
        if self.problem is not None:
            raise self.problem


@pytest.mark.parametrize("problem", [OSError(errno.EIO, "the disk is broken"), None])
def test_what_cannot_be_put_back_whole_is_told_with_the_command_that_goes_on(
    session: Session, problem: OSError | None
) -> None:
    """Where undoing fails, and where the old one says another version afterwards (here: none)."""
    with pytest.raises(ImJoyError) as caught:
        session._take_back(Undone(problem))
    assert caught.value.id == "upgrade.stuck"
    assert ("the disk is broken" if problem else "1.0") in caught.value.why
    assert "upgrade.pending" in caught.value.fix
