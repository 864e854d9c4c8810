"""A Python that is good enough for the planner: found on this machine, else fetched, its SHA-256 known beforehand."""

import ctypes
import glob
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading

from imjoy import PLANNER_FLOOR
from imjoy.legacy.messages import CHECKSUM_MISMATCH, NETWORK_NEEDED, Refusal
from imjoy.legacy.ready import PACKAGE, find_prefix

START_SECONDS = 5
SILENCE_SECONDS = 30
CHUNK_BYTES = 1 << 20
NOEXEC = 8
USUAL_CONDAS = ("miniconda3", "miniforge3", "mambaforge", "anaconda3", "miniconda", "anaconda")
ARCHITECTURES = {"x86_64": "64", "amd64": "64", "aarch64": "aarch64", "arm64": "arm64"}
SYSTEMS = {"linux": "linux", "linux2": "linux", "darwin": "osx", "win32": "win"}


def find_or_fetch(folder, words):
    # type: (str, list[str]) -> tuple[str, dict[str, str]]
    """Return a Python for the planner, and what that is told of it; one that is fetched lies in ``folder``.

    Raises :class:`Refusal` ``network.python`` (4) and ``download.checksum`` (6).
    """
    tried = []  # type: list[str]
    for python in _candidates():
        real = os.path.realpath(python)
        if real not in tried and os.path.isfile(python):
            tried.append(real)
            if _is_good(python):
                return python, {}
    whole = os.path.join(folder, "python")
    _unpack(_fetch(folder, words), folder)
    inside = "python.exe" if sys.platform == "win32" else "bin/python3"
    return os.path.join(whole, inside), {"IMJOY_DOOR_PYTHON": whole}


def command(python, words):
    # type: (str, list[str]) -> list[str]
    """Return the argv of a Python into which nothing of a person's own leaks."""
    return [python, "-I"] + words


def temporary_folder():
    # type: () -> str
    """Make a folder in which programs may run, and return it: beside the prefix where the usual place forbids that.

    When we are killed the planner of another run removes it, once nobody of that number runs on this machine.
    """
    name = "imjoy-door-{0}-{1}-".format(platform.node(), os.getpid())
    folder = tempfile.mkdtemp(prefix=name)
    if hasattr(os, "statvfs") and os.statvfs(folder).f_flag & NOEXEC:
        os.rmdir(folder)
        beside = os.path.dirname(find_prefix(os.environ))
        folder = tempfile.mkdtemp(
            prefix="." + name, dir=beside if os.path.isdir(beside) else os.path.expanduser("~")
        )
    return folder


def _candidates():
    # type: () -> list[str]
    """Return the Pythons that may be good enough: this one, those on PATH, those of the condas."""
    name = "python.exe" if sys.platform == "win32" else os.path.join("bin", "python")
    names = ["python3", "python"] + [
        "python3.{0}".format(minor) for minor in range(20, PLANNER_FLOOR[1] - 1, -1)
    ]
    folders = [
        each for each in os.environ.get("PATH", "").split(os.pathsep) if each and "WindowsApps" not in each
    ]
    if sys.platform == "darwin" and subprocess.call("xcode-select -p >/dev/null 2>&1", shell=True) != 0:
        folders = [each for each in folders if each != "/usr/bin"]  # what is there opens a dialog
    suffix = ".exe" if sys.platform == "win32" else ""
    found = [sys.executable] if sys.executable else []
    found += [os.path.join(folder, each + suffix) for each in names for folder in folders]
    conda = os.environ.get("CONDA_EXE", "")
    roots = [os.path.dirname(os.path.dirname(conda))] if conda else []
    roots += [os.path.join(os.path.expanduser("~"), each) for each in USUAL_CONDAS] + ["/opt/conda"]
    return found + [os.path.join(root, name) for root in roots]


def _is_good(python):
    # type: (str) -> bool
    test = "import sys; sys.exit(sys.version_info < {0})".format(PLANNER_FLOOR)
    with open(os.devnull, "r+b") as nothing:
        try:
            process = subprocess.Popen(
                command(python, ["-B", "-c", test]), stdin=nothing, stdout=nothing, stderr=nothing
            )
        except OSError:
            return False
        timer = threading.Timer(START_SECONDS, process.kill)
        timer.start()
        try:
            return process.wait() == 0
        finally:
            timer.cancel()


def _fetch(folder, words):
    # type: (str, list[str]) -> str
    """Return the archive of a whole Python: from where a variable says, a folder, a mirror, or its makers."""
    url, sha256 = os.environ.get("IMJOY_PYTHON_URL", ""), os.environ.get("IMJOY_PYTHON_SHA256", "")
    options = {
        name: words[place + 1] for place, name in enumerate(words[:-1]) if name in ("--mirror", "--offline")
    }
    if not url:
        with open(os.path.join(PACKAGE, "provision", "installers.json")) as file:
            table = json.load(file)["python"]
        entry = table["platforms"].get(platform_name())
        if entry is None:
            raise Refusal(
                "network.python",
                "There is no Python from {0}.{1} on here, and none that could be fetched.".format(
                    *PLANNER_FLOOR
                ),
                why="Nobody builds one for {0}.".format(platform_name() or platform.machine()),
                fix="install Python 3",
                exit_code=NETWORK_NEEDED,
            )
        mirror = options.get("--mirror") or os.environ.get("IMJOY_MIRROR", "")
        url = (mirror.rstrip("/") + "/" if mirror else str(table["base_url"])) + str(entry["file"]).replace(
            "+", "%2B"
        )
        sha256 = str(entry["sha256"])
    archive = os.path.join(folder, "python.tar.gz")
    local = os.path.join(options.get("--offline", ""), url.rsplit("/", 1)[1].replace("%2B", "+"))
    sys.stderr.write("  fetching a Python: {0}\n".format(local if "--offline" in options else url))
    try:
        if "--offline" in options:
            shutil.copyfile(local, archive)
        else:
            _download(url, archive)
    except (EnvironmentError, ValueError) as error:
        raise Refusal(
            "network.python",
            "There is no Python from {0}.{1} on here, and none could be fetched.".format(*PLANNER_FLOOR),
            why=str(error),
            fix="look at the network and HTTPS_PROXY, or install Python 3",
            exit_code=NETWORK_NEEDED,
        )
    with open(archive, "rb") as stream:
        found = hashlib.sha256(stream.read()).hexdigest()
    if found != sha256.lower():
        raise Refusal(
            "download.checksum",
            "{0} is not what it should be; nothing of it was used.".format(url),
            why="its SHA-256 is {0}\nand has to be  {1}".format(found, sha256),
            fix="try again later; if it stays so, a proxy on the way is at fault",
            exit_code=CHECKSUM_MISMATCH,
        )
    return archive


def _download(url, target):
    # type: (str, str) -> None
    """Fetch by curl or wget, as an old Python may not speak the TLS of today; by itself where there is neither."""
    silence = str(SILENCE_SECONDS)
    speed = ["--connect-timeout", silence, "--speed-limit", "1024", "--speed-time", silence]
    error = None  # type: Exception | None
    for argv in (
        ["curl", "-fsSL", "--retry", "3"] + speed + ["-o", target, url],
        ["wget", "-q", "-T", silence, "-t", "3", "-O", target, url],
    ):
        try:
            process = subprocess.Popen(argv, stderr=subprocess.PIPE)
        except OSError:
            continue
        try:
            said = process.communicate()[1].decode("utf-8", "replace").strip()
        except BaseException:
            process.kill()
            raise
        if process.returncode == 0:
            return
        error = IOError("{0} {1}".format(argv[0], said or process.returncode))
    if error is not None:
        raise error
    try:
        from urllib.request import urlopen
    except ImportError:
        from urllib2 import urlopen  # type: ignore[import-not-found,no-redef]

    answer = urlopen(url, timeout=SILENCE_SECONDS)
    with open(target, "wb") as file:
        shutil.copyfileobj(answer, file, CHUNK_BYTES)


def _unpack(archive, folder):
    # type: (str, str) -> None
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    os.remove(archive)


def platform_name():
    # type: () -> str
    """Return conda's name of this platform, with ``-musl`` behind it on a Linux without glibc."""
    system = SYSTEMS.get(sys.platform, "")
    part = ARCHITECTURES.get(platform.machine().lower(), "")
    musl = (
        system == "linux"
        and not hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
        and glob.glob("/lib/ld-musl-*")
    )
    return "{0}-{1}{2}".format(system, part, "-musl" if musl else "") if system and part else ""
