"""What imjoy tells the user of an interpreter that is too old for it."""

import json
import sys

from imjoy import FLOOR, __version__

#: What can be done for an old Python, in the words of the sentence.
OFFER = "`imjoy start` installs it with a newer one (in the environment imjoy of a conda that is here), and runs there."
PREFLIGHT_REFUSED = 3


class Refusal(Exception):
    """What happened, why, and what to type next, under an id that stays the same; as ``imjoy.model.errors`` has it."""

    def __init__(self, id, what, why="", fix=""):
        # type: (str, str, str, str) -> None
        Exception.__init__(self, what)
        self.names = {"id": id, "what": what, "why": why, "fix": fix, "exit_code": PREFLIGHT_REFUSED}

    def tell(self, as_json):
        # type: (bool) -> int
        """Print it on stderr, or as JSON on stdout, as imjoy itself does; return the exit code."""
        if as_json:
            document = {"schema": 1, "kind": "failure", "error": self.names}
            sys.stdout.write(json.dumps(document, sort_keys=True) + "\n")
            return PREFLIGHT_REFUSED
        sys.stderr.write("error: {0}\n".format(self.names["what"]))
        for label, name in (("why", "why"), ("id", "id"), ("next", "fix")):
            if self.names[name]:
                text = str(self.names[name]).replace("\n", "\n        ")
                sys.stderr.write("  {0:<6}{1}\n".format(label, text))
        return PREFLIGHT_REFUSED


def sentence(version, executable, what):
    # type: (tuple[int | str, ...], str | None, str) -> str
    """Return what imjoy needs, what there is, and what is done about it, in one sentence."""
    found = ".".join(map(str, version[:3]))
    return "imjoy {0} needs Python {1}.{2} or newer, and {3} is Python {4}: {5}".format(
        __version__, FLOOR[0], FLOOR[1], executable or "this interpreter", found, what
    )
