"""The command line: one verb a file; each parses, calls one operation and renders its result."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from imjoy import __version__
from imjoy.effects.machine.streams import give_up_output, prepare_streams

VERSION_WORDS = ("--version", "-v", "-V", "version")


def main(argv: Sequence[str] | None = None) -> int:
    """Run imjoy with ``argv``, by default the process's arguments, and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare_streams()
    if arguments and arguments[0] in VERSION_WORDS:
        # Before anything else is imported: scripts ask for the version often.
        text = f'{{"version": "{__version__}"}}' if "--json" in arguments else f"imjoy {__version__}"
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except OSError:
            give_up_output()
            return 1
        return 0
    from imjoy.cli.group import run

    return run(arguments)
