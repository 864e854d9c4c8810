"""The options of an install and an uninstall, the same in all install scripts and in ``imjoy install``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imjoy import PROJECT_URL
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy.provision.facts.install_script import InstallScript

DistributionChoice = Literal["auto", "miniconda", "miniforge", "existing", "venv"]
DISTRIBUTION_CHOICES: tuple[DistributionChoice, ...] = ("auto", "miniconda", "miniforge", "existing", "venv")
SHA256_LENGTH = 64
VALUES = ("prefix", "distribution", "from", "mirror", "offline", "installer", "sha256", "shell", "finish")
"""Options that want a value; the last two are for the second half of an install."""
FLAGS = (
    *(
        "modify-path",
        "no-modify-path",
        "desktop",
        "no-desktop",
        "start",
        "uninstall",
        "workspace",
        "caches",
        "yes",
        "dry-run",
        "json",
        "quiet",
        "verbose",
    ),
    *("version", "help"),
)
SHORT = {"-y": "--yes", "-q": "--quiet", "-v": "--verbose", "-h": "--help"}

HELP = """\
Installs imjoy, which runs native Python plugins for the ImJoy app.

usage: {command} [options] [-- arguments for imjoy start]

It makes one folder with a Python, conda and imjoy, and edits nothing else: no
shell start-up file (unless you say so), no other Python, no other conda.

options:
  --prefix DIR   the folder (default: $IMJOY_PREFIX, else ~/ImJoyApp)
  --distribution auto|miniconda|miniforge|existing|venv
                 where its Python comes from (default: $IMJOY_DISTRIBUTION, else
                 auto: a conda that is here, else Miniconda, else Miniforge,
                 else a Python: one that is here, or one that is fetched)
  --from SOURCE  what to install: a checkout's folder, a wheel, or a git url
                 (default: the checkout that this script stands in, else
                 git+{url})
  --mirror URL   where the installers of conda and the Python lie instead
                 (default: $IMJOY_MIRROR)
  --offline DIR  take the installer, the Python and all wheels from this folder
  --installer FILE --sha256 HASH
                 run this installer of Miniconda or Miniforge
  --modify-path  also keep imjoy on PATH: imjoy path --apply
  --no-modify-path
                 do not, and do not ask
  --desktop      also put ImJoy into the desktop's menu: imjoy desktop add
  --no-desktop   do not, and do not ask
  --start        afterwards start the engine and open the app in a browser
  --uninstall    take away what was installed, also when its Python is broken
  --yes          do not ask; take yes for an answer
  --dry-run      look, print the plan, change nothing
  --json         print the plan or the result as JSON, on stdout
  --quiet        print errors and warnings only
  --verbose      show what the steps print
  --version      print the version of imjoy that this script belongs to
  --help         print this

exit codes: 0 done; 1 failed; 2 usage; 3 something is in the way, nothing was
changed; 4 network needed and not there, nothing was changed; 6 a download does
not match its checksum; 7 another install is running; 70 a bug of ours; 130
interrupted.
"""
"""``install.sh`` and ``install.ps1`` have a shorter one of their own, for when there is no Python."""

UNINSTALL_HELP = """\
Removes what an install made, and the blocks of `imjoy path --apply`.

usage: {command} [options]

Your workspace stays unless you say --workspace. Files in the prefix that no
install put there stay too.

options:
  --prefix DIR   where imjoy is installed (default: $IMJOY_PREFIX, else
                 ~/ImJoyApp)
  --workspace    also what plugins own: files, token, log
  --caches       also what uv and rattler have downloaded, for other programs, too
  --yes          do not ask
  --dry-run      say what would be removed, remove nothing
  --json         print what was removed as JSON, on stdout
  --help         print this
"""


@dataclass(frozen=True)
class Arguments:
    """What was typed. ``words`` are those behind ``--``."""

    values: dict[str, str]
    flags: frozenset[str]
    words: tuple[str, ...]

    def has(self, flag: str) -> bool:
        """Whether a flag was given."""
        return flag in self.flags

    def path(self, name: str) -> Path | None:
        """Return an option's value as an absolute path, or None."""
        return Path(self.values[name]).expanduser().absolute() if name in self.values else None


OF_INSTALL = (
    "this makes the folder of imjoy itself, which --prefix DIR names. "
    "A plugin brings its own packages: imjoy run FILE"
)
OF_UNINSTALL = (
    "this removes imjoy itself, from the folder that --prefix DIR names. "
    "What plugins brought: imjoy env remove"
)


def parse(typed: Sequence[str], script: InstallScript, *, uninstalling: bool = False) -> Arguments:
    """Return what was typed. Raises :class:`ImJoyError` ``usage`` (2)."""
    uninstalling = uninstalling or "--uninstall" in typed
    command = script.uninstall_command if uninstalling else script.command
    values: dict[str, str] = {}
    flags: set[str] = set()
    rest = list(typed)
    words: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            words, rest = rest, []
            break
        name, equals, value = SHORT.get(word, word).partition("=")
        option = name[2:] if name.startswith("--") else ""
        if option in VALUES:
            if not equals:
                value = rest.pop(0) if rest else ""
            if not value or (not equals and value.startswith("--")):
                raise usage(f"{name} needs a value", script, command)
            values[option] = value
        elif option in FLAGS and not equals:
            flags.add(option)
        elif name.startswith("-"):
            raise usage(f"{name} is not an option", script, command)
        else:
            raise usage(
                f"{word} is not an option: {OF_UNINSTALL if uninstalling else OF_INSTALL}", script, command
            )
    return Arguments(values, frozenset(flags), tuple(words))


def check(arguments: Arguments, script: InstallScript) -> None:
    """Refuse what does not go together. Raises :class:`ImJoyError` ``usage`` (2)."""
    choice = arguments.values.get("distribution", "auto")
    sha256, installer = arguments.values.get("sha256"), arguments.path("installer")
    if choice not in DISTRIBUTION_CHOICES:
        raise usage(f"--distribution {choice} is not one of {', '.join(DISTRIBUTION_CHOICES)}", script)
    if arguments.has("modify-path") and arguments.has("no-modify-path"):
        raise usage("--modify-path and --no-modify-path exclude each other", script)
    if arguments.has("desktop") and arguments.has("no-desktop"):
        raise usage("--desktop and --no-desktop exclude each other", script)
    if arguments.words and not arguments.has("start"):
        raise usage("Arguments after -- go to imjoy start, and --start was not given", script)
    if sha256 is not None and not (
        installer or "mirror" in arguments.values or "offline" in arguments.values
    ):
        raise usage("--sha256 goes with --installer, --mirror or --offline", script)
    if installer is not None and sha256 is None:
        raise usage("--installer needs --sha256", script)
    if sha256 is not None and (
        len(sha256) != SHA256_LENGTH or not set(sha256.lower()) <= set("0123456789abcdef")
    ):
        raise usage(f"A SHA-256 has {SHA256_LENGTH} hexadecimal digits; --sha256 has {len(sha256)}", script)
    if installer is not None and choice not in ("miniconda", "miniforge"):
        raise usage("--installer needs --distribution miniconda or miniforge", script)
    if installer is not None and not installer.is_file():
        raise usage(f"There is no file {installer}", script)
    offline = arguments.path("offline")
    if offline is not None and not offline.is_dir():
        raise usage(f"There is no folder {offline}", script)


def help_text(verb: str, script: InstallScript) -> str:
    """Return the help of a verb, with the command of the script that shows it."""
    if verb == "uninstall":
        return UNINSTALL_HELP.format(command="imjoy uninstall")
    return HELP.format(command=script.command, url=PROJECT_URL)


def usage(what: str, script: InstallScript, command: str = "") -> ImJoyError:
    """Return the error for what cannot be meant."""
    fix = f"{command or script.command} --help"
    sentence = what if what.endswith(".") else what + "."
    if script.name in ("install.sh", "install.ps1"):
        # The scripts have always had an id of their own, which programs that call them may know.
        return ImJoyError("usage.wrong", sentence, fix=fix, exit_code=ExitCode.USAGE)
    return ImJoyError("usage", sentence, fix=fix, exit_code=ExitCode.USAGE)
