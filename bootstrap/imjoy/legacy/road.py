"""From the arguments of an old Python to the imjoy of the environment ``imjoy``."""

import os
import sys

from imjoy import __version__
from imjoy.legacy import handover
from imjoy.legacy.environment import find_ours, is_ready
from imjoy.legacy.refusal import INTERRUPTED, Refusal, tell
from imjoy.legacy.running import find_running
from imjoy.legacy.sentence import OFFER, sentence
from imjoy.legacy.where import conda_commands

VERSION_OPTIONS = ("--version", "-v", "-V")


def main(arguments=None):
    # type: (list[str] | None) -> int
    """Become ``imjoy`` with the same arguments in the environment of that name, which is made or mended first.

    Returns only where a process cannot become another (Windows: the exit code of that one), and when there is nothing
    to become: what stands in the way is then told, with one of the documented exit codes.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] and words[0] in VERSION_OPTIONS:
        sys.stdout.write("imjoy {0}\n".format(__version__))
        return 0
    environ, running = dict(os.environ), find_running()
    prefix = find_ours(environ, conda_commands(environ))
    if {"--help", "-h"} & set(words) and not prefix:
        sys.stdout.write(sentence(sys.version_info, sys.executable, OFFER) + "\n")
        return 0
    if not (prefix and is_ready(prefix, running)):
        # A tenth of a second that a start does without when all is there.
        from imjoy.legacy.making import make_environment

        try:
            prefix = make_environment(prefix, running, environ, words)
        except Refusal as refusal:
            tell(refusal, "--json" in words)
            return refusal.exit_code
        except KeyboardInterrupt:
            sys.stderr.write("\ninterrupted; the next start goes on from here\n")
            return INTERRUPTED
    return handover.replace(prefix, words, environ)
