"""What a person can mend, and how it is told: the ids and exit codes of ``imjoy.model.errors``."""

import json
import sys

FAILED = 1
PREFLIGHT_REFUSED = 3
NETWORK_NEEDED = 4
CHECKSUM_MISMATCH = 6
LOCKED = 7
INTERRUPTED = 130


class Refusal(Exception):
    """What happened, why, and what to type next, under an id that stays the same."""

    def __init__(self, id, what, why="", fix="", exit_code=FAILED):
        # type: (str, str, str, str, int) -> None
        Exception.__init__(self, what)
        self.id = id
        self.what = what
        self.why = why
        self.fix = fix
        self.exit_code = exit_code


def tell(refusal, as_json):
    # type: (Refusal, bool) -> None
    """Print a refusal on stderr, or as JSON on stdout, as imjoy itself does."""
    if as_json:
        names = ("id", "what", "why", "fix", "exit_code")
        document = {"error": {name: getattr(refusal, name) for name in names}}
        sys.stdout.write(json.dumps(document) + "\n")
        return
    sys.stderr.write("error: {0}\n".format(refusal.what))
    for label, text in (("why", refusal.why), ("id", refusal.id), ("next", refusal.fix)):
        if text:
            sys.stderr.write("  {0:<6}{1}\n".format(label, text.replace("\n", "\n        ")))
