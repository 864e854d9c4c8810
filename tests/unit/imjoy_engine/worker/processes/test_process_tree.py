"""What a plugin started is found and ended, also where nobody can adopt orphans, as on macOS."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from imjoy_engine.worker.processes import process_tree

if sys.platform == "win32":
    pytest.skip("Windows has job objects for this", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[5]
SECONDS = 20
# A worker as `worker/__main__.py` makes it. Its supervisor adopts nobody, and sees variables through ps, as on a Mac.
WORKER = """
import os, subprocess, sys, time

sys.path.insert(0, sys.argv[1])
from imjoy_engine.worker.processes import process_tree, supervisor

supervisor.adopt_orphans = lambda: False
process_tree.MARKS = supervisor.MARKS = True
process_tree.PS_WITH_VARIABLES = ("axeww", "-o", "pid=", "-o", "args=")
sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]

assert supervisor.fork_supervised()
assert os.read(0, 1) == supervisor.READY
told = [os.getpid(), subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid]
if os.fork() == 0:
    os.setsid()
    orphan = subprocess.Popen(sleep).pid
    print(orphan, *told, flush=True)
    os._exit(0)
os.wait()
if sys.argv[2] == "stay":
    time.sleep(1000)
os._exit(int(sys.argv[2]))
"""


@contextlib.contextmanager
def worker(then: str) -> Iterator[tuple[subprocess.Popen[bytes], list[psutil.Process]]]:
    """Start a worker; give its supervisor, and whom it told of."""
    command = [sys.executable, "-c", WORKER, str(ROOT / "engine"), then]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = process.stdout.readline().split()
        processes = []
        for pid in pids:
            # The worker itself may have ended by now, and all the others with it.
            with contextlib.suppress(psutil.NoSuchProcess):
                processes.append(psutil.Process(int(pid)))
        yield process, processes


@pytest.mark.parametrize("code", [0, 7])
def test_without_adoption_what_is_detached_ends_with_a_worker_that_ends(code: int) -> None:
    with worker(str(code)) as (process, processes):
        assert process.wait(SECONDS) == code
        assert psutil.wait_procs(processes, timeout=SECONDS)[1] == []


def test_without_adoption_everything_ends_when_the_engine_s_end_of_the_lifeline_closes() -> None:
    with worker("stay") as (process, processes):
        assert len(processes) == 4
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(SECONDS) == -signal.SIGKILL
        assert psutil.wait_procs(processes, timeout=SECONDS)[1] == []


def test_a_worker_is_asked_to_end_when_its_supervisor_is() -> None:
    with worker("stay") as (process, processes):
        process.terminate()
        assert process.wait(SECONDS) == -signal.SIGTERM
        assert psutil.wait_procs(processes, timeout=SECONDS)[1] == []


@pytest.mark.parametrize("look", [process_tree.parents, process_tree._parents_of_ps])
def test_parents_are_known_from_proc_and_from_ps(look: object) -> None:
    with subprocess.Popen(["sleep", "1000"]) as child:
        parents = look()  # type: ignore[operator]
        assert parents[child.pid] == os.getpid()
        child.kill()


def test_descendants_are_those_whose_parents_lead_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "parents", lambda: {2: 1, 3: 2, 4: 3, 5: 1, 6: 5})
    assert sorted(process_tree.descendants(2)) == [3, 4]


def test_somebody_else_s_child_is_left_and_does_not_hold_us_up(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import os, subprocess, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from imjoy_engine.worker.processes import process_tree\n"
        "spared, child = (subprocess.Popen(['sleep', '1000']) for _ in range(2))\n"
        "kill = os.kill\n"
        "def refuse(pid, number):\n"
        "    if pid == spared.pid: raise PermissionError(1, 'not permitted')\n"
        "    kill(pid, number)\n"
        "os.kill = refuse\n"
        "process_tree.kill_children()\n"
        "assert child.poll() is not None and spared.poll() is None\n"
        "os.kill = kill\n"
        "spared.kill()\n"
        "spared.wait()\n"
    )
    before = time.monotonic()
    command = [sys.executable, "-c", program, str(ROOT / "engine")]
    assert subprocess.run(command, timeout=SECONDS, check=False).returncode == 0
    assert time.monotonic() - before < SECONDS
