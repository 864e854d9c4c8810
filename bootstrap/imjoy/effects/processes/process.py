"""Processes: the one place that starts them, knows them again, and ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, Union

from imjoy.model.errors import ImJoyError

if TYPE_CHECKING:
    import psutil

TERMINATE_GRACE_SECONDS = 5.0
KILL_GRACE_SECONDS = 3.0
POLL_SECONDS = 0.02
OUTPUT_TAIL_CHARACTERS = 4000
MAX_ANSWER_BYTES = 16 * 1024 * 1024
ASK_POLL_SECONDS = 0.05

Stream = Union[int, IO[bytes], None]
Ending = Literal["gone", "terminated", "killed"]

# Without -P, `-m` would let a file in the current folder stand in for a library. Python 3.10 has no -P.
_RUN_MODULE = (
    "import runpy, sys; sys.path.remove(''); runpy.run_module({!r}, run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True)
class CommandResult:
    """How a command went; ``output`` is the end of stdout and stderr together."""

    argv: tuple[str, ...]
    exit_code: int
    output: str
    seconds: float


@dataclass(frozen=True)
class Answer:
    """What a program said when it was asked: its exit code, and all of stdout and of stderr, apart.

    ``failure`` says why there is no answer (it could not start, did not end in time, said too much) and is empty
    otherwise; the exit code is -1 then.
    """

    code: int
    stdout: str
    stderr: str
    failure: str = ""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        return not self.failure and self.code == 0


class CommandFailed(ImJoyError):
    """A command that could not start, took too long or said no; ``result`` has the evidence."""

    def __init__(self, result: CommandResult, reason: str) -> None:
        super().__init__(
            "command.failed",
            f"`{' '.join(result.argv)}` {reason}.",
            why=f"exit code {result.exit_code} after {result.seconds:.1f} s\n{result.output}".strip(),
        )
        self.result = result


def run_command(
    argv: Sequence[str],
    *,
    timeout: float,
    text: str | None = None,
    environ: Mapping[str, str] | None = None,
    whole: bool = False,
) -> CommandResult:
    """Run ``argv`` to its end with ``text`` on its stdin, for at most ``timeout`` seconds.

    The result has the end of its output, or with ``whole`` all of it.

    Raises :class:`CommandFailed` when it cannot start, does not end in time (it is killed) or exits not with 0.
    """
    begin = time.monotonic()

    def outcome(exit_code: int, output: str | bytes | None) -> CommandResult:
        text_of_output = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
        return CommandResult(
            tuple(argv),
            exit_code,
            text_of_output if whole else text_of_output[-OUTPUT_TAIL_CHARACTERS:],
            time.monotonic() - begin,
        )

    try:
        done = subprocess.run(
            argv,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if environ is None else dict(environ),
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except OSError as error:
        raise CommandFailed(outcome(-1, str(error)), "could not be started") from error
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(outcome(-1, error.output), f"did not end within {timeout:g} s") from error
    result = outcome(done.returncode, done.stdout)
    if done.returncode != 0:
        raise CommandFailed(result, "failed")
    return result


def ask(
    argv: Sequence[str],
    *,
    timeout: float,
    environ: Mapping[str, str] | None = None,
    max_bytes: int = MAX_ANSWER_BYTES,
) -> Answer:
    """Ask a program that belongs to somebody else, and return whatever comes of it: it never raises for the program.

    Guarantees an end within ``timeout`` seconds and a moment, whatever the program and its children do: they are killed
    when they take longer, or write more than ``max_bytes`` bytes. Nothing waits for who holds its output open.
    """
    import tempfile  # what `imjoy start` needs not, 3 ms before it starts the engine

    # Files, not pipes: a child that lives on may hold a pipe for ever.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=None if environ is None else dict(environ),
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, ValueError) as error:
            return Answer(-1, "", "", f"it could not be started: {error}")
        failure = _watch(process, (out, err), timeout, max_bytes)
        outputs = []
        for file in (out, err):
            file.seek(0)
            outputs.append(file.read(max_bytes).decode("utf-8", "replace"))
        return Answer(-1 if failure else process.returncode, outputs[0], outputs[1], failure)


def _watch(
    process: subprocess.Popen[bytes], files: Sequence[IO[bytes]], timeout: float, max_bytes: int
) -> str:
    """Wait for a program that was asked, and kill it with its group when it overdoes it; return why, or nothing."""
    deadline = time.monotonic() + timeout
    failure = ""
    try:
        while process.poll() is None and not failure:
            if any(os.fstat(file.fileno()).st_size > max_bytes for file in files):
                failure = f"it wrote more than {max_bytes} bytes"
            elif time.monotonic() > deadline:
                failure = f"it did not end within {timeout:g} s"
            else:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(ASK_POLL_SECONDS)
    finally:
        if process.returncode is None:
            kill_group(process)
    return failure


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session, with all that is in it, and wait for it."""
    if sys.platform == "win32":
        subprocess.run(
            ["taskkill", "/PID", str(process.pid), "/T", "/F"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    else:
        # On macOS a group whose leader is a zombie answers EPERM.
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(OSError):
        process.kill()
    process.wait()


def module_command(module: str, arguments: Sequence[str], *, interpreter: str = sys.executable) -> list[str]:
    """Return the argv that runs a Python module without the current folder on its path."""
    if sys.version_info >= (3, 11):
        return [interpreter, "-P", "-m", module, *arguments]
    return [interpreter, "-c", _RUN_MODULE.format(module), *arguments]


def spawn(
    argv: Sequence[str],
    *,
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    environ: Mapping[str, str],
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start ``argv`` in a session of its own, so that a Ctrl-C in the terminal reaches only the caller."""
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    return subprocess.Popen(
        argv,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=dict(environ),
        cwd=cwd,
        start_new_session=True,
        creationflags=flags,
    )


def start_ticks(pid: int) -> str:
    """Return when a process began, in clock ticks after boot (Linux). Raises OSError, IndexError when there is none."""
    # Field 22 of proc(5). The second field may hold anything, in brackets.
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    return stat.rpartition(") ")[2].split()[19]


def birth_of(pid: int) -> str:
    """Return what tells a process from every other that has its number; empty when there is none of that number.

    It is the same whoever asks, and whatever the clock was set to since: on Linux the machine's boot and the clock
    ticks after it, elsewhere the start as the system noted it, in seconds since the epoch.
    """
    if sys.platform.startswith("linux"):
        boot = ""
        # Some sandboxes hide it.
        with suppress(OSError):
            boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        try:
            return f"{boot} {start_ticks(pid)}"
        except (OSError, IndexError):
            return ""
    import psutil

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return ""


def find_process(pid: int, birth: str) -> psutil.Process | None:
    """Return the live process that is really this one, or None; a pid given away again does not count."""
    import psutil

    try:
        process = psutil.Process(pid)
        same = birth != "" and birth_of(pid) == birth
        # A zombie has ended; only its parent has not looked yet.
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError):
        return None


def command_line(process: psutil.Process) -> list[str]:
    """Return the argv of a process, empty when it is not ours to read."""
    import psutil

    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return []


def wait_for_end(pid: int, birth: str, *, timeout: float) -> bool:
    """Wait up to ``timeout`` seconds for a process that need not be a child; tell whether it has ended."""
    deadline = time.monotonic() + timeout
    while find_process(pid, birth) is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_suspended(process: psutil.Process) -> bool:
    """Whether a process was stopped, as Ctrl-Z does: it lives, and does nothing until it is resumed."""
    import psutil

    try:
        return process.status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False


def end_process_tree(pid: int, birth: str) -> Ending:
    """End a process and what it started: terminate, 5 s later kill, and at most 3 s for the kill to take.

    Terminates only the process itself, so that it can end its own children in order; kills all that are left, but for
    ourselves, whom it may have started. A suspended one is resumed for that.
    """
    import psutil

    process = find_process(pid, birth)
    if process is None:
        return "gone"
    try:
        children = process.children(recursive=True)
        family = [*(child for child in children if child.pid != os.getpid()), process]
        process.terminate()
        if is_suspended(process):
            process.resume()
    except psutil.NoSuchProcess:
        return "gone"
    ended_itself = wait_for_end(pid, birth, timeout=TERMINATE_GRACE_SECONDS)
    for member in family:
        if member.is_running():
            try:
                member.kill()
            except psutil.NoSuchProcess:
                continue
    wait_for_end(pid, birth, timeout=KILL_GRACE_SECONDS)
    return "terminated" if ended_itself else "killed"
