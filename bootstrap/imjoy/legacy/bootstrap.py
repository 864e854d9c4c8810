"""From the arguments of an old Python to the imjoy of an install that is ready."""

import errno
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

from imjoy import PLANNER_FLOOR, __version__
from imjoy.legacy import ready
from imjoy.legacy.messages import OFFER, Refusal, sentence

VERSION_OPTIONS = ("--version", "-v", "-V")
#: They make no sense without an install, and are no wish to have one.
ONLY_ASKING = ("stop", "status")
#: What the planner does itself, with the options as they were typed.
PLANNED = ("install", "uninstall")
#: What begins so would have a Python look for its modules elsewhere, or was set by an install script before this one.
LEAKING_VARIABLES = tuple(
    "PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONUSERBASE VIRTUAL_ENV __PYVENV IMJOY_DOOR".split()
)
POWERSHELL = ["powershell", "-NoProfile", "-ExecutionPolicy", "Bypass", "-File"]
SHELL = POWERSHELL if sys.platform == "win32" else ["bash"]
INTERRUPTED = 130
SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main(arguments=None):
    # type: (list[str] | None) -> int
    """Become ``imjoy`` with the same arguments where it is installed; it is installed, or repaired, first if need be.

    Returns only where a process cannot become another (Windows: the exit code of that one), and when there is nothing
    to become: with the exit code of what stands in the way, which has been told.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] and words[0] in VERSION_OPTIONS:
        sys.stdout.write("imjoy {0}\n".format(__version__))
        return 0
    prefix, running = ready.find_prefix(os.environ), ready.find_running()
    verb = words[0] if words else ""
    try:
        if verb in PLANNED:
            if not ready.is_ready(prefix, None):
                return _plan(words, running, None)
        elif not ready.is_ready(prefix, running):
            offer = sentence(sys.version_info, sys.executable, OFFER)
            if {"--help", "-h"} & set(words):
                sys.stdout.write(offer + "\n")
                return 0
            if verb in ONLY_ASKING and not os.path.isdir(os.path.join(prefix, ready.OWN_FOLDER)):
                raise Refusal("old.not-made", offer, fix="imjoy start")
            code = _install(prefix, running, "--json" in words)
            if code != 0:
                return code
    except Refusal as refusal:
        return refusal.tell("--json" in words)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; nothing was left behind\n")
        return INTERRUPTED
    return _become(prefix, words)


def _install(prefix, running, as_json):
    # type: (str, ready.Running, bool) -> int
    """Have the planner install, without a word on stdout but a failure's document; return its exit code."""
    sys.stderr.write(sentence(sys.version_info, sys.executable, "installing it (once; some minutes).") + "\n")
    with tempfile.TemporaryFile() as output:
        code = _plan(["install", "--yes"] + ["--json"] * as_json, running, output if as_json else sys.stderr)
        output.seek(0)
        if code != 0:
            sys.stdout.write(output.read().decode("ascii", "ignore"))
    if code == 0:
        ready.note_origin(prefix, running)
    return code


def _plan(words, running, stdout):
    # type: (list[str], ready.Running, object) -> int
    """Have the script in imjoy's sources, which finds or fetches a Python, plan with ``words``; return its code."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)
    # When we are killed the planner of another run removes it, once nobody of that number runs on this machine.
    folder = tempfile.mkdtemp(prefix="imjoy-door-{0}-{1}-".format(platform.node(), os.getpid()))
    try:
        source, handed = ready.unpack(running, folder)
        options = (["--uninstall"] if words[0] == "uninstall" else []) + words[1:]
        if any(each.split("=")[0] == "--from" for each in options):
            handed = {}  # the planner looks for that; this would be taken for what was fetched from there
        elif "--uninstall" not in options:
            options = ["--from", running.place] + options
        handed.update(IMJOY_DOOR="python", IMJOY_DOOR_FOLDER=folder)
        script = "install.ps1" if sys.platform == "win32" else "install.sh"
        return _wait(SHELL + [os.path.join(source, script)] + options, _variables(handed), stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(command, variables, stdout):
    # type: (list[str], dict[str, str], object) -> int
    """Run a command to its end, which is told of every signal that reaches us; return its exit code.

    Raises :class:`Refusal` ``host.command`` (3) where it is not on this machine.
    """
    try:
        process = subprocess.Popen(command, env=variables, stdout=stdout)  # type: ignore[call-overload]
    except OSError as error:
        what = "An install of imjoy begins in {0}, which does not start here.".format(command[0])
        raise Refusal("host.command", what, str(error), "have {0} on PATH".format(command[0]))
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: process.send_signal(number))
    while True:
        try:
            return int(process.wait())
        except KeyboardInterrupt:
            continue  # the terminal has told it, too; it undoes, and then ends
        except OSError as error:
            if error.errno != errno.EINTR:  # after a signal Python 2.7 does not wait on
                raise


def _variables(handed):
    # type: (dict[str, str]) -> dict[str, str]
    """Return the variables for what is started: nothing of the old Python leaks in."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(LEAKING_VARIABLES)}
    beside = os.path.join(sys.prefix, "Scripts\\conda.exe" if sys.platform == "win32" else "bin/conda")
    if "CONDA_EXE" not in variables and os.path.isfile(beside):
        variables["CONDA_EXE"] = beside
    variables.update(handed)
    if sys.version_info >= PLANNER_FLOOR and sys.executable:  # it will do for the planner
        folders = [variables.get("PATH", os.defpath), os.path.dirname(sys.executable)]
        variables["PATH"] = os.pathsep.join(folders)
    return variables


def _become(prefix, words):
    # type: (str, list[str]) -> int
    """Become ``imjoy WORDS`` of the install at ``prefix``; on Windows wait for it and return its exit code."""
    command = [ready.interpreter(prefix), "-I", "-m", "imjoy"] + words
    variables = {name: value for name, value in os.environ.items() if not name.startswith(LEAKING_VARIABLES)}
    variables.update(PYTHONNOUSERSITE="1", IMJOY_PREFIX=prefix)
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execve(command[0], command, variables)
    # A Python of conda finds its libraries by PATH there.
    folders = [prefix] + [os.path.join(prefix, part) for part in ("Library\\bin", "Scripts")]
    variables["PATH"] = os.pathsep.join(folders + [variables.get("PATH", "")])
    return subprocess.call(command, env=variables)
