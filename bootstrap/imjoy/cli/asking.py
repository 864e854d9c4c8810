"""Questions on the terminal: asked on standard error, answered with a line."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading

import click


def ask(question: str) -> str | None:
    """Write a question and return the line that is typed, without its end; None when stdin ends.

    Ctrl-C raises KeyboardInterrupt, also the one that is typed as soon as the question can be read.
    """
    sys.stderr.write(question)
    sys.stderr.flush()
    _wait_for_line()
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None


def confirm(question: str, *, default: bool) -> bool:
    """Ask a question until it is answered with yes or no; Enter alone means ``default``.

    Raises ``click.Abort`` when stdin ends.
    """
    while True:
        reply = ask(f"{question} [{'Y/n' if default else 'y/N'}] ")
        if reply is None:
            raise click.Abort
        word = reply.strip().lower()
        if word in ("", "y", "yes", "n", "no"):
            return word[0] == "y" if word else default
        sys.stderr.write("Please answer with y or n.\n")


def _wait_for_line() -> None:
    """Wait until a line was typed.

    A signal that comes between Python's last look at its signals and the system call of a read leaves the read waiting,
    for ever if nothing is typed; `select` is told of it by the descriptor that signals write to.
    """
    if sys.platform == "win32" or not sys.stdin.isatty():
        return
    if threading.current_thread() is not threading.main_thread():
        return  # no signal comes here
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    before = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    try:
        while sys.stdin not in select.select([sys.stdin, ours], [], [])[0]:
            os.read(ours, 1)
    finally:
        signal.set_wakeup_fd(before)
        os.close(theirs)
        os.close(ours)
