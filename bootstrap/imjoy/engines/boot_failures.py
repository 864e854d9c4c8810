"""Why an engine ended before it was ready: the cause and the fix, read from its last words. Pure."""

from __future__ import annotations

import re
import signal
import sys
from dataclasses import dataclass

from imjoy.model.install_line import install_line

DOCTOR = "imjoy doctor"


@dataclass(frozen=True)
class BootFailure:
    """The cause in a sentence, and the next command to type."""

    why: str
    fix: str


@dataclass(frozen=True)
class _Sign:
    """What in the last words shows a cause; ``why`` may name the groups of the pattern."""

    pattern: str
    why: str
    fix: str


_SIGNS = (
    _Sign(
        r"No module named '?(?P<module>[\w.]+)'?",
        "The package {module} is missing: an install or upgrade was interrupted, or something removed it.",
        "{install}",
    ),
    _Sign(
        r"ImportError: (?P<reason>.*(?:GLIBC|cannot open shared object|DLL load failed|undefined symbol).*)",
        "A library of this machine does not fit: {reason}",
        "{install}",
    ),
    _Sign(
        r"ImportError: (?P<reason>.+)",
        "Files of imjoy or of a package are missing, or do not fit together: {reason}",
        "{install}",
    ),
    _Sign(
        # The frame right before the error is the damaged file.
        r'File "(?P<file>[^"\n]+)", line \d+(?:(?!File ")[\s\S])*?(?:SyntaxError|IndentationError|TabError)',
        "{file} is damaged.",
        "{install}",
    ),
    _Sign(r"No space left on device|Errno 28", "The disk is full.", "free some space, then: imjoy start"),
    _Sign(r"Too many open files|Errno 24", "Too many files are open.", "ulimit -n 4096, then: imjoy start"),
    _Sign(
        r"MemoryError|Cannot allocate memory|Errno 12", "There is not enough memory.", "close other programs"
    ),
    _Sign(r"PermissionError: (?P<reason>.+)", "The system refuses: {reason}", DOCTOR),
    _Sign(
        r"unrecognized arguments: (?P<reason>.+)",
        "Command and engine are of different versions.",
        "{install}",
    ),
)


def known_cause(text: str, platform: str = sys.platform) -> BootFailure | None:
    """Return cause and fix when ``text``, a traceback or the name and text of an error, shows a sign that we know."""
    for sign in _SIGNS:
        found = re.search(sign.pattern, text)
        if found:
            words = {**found.groupdict(), "install": install_line(platform)}
            return BootFailure(sign.why.format(**words), sign.fix.format(**words))
    return None


def explain_boot(exit_code: int, output: str, platform: str = sys.platform) -> BootFailure:
    """Return cause and fix for an engine that ended with ``exit_code`` after it wrote ``output`` to stderr.

    A traceback never is part of the cause: where no sign is known, its last line is.
    """
    known = known_cause(output, platform)
    if known is not None:
        return known
    if exit_code < 0:
        name = _signal_name(-exit_code)
        memory = " The system does that when memory runs out." if name == "SIGKILL" else ""
        return BootFailure(f"The system ended it with {name}.{memory}", DOCTOR)
    lines = [line for line in output.splitlines() if line.strip()]
    return BootFailure(f"exit code {exit_code}\n{lines[-1].strip() if lines else ''}".strip(), DOCTOR)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
