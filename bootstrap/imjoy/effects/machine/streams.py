"""Standard input, output and error as they may be handed to us: closed, full, or in an encoding of few letters."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress

STANDARD_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
READABLE = "imjoy.readable"
"""The error handler that writes a letter that an encoding lacks as ``\\u7d30``, and an odd byte of a name as it is."""
FIRST_SURROGATE, LAST_SURROGATE, SURROGATE_BASE = "\udc80", "\udcff", 0xDC00


class Output(io.TextIOWrapper):
    """A standard stream that remembers why it could not be written."""

    failure: OSError | None = None

    def write(self, text: str, /) -> int:
        """Write ``text``. Raises OSError."""
        try:
            return super().write(text)
        except OSError as error:
            self.failure = error
            raise

    def flush(self) -> None:
        """Write what waits. Raises OSError."""
        try:
            super().flush()
        except OSError as error:
            self.failure = error
            raise


def prepare_streams() -> None:
    """Make the three standard streams ones that can be used: a closed one reads and writes nothing, and any text fits.

    On Windows what goes into a file or a pipe is UTF-8, where Python would write the ANSI code page, in which most of
    the world's letters have no place; PYTHONIOENCODING still decides. Safe to repeat.
    """
    _fill_closed_numbers()
    codecs.register_error(READABLE, _readable)
    for name, mode in STANDARD_STREAMS:
        stream = getattr(sys, name)
        if stream is None:
            # It lasts as long as the process.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
        elif mode == "w" and type(stream) is io.TextIOWrapper:
            # Asked before `detach`, after which it knows nothing.
            by_line, at_once, encoding = stream.line_buffering, stream.write_through, _encoding(stream)
            ours = Output(stream.detach(), encoding, READABLE, None, by_line, at_once)
            setattr(sys, name, ours)
            setattr(sys, f"__{name}__", ours)


def _encoding(stream: io.TextIOWrapper) -> str:
    ansi = sys.platform == "win32" and not stream.isatty() and "PYTHONIOENCODING" not in os.environ
    return "utf-8" if ansi else stream.encoding


def own_input() -> int:
    """Return a number of our own for standard input, which is empty for whatever reads number 0 from here on.

    On Windows a library whose start asks what number 0 is (numpy's is one) waits until a read of it that another thread
    stands in has ended: numpy 24290, CPython 78961. A thread that waits for what comes reads this number instead.
    """
    ours = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return ours


def output_failure() -> OSError | None:
    """Return why standard output could not be written, or None when it could."""
    return sys.stdout.failure if isinstance(sys.stdout, Output) else None


def give_up_output() -> None:
    """Let standard output lead nowhere, so that the interpreter's last flush does not fail as well."""
    with suppress(OSError, ValueError):  # it has no number of its own
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fill_closed_numbers() -> None:
    # The next file that is opened would get the number of a closed stream, and what children print would end up in it.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = bytearray()
    for letter in error.object[error.start : error.end]:
        if FIRST_SURROGATE <= letter <= LAST_SURROGATE:
            written.append(ord(letter) - SURROGATE_BASE)
        else:
            written += letter.encode("ascii", "backslashreplace")
    return bytes(written), error.end
