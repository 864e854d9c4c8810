"""Every effect of an install, an upgrade, a repair and an uninstall: a fault at each, then a run that works."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.kit import planner_faults
from tests.kit.files import make_folder_link
from tests.kit.miniconda import STAGES, write_installer
from tests.kit.planner_faults import KILLED, ON_WINDOWS, PACKAGES, PYTHON

from imjoy.effects.machine.windows import takes_junctions

KINDS = ("kill", "stop", "full", "denied")
# On Windows the double of Miniconda's installer is that of tests/windows, and each run takes a second.
METHODS = ("existing", "venv", "brought", *(() if ON_WINDOWS else ("miniconda",)))
ALL = [(method, kind) for method in METHODS for kind in KINDS]
MOST = "brought" if ON_WINDOWS else "existing"
ENDS = (MOST,) if ON_WINDOWS else (MOST, "miniconda")
"""The methods whose effects, but for a Python that was brought, are those of all."""
SLICE = [(method, kind) for method, kind in ALL if method == MOST or (method in ENDS and kind == "kill")]
BROUGHT = [("brought", "kill")]
EVERY_STEP = bool(os.environ.get("IMJOY_EVERY_STEP"))


def slice_without(kind: str) -> list[tuple[str, str]]:
    """Return the slice but for one of the two kinds of error that a disk gives, which take the same way."""
    return [each for each in SLICE if ON_WINDOWS or each != (MOST, kind)]


# A disk fills up while something is installed, and denies while it is removed.
INSTALLED = ALL if EVERY_STEP else sorted({*slice_without("denied"), *BROUGHT})
REMOVED = ALL if EVERY_STEP else slice_without("full")
KILLED_METHODS = METHODS if EVERY_STEP or ON_WINDOWS else ENDS
STOPPED_STAGES = STAGES if EVERY_STEP else STAGES[::2]
with_miniconda = pytest.mark.parametrize(
    "machine", [each for each in METHODS if each == "miniconda"], indirect=True
)
every_kill = pytest.mark.parametrize(
    ("machine", "kind"), [(method, "kill") for method in KILLED_METHODS], indirect=["machine"]
)


@dataclass(frozen=True)
class Run:
    """How a run of the planner ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


class Machine:
    """A home in which one method is installed, again and again."""

    def __init__(self, planner: subprocess.Popen[str], home: Path, scratch: Path, method: str) -> None:
        self._planner = planner
        self.home = home
        self.method = method
        self.prefix = home / "new" / "ImJoyApp"
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("IMJOY", "CONDA"))},
            **dict.fromkeys(("HOME", "USERPROFILE"), str(home)),
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch)),
        }
        wheel = scratch.parent / "imjoy-9-py3-none-any.whl"
        wheel.touch()
        distribution = "venv" if method == "brought" else method
        self.options = ["--yes", "--json", "--prefix", str(self.prefix), "--from", str(wheel)]
        self.options += ["--distribution", distribution]
        (home / ".bashrc").write_text("alias a=b\n")
        if method == "brought":
            brought = scratch.parent / "brought"
            (brought / "bin").mkdir(parents=True)
            (brought / "bin" / "python3").touch()
            self.environ["IMJOY_DOOR_PYTHON"] = str(brought)
        if method == "miniconda":
            installer = scratch.parent / "Miniconda3.sh"
            payload = scratch.parent / "payload"
            (payload / "bin").mkdir(parents=True)
            for each in ("python", "conda"):
                (payload / "bin" / each).touch()
            write_installer(installer, payload)
            self.environ["DOUBLE_LOCK"] = str(self.prefix.with_name(".ImJoyApp.imjoy") / "lock")
            digest = hashlib.sha256(installer.read_bytes()).hexdigest()
            self.options += ["--installer", str(installer), "--sha256", digest]
        if method == "existing":
            (home / "miniconda3" / "envs").mkdir(parents=True)
            (home / ".conda").mkdir()
            (home / ".conda" / "environments.txt").write_text(f"{home}/miniconda3\n")
        self.before = self.contents()

    @property
    def target(self) -> Path:
        """Return where the Python lies."""
        return self.home / "miniconda3" / "envs" / "imjoy" if self.method == "existing" else self.prefix

    def run(self, *words: str, kind: str = "none", at: int = 0) -> Run:
        """Run the planner with a fault."""
        assert self._planner.stdin is not None and self._planner.stdout is not None
        order = {"kind": kind, "at": at, "words": words, "environ": self.environ}
        self._planner.stdin.write(json.dumps(order) + "\n")
        self._planner.stdin.flush()
        told = json.loads(self._planner.stdout.readline())
        return Run(told["code"], told["out"], told["err"])

    def install(self, kind: str = "none", at: int = 0) -> Run:
        """Install."""
        return self.run("install", *self.options, kind=kind, at=at)

    def uninstall(self, kind: str = "none", at: int = 0) -> Run:
        """Uninstall."""
        return self.run("uninstall", "--yes", "--json", "--prefix", str(self.prefix), kind=kind, at=at)

    def contents(self) -> dict[str, bytes]:
        """Return everything in the home."""
        return {
            str(path.relative_to(self.home)): path.read_bytes() if path.is_file() else b""
            for path in sorted(self.home.rglob("*"))
        }

    def assert_whole(self) -> None:
        """Everything is there, and nothing of ours beside it."""
        assert (self.target / PYTHON).exists()
        assert (self.target / PACKAGES).exists()
        assert (self.prefix / ".imjoy" / "receipt.json").exists()
        assert not [each for each in self.home.rglob(".*.imjoy") if each.is_dir()]

    def assert_gone(self) -> None:
        """The home is byte for byte what it was."""
        assert self.contents() == self.before


@pytest.fixture(scope="module")
def planner() -> Iterator[subprocess.Popen[str]]:
    """Return the process that runs the planner, with its doubles in place."""
    with subprocess.Popen(
        [sys.executable, planner_faults.__file__],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def machine(request: pytest.FixtureRequest, planner: subprocess.Popen[str], tmp_path: Path) -> Machine:
    """Return a machine for each method."""
    (tmp_path / "home").mkdir()
    (tmp_path / "scratch").mkdir()
    if request.param == "existing" and not takes_junctions(tmp_path):
        pytest.skip("this disk takes no junctions")
    return Machine(planner, tmp_path / "home", tmp_path / "scratch", str(request.param))


def effects(done: Run) -> list[str]:
    """Return the names of the effects that a run began."""
    return [line.partition(": ")[2] for line in done.stderr.splitlines() if line.startswith("effect: ")]


def expected_code(kind: str) -> tuple[int, ...]:
    """Return how a run with this fault may end; 0 where the fault came once everything was done."""
    return {"kill": (KILLED,), "stop": (130, 0), "full": (1,), "denied": (1, 3, 70)}[kind]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("machine", "kind"), INSTALLED, indirect=["machine"])
def test_a_first_install_that_fails_anywhere_is_finished_by_the_next_run_and_leaves_nothing(
    machine: Machine, kind: str
) -> None:
    whole = machine.install()
    assert whole.returncode == 0, whole.stderr
    machine.assert_whole()
    assert machine.uninstall().returncode == 0
    machine.assert_gone()
    names = effects(whole)
    assert len(names) > 8
    for at, name in enumerate(names, 1):
        failed = machine.install(kind, at)
        assert failed.returncode in expected_code(kind), (name, failed.stderr)
        if failed.returncode not in (0, KILLED) and not (machine.prefix / ".imjoy").exists():
            # A run that could still act took back what it had made.
            assert machine.contents() == machine.before, name
        again = machine.install()
        assert again.returncode == 0, (name, again.stdout, again.stderr)
        machine.assert_whole()
        gone = machine.uninstall()
        assert gone.returncode == 0, (name, gone.stderr)
        assert machine.contents() == machine.before, name


@pytest.mark.slow
@pytest.mark.timeout(600)
@every_kill
def test_after_a_fault_anywhere_an_uninstall_leaves_nothing_too(machine: Machine, kind: str) -> None:
    names = effects(machine.install())
    machine.uninstall()
    for at, name in enumerate(names, 1):
        machine.install(kind, at)
        gone = machine.uninstall()
        assert gone.returncode == 0, (name, gone.stdout, gone.stderr)
        assert machine.contents() == machine.before, name


@with_miniconda
@pytest.mark.parametrize("stage", STOPPED_STAGES)
def test_stopped_at_any_stage_of_the_installer_the_next_run_works(machine: Machine, stage: str) -> None:
    def stopped(by: str) -> int:
        machine.environ |= {"DOUBLE_STAGE": stage, "DOUBLE_SIGNAL": by}
        code = machine.install().returncode
        machine.environ["DOUBLE_STAGE"] = ""
        return code

    for name in ("TERM", "INT"):
        assert stopped(name) == 130
        machine.assert_gone()
    assert stopped("KILL") == KILLED
    assert machine.uninstall().returncode == 0
    machine.assert_gone()
    assert stopped("KILL") == KILLED
    assert machine.install().returncode == 0
    machine.assert_whole()
    assert machine.uninstall().returncode == 0
    machine.assert_gone()


@pytest.mark.slow
@pytest.mark.timeout(600)
@with_miniconda
def test_a_kill_anywhere_is_mended_where_the_disk_numbers_its_files_anew(machine: Machine) -> None:
    names = effects(machine.install())
    machine.uninstall()
    for at, name in enumerate(names, 1):
        machine.install("kill", at)
        for file in machine.home.rglob("record.json"):
            record = json.loads(file.read_text())
            file.write_text(json.dumps({**record, "inode": record["inode"] + 1 if record["inode"] else 0}))
        again = machine.install()
        assert again.returncode == 0, (name, again.stdout, again.stderr)
        machine.assert_whole()
        assert machine.uninstall().returncode == 0
        assert machine.contents() == machine.before, name


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("machine", "kind", "broken"),
    [("venv", "kill", PACKAGES), *((method, "kill", PYTHON) for method in KILLED_METHODS)],
    indirect=["machine"],
)
def test_a_repair_that_fails_anywhere_is_finished_by_the_next_run(
    machine: Machine, kind: str, broken: str
) -> None:
    assert machine.install().returncode == 0
    mine = machine.target / "thesis.tex"
    mine.write_text("mine")
    (machine.target / broken).unlink()
    whole = machine.install()
    assert whole.returncode == 0, whole.stderr
    for at, name in enumerate(effects(whole), 1):
        (machine.target / broken).unlink()
        failed = machine.install(kind, at)
        assert failed.returncode in expected_code(kind), (name, failed.stderr)
        again = machine.install()
        assert again.returncode == 0, (name, again.stdout, again.stderr)
        machine.assert_whole()
        assert mine.read_text() == "mine"
    told = json.loads(machine.uninstall().stdout)
    assert told["left"] == [str(machine.prefix / "thesis.tex")]
    mine.unlink()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("machine", "kind"), REMOVED, indirect=["machine"])
def test_an_uninstall_that_fails_anywhere_is_ended_by_the_next_run(machine: Machine, kind: str) -> None:
    assert machine.install().returncode == 0
    names = effects(machine.uninstall())
    for at, name in enumerate(names, 1):
        assert machine.install().returncode == 0, name
        machine.uninstall(kind, at)
        gone = machine.uninstall()
        assert gone.returncode == 0, (name, gone.stdout, gone.stderr)
        assert machine.contents() == machine.before, name


def test_what_is_not_ours_outlives_an_uninstall_that_was_killed_and_the_install_after_it(
    planner: subprocess.Popen[str], tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "scratch").mkdir()
    machine = Machine(planner, tmp_path / "home", tmp_path / "scratch", "venv")
    assert machine.install().returncode == 0
    mine = machine.prefix / "thesis.tex"
    mine.write_text("mine")
    for at in range(1, 30):
        machine.uninstall("kill", at)
        assert mine.read_text() == "mine"
        again = machine.install()
        if [each.name for each in machine.prefix.iterdir()] == [mine.name]:
            # It was killed once everything was done; what is left is somebody's.
            assert "prefix.foreign" in again.stdout
            assert at > 5
            return
        assert again.returncode == 0, again.stderr
        machine.assert_whole()
    raise AssertionError("an uninstall has no end")


def test_a_link_of_the_person_s_own_stays_a_link_to_what_was_there(
    planner: subprocess.Popen[str], tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "scratch").mkdir()
    machine = Machine(planner, tmp_path / "home", tmp_path / "scratch", "venv")
    elsewhere = tmp_path / "another disk"
    elsewhere.mkdir()
    machine.prefix.parent.mkdir()
    make_folder_link(machine.prefix, elsewhere)
    whole = machine.install()
    assert whole.returncode == 0, whole.stderr
    assert (elsewhere / PYTHON).exists()
    assert machine.uninstall().returncode == 0
    assert machine.prefix.readlink() and not any(elsewhere.iterdir())
    for at, name in enumerate(effects(whole), 1):
        machine.install("stop", at)
        assert machine.uninstall().returncode == 0, name
        assert machine.prefix.readlink() and not any(elsewhere.iterdir()), name

    (elsewhere / "thesis.tex").write_text("mine")
    assert "prefix.foreign" in machine.install().stdout
    assert "uninstall.foreign" in machine.uninstall().stdout
    assert (elsewhere / "thesis.tex").read_text() == "mine"


@pytest.mark.parametrize("machine", ["venv"], indirect=True)
def test_a_log_that_a_scanner_holds_keeps_nobody_from_anything(machine: Machine) -> None:
    log = machine.prefix.with_name(".ImJoyApp.imjoy") / "install.log"
    assert machine.install("held", 1).returncode == 0
    assert log.exists() and (machine.prefix / ".imjoy" / "receipt.json").exists()
    (machine.prefix / PACKAGES).unlink()
    again = machine.install("held", 1)
    assert again.returncode == 0, again.stderr
    assert [each.name for each in log.parent.iterdir()] == [log.name]
    held = machine.uninstall("held", 1)
    assert held.returncode == 3 and "in use by a scanner" in held.stdout, held.stdout
    assert machine.uninstall().returncode == 0
    machine.assert_gone()
