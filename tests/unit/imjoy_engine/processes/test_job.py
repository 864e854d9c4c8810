"""A job of Windows: what is in it ends with it."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from imjoy_engine.launchers.local import CREATE_SUSPENDED
from imjoy_engine.processes.job import Job

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="only Windows has job objects")
SECONDS = 20
# Starts a process that is nobody's descendant soon, tells its number, and ends when it is told to.
STARTER = """
import subprocess, sys
sleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
inner = "import subprocess; print(subprocess.Popen({!r}, creationflags=subprocess.DETACHED_PROCESS).pid, flush=True)"
print(subprocess.run([sys.executable, "-c", inner.format(sleep)], stdout=subprocess.PIPE).stdout.decode(), flush=True)
sys.stdin.readline()
"""


def start(program: str, flags: int = 0) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        creationflags=flags,
    )


def told(process: subprocess.Popen[bytes]) -> psutil.Process:
    assert process.stdout is not None
    return psutil.Process(int(process.stdout.readline()))


def test_what_was_made_suspended_goes_on_and_ends_with_its_job_and_with_all_that_it_started() -> None:
    job = Job()
    with start(STARTER, CREATE_SUSPENDED) as process:
        job.take_and_resume(process.pid)
        stray = told(process)
        assert process.poll() is None
        job.close()
        process.wait(SECONDS)
        assert psutil.wait_procs([stray], timeout=SECONDS)[1] == []


def test_what_a_process_in_its_own_job_started_ends_with_it_and_its_exit_code_stays() -> None:
    program = (
        f"from imjoy_engine.processes.job import Job\njob = Job()\njob.take_us()\n{STARTER}\nsys.exit(7)"
    )
    with start(program) as process:
        stray = told(process)
        process.communicate(b"go\n", timeout=SECONDS)
        assert process.returncode == 7
        assert psutil.wait_procs([stray], timeout=SECONDS)[1] == []


def test_a_process_that_is_not_there_is_an_error() -> None:
    job = Job()
    with start("pass") as process:
        process.wait(SECONDS)
    with pytest.raises(OSError, match=r"\w"):
        job.take_and_resume(process.pid)
    job.close()
