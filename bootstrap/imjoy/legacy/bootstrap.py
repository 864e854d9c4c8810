"""From the arguments of an old Python to the imjoy of an install that is ready."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from imjoy import __version__
from imjoy.legacy import ready
from imjoy.legacy.messages import OFFER, PREFLIGHT_REFUSED, Refusal, sentence

VERSION_OPTIONS = ("--version", "-v", "-V")
#: They make no sense without an install, and are no wish to have one.
ONLY_ASKING = ("stop", "status")
#: What the planner does itself, with the options as they were typed.
PLANNED = ("install", "uninstall")
#: They would have a Python look for its modules elsewhere.
LEAKS = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
INTERRUPTED = 130
SIGNALS = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
START = (
    "import sys; sys.path.append(sys.argv[1]); sys.argv[0] = 'imjoy'; "
    "from imjoy.provision.main import main; sys.exit(main(sys.argv[2:]))"
)


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
            if {"--help", "-h"} & set(words):
                sys.stdout.write(sentence(sys.version_info, sys.executable, OFFER) + "\n")
                return 0
            if verb in ONLY_ASKING and not os.path.isdir(os.path.join(prefix, ready.OWN_FOLDER)):
                said = sentence(sys.version_info, sys.executable, OFFER)
                raise Refusal("old.not-made", said, fix="imjoy start", exit_code=PREFLIGHT_REFUSED)
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
    words = ["install", "--yes", "--from", running.place] + (["--json"] if as_json else [])
    with tempfile.TemporaryFile() as said:
        code = _plan(words, running, said if as_json else sys.stderr)
        said.seek(0)
        if code != 0:
            sys.stdout.write(
                said.read().decode("utf-8", "replace").encode("ascii", "replace").decode("ascii")
            )
    if code == 0:
        ready.note_origin(prefix, running)
    return code


def _plan(words, running, stdout):
    # type: (list[str], ready.Running, object) -> int
    """Run the planner with ``words``, in a Python that is good enough, out of imjoy's sources; return its exit code."""
    # What only an install needs would cost every start a tenth of a second.
    from imjoy.legacy import pythons

    for name in SIGNALS:
        signal.signal(getattr(signal, name), _interrupt)
    folder = pythons.temporary_folder()
    try:
        python, told = pythons.find_or_fetch(folder, words)
        place, more = ready.unpack(running, folder)
        told.update(more)
        told.update(IMJOY_DOOR="python", IMJOY_DOOR_FOLDER=folder)
        if "--from" in words or "--uninstall" in words or words[0] == "uninstall":
            words = list(words)
        else:
            words = words[:1] + ["--from", running.place] + words[1:]
        return _wait(pythons.command(python, ["-B", "-c", START, place] + words), _variables(told), stdout)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(command, variables, stdout):
    # type: (list[str], dict[str, str], object) -> int
    """Run a command to its end, which is told of every signal that reaches us; return its exit code."""
    process = subprocess.Popen(command, env=variables, stdout=stdout)  # type: ignore[call-overload]
    for name in SIGNALS:
        signal.signal(getattr(signal, name), lambda number, frame: process.send_signal(number))
    while True:
        try:
            return int(process.wait())
        except KeyboardInterrupt:
            continue  # the terminal has told it, too; it undoes, and then ends
        except OSError as error:
            if error.errno != errno.EINTR:  # after a signal Python 2.7 does not wait on
                raise


def _interrupt(number, frame):
    # type: (int, object) -> None
    raise KeyboardInterrupt


def _variables(told):
    # type: (dict[str, str]) -> dict[str, str]
    """Return the variables for what is started: nothing of the old Python leaks in."""
    variables = {name: value for name, value in os.environ.items() if name not in LEAKS}
    beside = os.path.join(sys.prefix, "Scripts\\conda.exe" if sys.platform == "win32" else "bin/conda")
    if "CONDA_EXE" not in variables and os.path.isfile(beside):
        variables["CONDA_EXE"] = beside
    variables.update(told)
    return variables


def _become(prefix, words):
    # type: (str, list[str]) -> int
    """Become ``imjoy WORDS`` of the install at ``prefix``; on Windows wait for it and return its exit code."""
    command = [ready.interpreter(prefix), "-I", "-m", "imjoy"] + words
    variables = {name: value for name, value in os.environ.items() if name not in LEAKS}
    variables.update(PYTHONNOUSERSITE="1", IMJOY_PREFIX=prefix)
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32":
        os.execve(command[0], command, variables)
    # A Python of conda finds its libraries by PATH there.
    folders = [prefix] + [os.path.join(prefix, part) for part in ("Library\\bin", "Scripts")]
    variables["PATH"] = os.pathsep.join(folders + [variables.get("PATH", "")])
    return subprocess.call(command, env=variables)
