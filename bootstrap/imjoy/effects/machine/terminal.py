"""The terminal, with the standard library alone: lines that are broken between words, steps with a bar, questions."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

WIDEST = 120
NARROWEST = 40
TITLE_WIDTH = 44
BAR_WIDTH = 12
REDRAW_SECONDS = 0.1
NON_INTERACTIVE_VARIABLE = "IMJOY_DOOR_NONINTERACTIVE"
TERMINAL_OF_WINDOWS = ("CONIN$", "CONOUT$")
TERMINAL_OF_POSIX = ("/dev/tty", "/dev/tty")


def write(text: str, stream: TextIO) -> None:
    """Write a line; a letter that the stream's encoding lacks becomes a question mark."""
    try:
        stream.write(text + "\n")
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
    stream.flush()


def wrapped(lead: str, text: str, stream: TextIO) -> str:
    """Return ``text`` behind ``lead``, broken between words at the width of a terminal, and not at all elsewhere.

    No word is broken, so that a path or a url can be copied whole.
    """
    rest = " " * len(lead)
    if not stream.isatty():
        return lead + text.replace("\n", "\n" + rest)
    import textwrap

    width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))
    lines: list[str] = []
    for line in text.split("\n"):
        lines += textwrap.wrap(line, width - len(lead), break_long_words=False, break_on_hyphens=False) or [
            ""
        ]
    return lead + ("\n" + rest).join(lines)


class StepLines:
    """A line on stderr for each step, with how long it took; on a terminal a bar while a part of it is known."""

    def __init__(self, *, times: bool = True) -> None:
        self._title = ""
        self._began = 0.0
        self._drawn = 0.0
        self._times = times

    def __call__(self, title: str, fraction: float | None = None) -> None:
        """Show the step that runs now, or end the last one (``""``); ``fraction`` is 0 to 1, or None."""
        if title != self._title:
            self.close()
            if not title:
                return
            self._title, self._began, self._drawn = title, time.monotonic(), 0.0
            self._begin(title)
        now = time.monotonic()
        if fraction is not None and sys.stderr.isatty() and now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            filled = int(fraction * BAR_WIDTH)
            bar = "#" * filled + "." * (BAR_WIDTH - filled)
            sys.stderr.write(f"\r  {title:<{TITLE_WIDTH}}{bar} {100 * fraction:3.0f} %")
            sys.stderr.flush()

    def close(self, ended: str = "") -> None:
        """End the line of the step that ran: with its time, or with ``ended``."""
        if not self._title:
            return
        ending = ended or f"{time.monotonic() - self._began:.1f} s"
        if not self._times:
            pass
        elif sys.stderr.isatty() and self._drawn:
            write(f"\r  {self._title:<{TITLE_WIDTH}}{ending:<{BAR_WIDTH + 6}}", sys.stderr)
        else:
            write(ending, sys.stderr)
        self._title = ""

    def _begin(self, title: str) -> None:
        if not self._times:
            write(f"  {title}", sys.stderr)
        else:
            sys.stderr.write(f"  {title:<{TITLE_WIDTH}}")
            sys.stderr.flush()


@contextmanager
def open_terminal() -> Iterator[tuple[TextIO, TextIO] | None]:
    """Yield what to read from and to write to, or None where nobody sits there.

    stdin may be the pipe that a script came through, so the terminal itself is opened. A PowerShell that was told
    -NonInteractive hands on that nobody is to be asked.
    """
    if os.environ.get(NON_INTERACTIVE_VARIABLE):
        yield None
        return
    if sys.stdin is not None and sys.stdin.isatty():
        yield sys.stdin, sys.stderr
        return
    names = TERMINAL_OF_WINDOWS if sys.platform == "win32" else TERMINAL_OF_POSIX
    try:
        reader = open(names[0], encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115
        writer = open(names[1], "w", encoding="utf-8", errors="replace")  # noqa: PTH123, SIM115
    except OSError:
        yield None
        return
    with reader, writer:
        yield reader, writer


def confirm(question: str, *, default: bool) -> bool:
    """Ask a person until the answer is yes or no; Enter alone, and nobody to ask, mean ``default``.

    Ctrl-C raises KeyboardInterrupt, also the one that is typed as soon as the question can be read.
    """
    with open_terminal() as terminal:
        if terminal is None:
            return default
        reader, writer = terminal
        while True:
            writer.write(f"{question} [{'Y/n' if default else 'y/N'}] ")
            writer.flush()
            wait_for_line(reader)
            word = reader.readline()
            if not word:
                return default
            word = word.strip().lower()
            if word in ("", "y", "yes", "n", "no"):
                return word[0] == "y" if word else default
            writer.write("Please answer with y or n.\n")


def can_prompt() -> bool:
    """Whether a person can be asked."""
    with open_terminal() as terminal:
        return terminal is not None


def wait_for_line(stream: TextIO) -> None:
    """Wait until a line was typed on a terminal.

    A signal that comes between Python's last look at its signals and the system call of a read leaves the read waiting,
    for ever if nothing is typed; `select` is told of it by the descriptor that signals write to.
    """
    if sys.platform == "win32" or not stream.isatty():
        return
    if threading.current_thread() is not threading.main_thread():
        return  # no signal comes here
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    before = signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
    try:
        while stream.fileno() not in select.select([stream.fileno(), ours], [], [])[0]:
            with suppress(BlockingIOError):
                os.read(ours, 1)
    finally:
        signal.set_wakeup_fd(before)
        os.close(theirs)
        os.close(ours)
