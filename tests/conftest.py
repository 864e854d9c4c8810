"""What every test gets: a home of its own, and proof that nothing was left running."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from tests.kit.isolation import is_shared, move_to, path_without_shims
from tests.kit.turns import turn_at

pytest_plugins = ["tests.kit.mac_double", "tests.kit.fixtures"]

# How long an example takes is the machine's matter, not a property of the code.
# The same cases each time: what `make test` says of a change is the change's doing. New ones are for `make fuzz`.
settings.register_profile("imjoy", deadline=None, derandomize=True)
# `make fuzz`: ten tests of the wire, the relay and the reader of plugin files make 100,000 cases of it.
settings.register_profile("fuzz", deadline=None, max_examples=10_000, print_blob=True)
settings.load_profile("imjoy")

# Under nohup, or in the background of a script, signals come ignored, and what tests start would ignore them too.
for ignored in {signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)}:
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, signal.default_int_handler if ignored is signal.SIGINT else signal.SIG_DFL)

os.environ["PATH"] = path_without_shims(os.environ["PATH"])
# Containers like to set it: each of some thousand processes would compile what it imports, and pytest each test's file.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

LEAK_GRACE_SECONDS = 10
"""An engine may give a plugin five seconds to end."""

LONG_FILES = (
    "tests/integration/engine/test_slurm.py",
    "tests/shell/install_real.bats",
    "tests/integration/packaging/test_every_python.py",
    "tests/integration/provision/test_conda_environment.py",
    "tests/integration/legacy/test_faults.py",
    "tests/integration/upgrade/test_upgrade.py",
    "tests/integration/provision/test_packages.py",
    "tests/integration/provision/test_existing_conda.py",
)
"""What takes minutes of work or of waiting and would be begun late: files are begun by name, unit tests at the end."""

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run three times as many as there are cores for this process: with twice as many they were idle for a fifth of it.

    With ``--numprocesses logical`` one for each of its processors: what computes all the time gains nothing by more.
    """
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count() or 1
    if config.option.numprocesses == "logical":
        return processors
    cores = min(processors, psutil.cpu_count(logical=False) or processors)
    return 3 * cores


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long: at the end of a run one of them would keep one process busy alone."""
    first = {name: order for order, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: first.get(item.nodeid.partition("::")[0], len(first)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let fixtures know whether their test failed."""
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Path]:
    """Return a fresh home that this test, and every process it starts, takes for the real one.

    It is deleted, as an install takes 500 MB of it, unless the test failed.
    """
    folder = tmp_path_factory.mktemp("home")
    move_to(folder, monkeypatch)
    yield folder
    if not request.node.stash.get(FAILED, False):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep `make coverage` out of what a test starts: what it imports for itself would count as ours."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture
def only_user_of_8080(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the other processes of pytest-xdist off the default port while a test looks at it."""
    with turn_at(tmp_path_factory.getbasetemp().parent / "port-8080.lock"):
        yield


@pytest.fixture(autouse=True)
def no_process_left_behind(home: Path) -> Iterator[None]:
    """Fail a test whose processes outlive it by more than ten seconds, detached ones included."""
    before = frozenset(psutil.pids())
    yield
    deadline = time.monotonic() + LEAK_GRACE_SECONDS
    while (left := processes_of(home, before)) and time.monotonic() < deadline:
        psutil.wait_procs(left, timeout=0.1)
    told = []
    for process in left:
        try:
            told.append(" ".join(process.cmdline()) or process.name())
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=LEAK_GRACE_SECONDS)
    if told:
        pytest.fail("processes left behind: " + "; ".join(told))


def processes_of(home: Path, before: frozenset[int]) -> list[psutil.Process]:
    """Return our own new descendants, and whatever else on this machine lives in the test's home.

    Looking at those alone that were not there before makes this quick, and it is done for every test.
    """
    new = []
    for pid in frozenset(psutil.pids()) - before:
        with contextlib.suppress(psutil.Error):
            new.append(psutil.Process(pid))
    return [each for each in new if is_ours(each) or lives_in(each, home)]


def is_ours(process: psutil.Process) -> bool:
    """Whether we, or what we started, have started a process, and not for several tests."""
    try:
        parents = [each.pid for each in process.parents()]
        return os.getpid() in parents and not is_shared(process.pid, *parents)
    except (psutil.Error, OSError):
        return False


def lives_in(process: psutil.Process, home: Path) -> bool:
    """Whether a process was started with the test's home; one that nobody has waited for no longer lives."""
    try:
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and process.pid != os.getpid() and process.environ().get("HOME") == str(home)
    except (psutil.Error, OSError):
        return False
