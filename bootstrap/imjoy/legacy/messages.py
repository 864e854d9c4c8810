"""What imjoy tells the user of an interpreter that is too old for it."""

import json
import sys

from imjoy import FLOOR, PROJECT_URL, __version__

#: What can be done for an old Python, in the words of the sentence.
OFFER = "`imjoy start` installs it with a newer one (in the environment imjoy of a conda that is here), and runs there."
FAILED = 1
PREFLIGHT_REFUSED = 3
NETWORK_NEEDED = 4
CHECKSUM_MISMATCH = 6


class Refusal(Exception):
    """What happened, why, and what to type next, under an id that stays the same; as ``imjoy.model.errors`` has it."""

    def __init__(self, id, what, why="", fix="", exit_code=FAILED):
        # type: (str, str, str, str, int) -> None
        Exception.__init__(self, what)
        self.names = {"id": id, "what": what, "why": why, "fix": fix, "exit_code": exit_code}
        self.exit_code = exit_code

    def tell(self, as_json):
        # type: (bool) -> int
        """Print it on stderr, or as JSON on stdout, as imjoy itself does; return the exit code."""
        if as_json:
            document = {"schema": 1, "kind": "failure", "error": self.names}
            sys.stdout.write(json.dumps(document, sort_keys=True) + "\n")
            return self.exit_code
        sys.stderr.write("error: {0}\n".format(self.names["what"]))
        for label, name in (("why", "why"), ("id", "id"), ("next", "fix")):
            if self.names[name]:
                text = str(self.names[name]).replace("\n", "\n        ")
                sys.stderr.write("  {0:<6}{1}\n".format(label, text))
        return self.exit_code


def install_line(platform):
    # type: (str) -> str
    """Return the line that installs imjoy on this ``sys.platform``: what the README and ``install.sh`` say as well."""
    if platform == "win32":
        script = "irm {0}/raw/HEAD/install.ps1".format(PROJECT_URL)
        return 'powershell -ExecutionPolicy Bypass -c "& ([scriptblock]::Create(({0}))) -Start"'.format(
            script
        )
    return "curl -fsSL {0}/raw/HEAD/install.sh | bash -s -- --start".format(PROJECT_URL)


def sentence(version, executable, what):
    # type: (tuple[int | str, ...], str | None, str) -> str
    """Return what imjoy needs, what there is, and what is done about it, in one sentence."""
    return "imjoy {imjoy} needs Python {floor} or newer, and {executable} is Python {found}: {what}".format(
        imjoy=__version__,
        floor=".".join(map(str, FLOOR)),
        executable=executable or "this interpreter",
        found=".".join(map(str, version[:3])),
        what=what,
    )
