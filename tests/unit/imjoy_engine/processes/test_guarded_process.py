"""A build's command: its output, its end, and the end of all that it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from imjoy_engine.environments.builders import compiling
from imjoy_engine.processes import guarded_process
from imjoy_engine.processes.guarded_process import TIMED_OUT, run_guarded
from imjoy_engine.worker.processes import process_tree

# Starts a process that lives for long in the way that is asked for, tells its number, and holds our output.
STARTER = """
import os, subprocess, sys, time
way, then = sys.argv[1:]
SLEEP = [sys.executable, "-c", "import time; time.sleep(1000)"]
if way == "twice_forked":
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            print(os.getpid(), flush=True)
            os.execv(SLEEP[0], SLEEP)
        os._exit(0)
    os.wait()
elif way == "in_a_session" and os.name == "nt":
    print(subprocess.Popen(SLEEP, creationflags=subprocess.DETACHED_PROCESS).pid, flush=True)
else:
    print(subprocess.Popen(SLEEP, start_new_session=(way == "in_a_session")).pid, flush=True)
if then == "stay":
    time.sleep(1000)
sys.exit(int(then))
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
groups_only = pytest.mark.skipif(
    sys.platform not in ("linux", "win32"), reason="only the process group ends here"
)
WAYS = [
    "plainly",
    pytest.param("in_a_session", marks=groups_only),
    pytest.param("twice_forked", marks=[groups_only, posix]),
]
SOON_SECONDS = 10.0
# By then it has surely started what it starts; Windows takes longer.
TOO_LONG_SECONDS = 20.0 if sys.platform == "win32" else 3.0


def run(*arguments: str, lines: list[str], seconds: float = 60.0) -> int:
    return asyncio.run(
        run_guarded([sys.executable, "-c", STARTER, *arguments], os.environ, lines.append, seconds=seconds)
    )


def alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", [0, 7])
def test_a_command_has_ended_when_it_ends_and_what_it_left_behind_ends_with_it(way: str, code: int) -> None:
    lines: list[str] = []
    before = time.monotonic()
    assert run(way, str(code), lines=lines) == code
    assert time.monotonic() - before < SOON_SECONDS
    assert not alive(int(lines[0]))


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="only the process group ends here")
def test_what_a_command_leaves_behind_at_once_ends_with_it() -> None:
    # It has left before our guard had time for anything.
    for _ in range(5):
        lines: list[str] = []
        command = ["/bin/sh", "-c", "setsid sleep 1000 & echo $!"]
        assert asyncio.run(run_guarded(command, os.environ, lines.append, seconds=60)) == 0
        assert not alive(int(lines[0]))


@pytest.mark.parametrize("way", WAYS)
def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(way: str) -> None:
    lines: list[str] = []
    assert run(way, "stay", lines=lines, seconds=TOO_LONG_SECONDS) == TIMED_OUT
    assert not alive(int(lines[0]))


@pytest.mark.parametrize("way", WAYS)
def test_a_command_that_is_cancelled_is_killed_with_all_that_it_started(way: str) -> None:
    async def scenario() -> int:
        said: asyncio.Queue[str] = asyncio.Queue()
        command = [sys.executable, "-c", STARTER, way, "stay"]
        running = asyncio.ensure_future(run_guarded(command, os.environ, said.put_nowait, seconds=60))
        pid = int(await said.get())
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return pid

    assert not alive(asyncio.run(asyncio.wait_for(scenario(), 30)))


@pytest.mark.parametrize("way", WAYS)
def test_a_command_ends_with_whoever_wanted_it(way: str, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = (
        "import asyncio, os, pathlib, sys\n"
        "from imjoy_engine.processes.guarded_process import run_guarded\n"
        "told = pathlib.Path(sys.argv[1])\n"
        "def tell(line):\n"
        "    told.write_text(line)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(run_guarded(sys.argv[2:], os.environ, tell, seconds=60))\n"
    )

    async def scenario() -> int:
        command = (program, str(told), sys.executable, "-c", STARTER, way, "stay")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", *command)
        return await process.wait()

    assert asyncio.run(asyncio.wait_for(scenario(), 30)) in (-9, 9)
    pid = int(told.read_text())
    deadline = time.monotonic() + SOON_SECONDS
    while alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_lines_come_whole_and_without_colours_and_the_last_needs_no_end() -> None:
    lines: list[str] = []
    program = "import sys; sys.stdout.write('\\x1b[31mred\\x1b[0m\\n' + 'x' * 70000 + '\\nend')"
    command = [sys.executable, "-c", program]
    assert asyncio.run(run_guarded(command, os.environ, lines.append, seconds=60)) == 0
    assert lines[0] == "red"
    assert "".join(lines[1:-1]) == "x" * 70000
    assert lines[-1] == "end"


@posix
@pytest.mark.parametrize("module", [guarded_process, compiling, process_tree])
def test_a_group_of_which_only_zombies_are_left_is_no_error_where_that_is_eperm(
    module: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    # xnu, bsd/kern/kern_sig.c, killpg1(): zombies are passed over, and a group in which nobody was signalled is EPERM.
    def refuse(group: int, number: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "killpg", refuse)
    module.kill_group(4711)  # type: ignore[attr-defined]
