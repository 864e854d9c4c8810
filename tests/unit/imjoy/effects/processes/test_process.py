"""Commands and processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from imjoy.effects.processes.process import (
    CommandFailed,
    ask,
    birth_of,
    command_line,
    end_process_tree,
    find_process,
    module_command,
    run_command,
    spawn,
    wait_for_end,
)

pytestmark = pytest.mark.usefixtures("here_and_on_a_mac")


def test_a_command_s_output_comes_back() -> None:
    result = run_command([sys.executable, "-c", "print(input())"], timeout=20, text="hello")
    assert (result.exit_code, result.output) == (0, "hello\n")


def test_a_command_that_fails_carries_its_evidence() -> None:
    with pytest.raises(CommandFailed) as caught:
        run_command([sys.executable, "-c", "import sys; sys.exit('no way')"], timeout=20)
    assert caught.value.result.exit_code == 1
    assert "no way" in caught.value.why


def test_a_command_that_is_not_there_is_told_apart() -> None:
    with pytest.raises(CommandFailed, match="could not be started"):
        run_command(["/nowhere/at-all"], timeout=20)


def test_a_command_that_takes_too_long_is_killed() -> None:
    with pytest.raises(CommandFailed, match="did not end within"):
        run_command([sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.5)


def test_a_file_in_the_current_folder_never_stands_in_for_a_library(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('hijacked')")
    done = subprocess.run(
        module_command("json.tool", ["--help"]), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_process_is_known_again_by_its_birth_and_never_taken_for_another() -> None:
    birth = birth_of(os.getpid())
    assert birth
    assert find_process(os.getpid(), birth) is not None
    assert find_process(os.getpid(), f"{birth}0") is None
    assert find_process(os.getpid(), "") is None
    assert birth_of(2**22 + 1) == ""
    assert find_process(2**22 + 1, "") is None


def test_the_command_line_of_a_process_can_be_read() -> None:
    assert command_line(psutil.Process())[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no sessions of this kind")
def test_a_started_process_has_a_session_of_its_own() -> None:
    process = spawn(
        [sys.executable, "-c", "import sys; sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=None,
        stderr=None,
        environ=os.environ,
    )
    try:
        assert os.getsid(process.pid) == process.pid
    finally:
        process.communicate()


def test_a_tree_is_ended_with_the_children_that_were_left() -> None:
    script = textwrap.dedent(
        """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(child.pid, flush=True)
        child.wait()
        """
    )
    process = spawn(
        [sys.executable, "-c", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None,
        environ=os.environ,
    )
    with process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        child_birth = birth_of(child)
        birth = birth_of(process.pid)
        assert end_process_tree(process.pid, birth) == "terminated"
        assert wait_for_end(child, child_birth, timeout=5)
    assert end_process_tree(process.pid, birth) == "gone"


def test_a_process_that_ends_the_one_that_started_it_lives_on() -> None:
    child = textwrap.dedent(
        """
        import sys
        from imjoy.effects.processes.process import birth_of, end_process_tree

        pid = int(sys.argv[1])
        print(end_process_tree(pid, birth_of(pid)), flush=True)
        """
    )
    parent = textwrap.dedent(
        f"""
        import os, subprocess, sys
        subprocess.run([sys.executable, "-c", {child!r}, str(os.getpid())])
        """
    )
    with spawn(
        [sys.executable, "-c", parent],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None,
        environ=os.environ,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read().split() == [b"terminated"]


def test_ask_keeps_what_is_said_on_both_streams_apart_and_whole() -> None:
    program = "import sys; print('x' * 100_000); print('warning', file=sys.stderr); sys.exit(3)"
    answer = ask([sys.executable, "-c", program], timeout=30)
    end = os.linesep
    assert (answer.code, answer.stdout, answer.stderr) == (3, "x" * 100_000 + end, f"warning{end}")
    assert not answer.ok
    assert answer.failure == ""


def test_ask_ends_a_program_that_hangs_with_its_children(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = (
        "import pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(told)!r}).write_text(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    answer = ask([sys.executable, "-c", program], timeout=3)
    assert answer.failure == "it did not end within 3 s"
    assert answer.code == -1
    child = int(told.read_text())
    assert wait_for_end(child, birth_of(child), timeout=10)


def test_ask_ends_a_program_that_floods() -> None:
    answer = ask([sys.executable, "-c", "while True: print('y' * 65536)"], timeout=60, max_bytes=1 << 20)
    assert "more than 1048576 bytes" in answer.failure
    assert len(answer.stdout) <= 1 << 20


def test_ask_says_why_a_program_did_not_start() -> None:
    assert "could not be started" in ask(["/nowhere/at/all"], timeout=1).failure
