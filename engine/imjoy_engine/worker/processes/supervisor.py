"""Stands between the engine and a worker (POSIX), so that nothing which the worker started outlives it, or the engine.

The worker is a fork of the interpreter that the engine started, made before it had imported anything: that costs a
millisecond, and a process that shares nearly all of its memory.
"""

import contextlib
import os
import select
import signal
from typing import List, Optional

from .orphans import adopt_orphans
from .process_tree import MARK, MARKS, descendants, kill, kill_children, kill_group, marked

READY = b"+"
ENGINE = 0
"""Our standard input: a pipe whose other end closes when the engine ends, or wants us to end at once."""


def fork_supervised() -> bool:
    """Become two: return in the worker, whose standard input is now a pipe of its own; the supervisor never returns.

    False where the system has no process left for a supervisor: this is then the worker, and goes without.
    """
    worker_input, supervisor = os.pipe()
    chatter, wake = os.pipe()
    os.set_blocking(chatter, False)
    os.set_blocking(wake, False)
    signals = []  # type: List[int]
    # From here on nothing may get lost: a worker that ends before we look, a signal before we know whom to send it to.
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.signal(signal.SIGTERM, lambda number, frame: signals.append(number))
    mark = "%d-%s" % (os.getpid(), os.urandom(8).hex())
    worker = None  # type: Optional[int]
    with contextlib.suppress(OSError):  # too many processes, or no memory
        worker = os.fork()
    if not worker:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if worker == 0:
            os.setpgid(0, 0)
            os.dup2(worker_input, 0)
            if MARKS:
                os.environ[MARK] = mark
        for each in (worker_input, supervisor, chatter, wake):
            os.close(each)
        return worker == 0
    os.close(worker_input)
    try:
        _end_as(_supervise(worker, supervisor, chatter, signals, mark))
    finally:
        # Whatever went wrong here: the worker does not live on without us.
        os._exit(1)


def _supervise(worker: int, worker_input: int, chatter: int, signals: List[int], mark: str) -> int:
    """Wait until the worker or the engine ends, and end all that the worker started; return the worker's status."""
    # Who started us reads its output to the end; that must not wait for us.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    with contextlib.suppress(OSError):  # it has done so itself, or has gone
        os.setpgid(worker, worker)
    adopting = adopt_orphans()
    with contextlib.suppress(OSError):  # it has gone
        os.write(worker_input, READY)
    status = None  # type: Optional[int]
    while status is None:
        readable, _, _ = select.select([ENGINE, chatter], [], [])
        if chatter in readable:
            os.read(chatter, 4096)
        while signals:
            _tell(worker, signals.pop())
        if ENGINE in readable and not os.read(ENGINE, 4096):
            break
        status = _reap(worker)
    strays = []  # type: List[int]
    if not adopting:
        strays = marked(mark) + (descendants(worker) if status is None else [])
    kill_group(worker)
    if status is None:
        status = os.waitpid(worker, 0)[1]
    kill(strays)
    kill_children()
    return status


def _tell(worker: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, number)


def _reap(worker: int) -> Optional[int]:
    """Wait for every child that has ended; return the worker's status if it is one of them."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if pid == worker:
            return status
        if pid == 0:
            return None


def _end_as(status: int) -> None:
    """End in the way that the worker ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        import resource

        # One memory image is enough.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))
