"""The conda of this machine: asked once, and told to make an environment."""

import json
import sys

from imjoy.legacy.refusal import PREFLIGHT_REFUSED, Refusal
from imjoy.legacy.sentence import install_line
from imjoy.legacy.steps import capture, isolated
from imjoy.legacy.texts import native
from imjoy.legacy.where import conda_commands

ASK_SECONDS = 120
#: Never the default channels of Anaconda, whose terms only a person can accept.
CHANNEL_ARGUMENTS = ["--override-channels", "--channel", "conda-forge"]
#: What is solved for where the lock cannot serve: what the lock's own environment.yml allows, down to the floor.
WANTED = ["python>=3.10,<3.14", "pip"]
#: The first that reads ``.conda`` files, of which the lock is made.
FIRST_WITH_NEW_FORMAT = (4, 7)


class Conda(object):
    """A conda that answers: its command, and what ``conda info`` says of its version, platform and environments."""

    def __init__(self, command, version, platform, env_folders):
        # type: (str, str, str, list[str]) -> None
        self.command = command
        self.version = version
        self.platform = platform
        self.env_folders = env_folders

    def reads_the_lock(self):
        # type: () -> bool
        """Whether it can install what the lock names."""
        numbers = [part for part in self.version.split(".")[:2] if part.isdigit()]
        return tuple(map(int, numbers)) >= FIRST_WITH_NEW_FORMAT

    def create_arguments(self, prefix, what):
        # type: (str, list[str]) -> list[str]
        """Return the command that makes an environment at ``prefix``; ``what`` is specs, or options."""
        words = ["create", "--yes", "--quiet", "--prefix", prefix, "--no-default-packages"]
        return [self.command] + words + what


def ask_conda(environ):
    # type: (dict[str, str]) -> Conda
    """Return the first conda that answers. Raises :class:`Refusal` ``old.no-conda`` (3) when none does."""
    silent = []
    for command in conda_commands(environ):
        code, said = capture([command, "info", "--json"], isolated(environ), ASK_SECONDS)
        try:
            told = json.loads(said[said.index("{") :]) if code == 0 else {}
            return Conda(
                command,
                str(told["conda_version"]),
                str(told["platform"]),
                [native(each) for each in told["envs_dirs"]],
            )
        except (KeyError, ValueError):
            silent.append("{0} does not answer (exit code {1})".format(command, code))
    raise Refusal(
        "old.no-conda",
        "There is no conda here that works, and this Python is too old for imjoy.",
        why="\n".join(silent) or "Looked at CONDA_EXE, beside this Python, on PATH and in the usual folders.",
        fix="this line brings a Python and a conda of their own: " + install_line(sys.platform),
        exit_code=PREFLIGHT_REFUSED,
    )
