"""Makes the environment ``imjoy`` with the imjoy that is running, mends it, or brings it up to date."""

import ctypes
import errno
import glob
import json
import os
import re
import shutil
import signal
import sys

from imjoy.legacy import environment, linked, packages
from imjoy.legacy.claim import Claim
from imjoy.legacy.conda import CHANNEL_ARGUMENTS, WANTED, Conda, ask_conda  # noqa: F401 - in type comments
from imjoy.legacy.refusal import FAILED, NETWORK_NEEDED, PREFLIGHT_REFUSED, Refusal
from imjoy.legacy.running import Running  # noqa: F401 - in type comments
from imjoy.legacy.sentence import OFFER, sentence
from imjoy.legacy.steps import Steps, capture, close_step, isolated, open_step

#: The oldest that the packages of the lock run with.
LOCK_GLIBC = (2, 17)
NEEDED_MIB = 1000
BYTES_PER_MIB = 1 << 20
PROBE_SECONDS = 120
EVIDENCE_LINES = 12
SEARCHED_LINES = 60
#: They make no sense without an environment, and are no wish to have one made.
ONLY_ASKING = ("stop", "status", "uninstall")

NETWORK_WORDS = re.compile(
    "NewConnectionError|NameResolutionError|Temporary failure in name resolution|ConnectTimeout|ReadTimeout|ProxyError"
    "|Could not resolve host|Network is unreachable|Connection refused|CondaHTTPError|SSLError|CONNECTION FAILED"
    "|unable to access"
)
DISK_WORDS = re.compile("No space left on device|Errno 28|os error 28|NoSpaceLeftError|Disk quota exceeded")


def make_environment(prefix, running, environ, words):
    # type: (str, Running, dict[str, str], list[str]) -> str
    """Make the environment ``imjoy``, or mend the one of ours that is at ``prefix``; return where it is.

    Raises :class:`Refusal`: ``old.no-conda``, ``old.foreign``, ``old.disk`` and ``old.not-made`` (3),
    ``install.locked`` (7), ``download.checksum`` (6), ``install.network`` (4), ``install.step``.
    """
    if words[:1] and words[0] in ONLY_ASKING and not prefix:
        raise Refusal(
            "old.not-made",
            sentence(sys.version_info, sys.executable, OFFER),
            fix="imjoy start",
            exit_code=PREFLIGHT_REFUSED,
        )
    signal.signal(signal.SIGTERM, _interrupt)
    conda = None
    if not prefix or _is_unfinished(prefix) or not _python_answers(prefix, environ):
        conda = ask_conda(environ)
        prefix = prefix or _place_for(conda.env_folders, environ)
        _check_room(prefix)
    _say(sentence(sys.version_info, sys.executable, _intention(prefix, conda)))
    with Claim(os.path.join(prefix, environment.OWN_FOLDER)) as claim:
        # Somebody else may have been faster.
        if not environment.is_ready(prefix, running):
            _Making(prefix, running, environ, claim).make(conda)
    return prefix


class _Making(object):
    """One making of the environment at ``prefix``, under the lock."""

    def __init__(self, prefix, running, environ, claim):
        # type: (str, Running, dict[str, str], Claim) -> None
        self._prefix = prefix
        self._own = os.path.join(prefix, environment.OWN_FOLDER)
        self._running = running
        temporary = os.path.join(self._own, "tmp")
        if not os.path.isdir(temporary):
            os.makedirs(temporary)
        self._temporary = temporary
        self._environ = isolated(environ, temporary)
        self._downloads = os.path.join(self._own, "downloads")
        self._stage = os.path.join(self._own, "stage")
        self._steps = Steps(os.path.join(self._own, "install.log"), self._environ, claim)

    def make(self, conda):
        # type: (Conda | None) -> None
        """Make or mend; with a ``conda`` the Python is made anew. What fails is marked, and the next start goes on."""
        finished = environment.standing(self._prefix) in ("ours", environment.INTERRUPTED)
        self._mark(environment.INTERRUPTED if finished else environment.UNFINISHED)
        open(self._steps.log, "wb").close()
        try:
            if conda is not None:
                self._make_python(conda)
                linked.link_conda(self._prefix, conda.command)
            self._install_imjoy(anew=conda is not None)
            self._finish(conda.command if conda else "")
            with open(environment.own_file(self._prefix, environment.ORIGIN), "w") as origin:
                origin.write(self._running.id + "\n")
            linked.link_home(self._prefix, self._environ)
        except (IOError, OSError) as error:
            raise self._failure("writing", str(error), error.errno == errno.ENOSPC)
        finally:
            for folder in (self._temporary, self._stage):
                shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self._downloads, ignore_errors=True)

    def _make_python(self, conda):
        # type: (Conda) -> None
        locked = packages.locked_packages(conda.platform) if conda.reads_the_lock() and _glibc_suits() else []
        if not (locked and self._from_lock(conda, locked)):
            self._clear()
            command = conda.create_arguments(self._prefix, CHANNEL_ARGUMENTS + WANTED)
            if self._steps.run("having conda solve and make the environment", command) != 0:
                raise self._failure("making the environment")
        if not _python_answers(self._prefix, self._environ):
            raise self._failure("making the environment", "the Python that conda put there does not run")

    def _from_lock(self, conda, locked):
        # type: (Conda, list[packages.Package]) -> bool
        """Make the Python that the lock names; false when it cannot be had, and conda's own channels may."""
        self._clear()
        begin = open_step("downloading {0} packages of the lock".format(len(locked)))
        try:
            packages.fetch(locked, self._downloads)
        except Refusal:
            close_step(begin, False)
            raise
        except IOError as error:
            close_step(begin, False)
            if error.errno == errno.ENOSPC:
                raise
            _say("  {0}".format(error))
            return False
        close_step(begin, True)
        explicit = os.path.join(self._own, "explicit.txt")
        packages.write_explicit(locked, self._downloads, explicit)
        # conda asks for the terms of the default channels even where a file names every package.
        command = conda.create_arguments(self._prefix, CHANNEL_ARGUMENTS + ["--offline", "--file", explicit])
        worked = self._steps.run("having conda make the environment", command) == 0
        if not worked and DISK_WORDS.search(self._steps.last_words(SEARCHED_LINES)):
            raise self._failure("making the environment")
        return worked

    def _install_imjoy(self, anew):
        # type: (bool) -> None
        pip = [environment.interpreter(self._prefix), "-I", "-m", "pip"]
        wanted = ["--editable", self._running.what] if self._running.editable else [self._build_wheel(pip)]
        if anew:
            commands = [pip + ["install"] + wanted]
        elif environment.imjoy_whole(self._prefix):
            # By its name imjoy is there already, so the second looks for what it requires alone.
            commands = [
                pip + ["install", "--force-reinstall", "--no-deps"] + wanted,
                pip + ["install", "imjoy"],
            ]
        else:
            commands = [pip + ["install", "--force-reinstall"] + wanted]
        for command in commands:
            if self._steps.run("installing imjoy and what it needs", command) != 0:
                raise self._failure("installing imjoy")

    def _build_wheel(self, pip):
        # type: (list[str]) -> str
        """Return a wheel of imjoy in our own folder: an upgrade then asks the receipt where imjoy comes from."""
        command = pip + ["wheel", "--no-deps", "--wheel-dir", self._stage, self._running.what]
        code = self._steps.run("building imjoy", command)
        wheels = glob.glob(os.path.join(self._stage, "imjoy-*.whl"))
        if code != 0 or not wheels:
            raise self._failure("building imjoy")
        return wheels[0]

    def _finish(self, conda):
        # type: (str) -> None
        handed = {
            "action": "install",
            "distribution": environment.DISTRIBUTION,
            "source": self._running.place,
            "source_id": self._running.id,
            "made_folder": self._prefix,
            "conda": conda,
        }
        python = environment.interpreter(self._prefix)
        command = [python, "-I", "-m", "imjoy", "install", "--prefix", self._prefix, "--quiet"]
        if (
            self._steps.run("checking that its engine starts", command + ["--finish", json.dumps(handed)])
            != 0
        ):
            raise self._failure("checking the engine")

    def _failure(self, title, why="", disk_full=False):
        # type: (str, str, bool) -> Refusal
        words = _without_passwords(why or self._steps.last_words(EVIDENCE_LINES))
        before = self._steps.last_words(SEARCHED_LINES)
        if disk_full or DISK_WORDS.search(before):
            # What a full disk needs most is room.
            self._clear()
            shutil.rmtree(self._downloads, ignore_errors=True)
            return Refusal(
                "old.disk-full",
                "The disk of {0} is full; what was begun there is removed.".format(self._prefix),
                why=words,
                fix="make room, about {0} MB, and start again".format(NEEDED_MIB),
            )
        if NETWORK_WORDS.search(before):
            return Refusal(
                "install.network",
                "The network is needed once, and {0} did not get what it asked for.".format(title),
                why=words,
                fix="look at the network and HTTPS_PROXY, and start again: what has come is kept",
                exit_code=NETWORK_NEEDED,
            )
        return Refusal(
            "install.step",
            "The environment imjoy is not ready: {0} failed.".format(title),
            why=words,
            fix="start again; the whole log is {0}".format(self._steps.log),
            exit_code=FAILED,
        )

    def _mark(self, state):
        # type: (str) -> None
        with open(os.path.join(self._own, environment.INCOMPLETE), "w") as marker:
            marker.write(state + "\n")

    def _clear(self):
        # type: () -> None
        """Remove everything but our own folder: it is what an unfinished or broken making of ours left."""
        for name in os.listdir(self._prefix):
            path = os.path.join(self._prefix, name)
            if name == environment.OWN_FOLDER:
                continue
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.remove(path)


def _is_unfinished(prefix):
    # type: (str) -> bool
    """Whether a first making was broken off, which may be in the middle of anything."""
    return environment.standing(prefix) == environment.UNFINISHED


def _python_answers(prefix, environ):
    # type: (str, dict[str, str]) -> bool
    """Whether the Python there is whole and runs, with pip."""
    if not environment.python_whole(prefix):
        return False
    command = [environment.interpreter(prefix), "-I", "-B", "-m", "pip", "--version"]
    return capture(command, isolated(environ), PROBE_SECONDS)[0] == 0


def _place_for(env_folders, environ):
    # type: (list[str], dict[str, str]) -> str
    """Return where the environment is to be: IMJOY_PREFIX, else the first of conda's folders that can be written to."""
    folders = [each for each in env_folders if os.access(_nearest(each), os.W_OK)] or env_folders
    named = environ.get("IMJOY_PREFIX", "")
    prefix = (
        os.path.abspath(os.path.expanduser(named)) if named else os.path.join(folders[0], environment.NAME)
    )
    if environment.standing(prefix) == "foreign":
        raise Refusal(
            "old.foreign",
            "There is an environment {0} that this imjoy did not make; it is left as it is.".format(prefix),
            why="imjoy lives in a conda environment of that name, and removes and repairs only what it made itself.",
            fix="if nobody needs it, conda env remove -n {0}; else name another place: IMJOY_PREFIX=DIR".format(
                environment.NAME
            ),
            exit_code=PREFLIGHT_REFUSED,
        )
    return prefix


def _check_room(prefix):
    # type: (str) -> None
    if hasattr(os, "statvfs"):
        there = _nearest(prefix)
        disk = os.statvfs(there)
        free = disk.f_bavail * disk.f_frsize // BYTES_PER_MIB
        if free < NEEDED_MIB:
            raise Refusal(
                "old.disk",
                "{0} has {1} MB free, and the environment imjoy needs {2} MB.".format(
                    there, free, NEEDED_MIB
                ),
                fix="make room, or name another place: IMJOY_PREFIX=DIR",
                exit_code=PREFLIGHT_REFUSED,
            )


def _nearest(path):
    # type: (str) -> str
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def _glibc_suits():
    # type: () -> bool
    """Whether this system's C library is one that the packages of the lock were built for."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        # What `platform` says before Python 3.9 is what the interpreter was built for, not what is here.
        ask = ctypes.CDLL(None).gnu_get_libc_version
    except (AttributeError, OSError):
        return False
    ask.restype = ctypes.c_char_p
    return tuple(map(int, ask().decode("ascii").split(".")[:2])) >= LOCK_GLIBC


def _intention(prefix, conda):
    # type: (str, Conda | None) -> str
    if conda is None:
        return "installing this imjoy into the environment {0}.".format(prefix)
    verb = "making" if environment.standing(prefix) == "new" else "making anew"
    return "{0} the environment {1} with conda {2} (once; some minutes).".format(verb, prefix, conda.version)


def _without_passwords(text):
    # type: (str) -> str
    return re.sub("://[^/@\\s]+@", "://", text)


def _say(text):
    # type: (str) -> None
    sys.stderr.write(text + "\n")


def _interrupt(number, frame):
    # type: (object, object) -> None
    raise KeyboardInterrupt
