"""Runs of ``imjoy upgrade`` with real parts, each on a machine of its own, and what has to hold after every one.

``python -m tests.kit.upgrade_runs [--write] [WORDS…]`` does all of them, or those whose name holds one of the words,
and prints a table; with ``--write`` it puts the table into ``docs/upgrade.md``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.kit.forge import Forge
from tests.kit.upgrades import (
    CHANGED,
    COMMITS,
    GOOD,
    NEW_VERSION,
    ROOT,
    WAIT_SECONDS,
    Kit,
    Machine,
    broken_records,
    installed_commit,
    make_kit,
    make_machine,
)

PAGE = ROOT / "docs" / "upgrade.md"
BEGIN, END = "<!-- runs: written by make upgrade-matrix -->", "<!-- end of runs -->"
NOWHERE = "http://127.0.0.1:9/"
AT_ONCE = 2
MIB = 1024**2
TITLES = (
    *("fetching commits", "fetching files", "building imjoy", "resolving what it needs", "laying it out"),
    *("making the trial", "trying it", "swapping it in", "testing it"),
)
"""The lines of progress of an upgrade, in order."""
# Kills itself at the N-th change of a file after the journal is begun. The removal of the stage is one of them.
KILLER = """
import os, signal, sys
wanted, armed, seen = int(sys.argv.pop(1)), False, 0
CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "ctypes.dlsym"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
def hook(event, args):
    global armed, seen
    if event not in CHANGES and not (event == "open" and isinstance(args[2], int) and args[2] & WRITES):
        return
    armed = armed or (event == "open" and str(args[0]).endswith("journal.lock"))
    if armed:
        seen += 1
        if seen == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from imjoy.__main__ import main
sys.exit(main())
"""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: exit code, id of the error, which commit is installed, and what of the proof did not hold."""

    code: int
    id: str
    commit: str
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """A run: what is done on the machine, and how it may end. ``leaves`` has the commits that may be there after it.

    ``mounts`` says that it needs file systems of its own, and so a namespace for them.
    """

    group: str
    name: str
    act: Callable[[Machine], tuple[int, str]]
    codes: tuple[int, ...] = (0,)
    leaves: tuple[str, ...] = ("old",)
    mounts: str = ""

    def fails(self, outcome: Outcome) -> list[str]:
        """Return what of the outcome is not as it has to be."""
        told = list(outcome.wrong)
        if outcome.code not in self.codes:
            told.append(f"exit code {outcome.code} ({outcome.id}), not {self.codes}")
        if outcome.commit not in self.leaves:
            told.append(f"{outcome.commit or 'a mix'} is installed, not {' or '.join(self.leaves)}")
        return told


def verify(machine: Machine) -> list[str]:
    """Return what does not hold of: whole by RECORD, one version, ``--version``, ``doctor --offline``, ``start``."""
    wrong = broken_records(machine.site)
    commit = installed_commit(machine)
    if not commit:
        wrong.append("the files of imjoy are those of no commit")
    said = machine.imjoy("--version")
    if said.returncode != 0 or not said.stdout.startswith("imjoy "):
        wrong.append(f"--version: {said.stdout}{said.stderr}")
    doctor = machine.imjoy("doctor", "--offline")
    if doctor.returncode != 0:
        wrong.append(f"doctor: {doctor.stdout}{doctor.stderr}")
    start = machine.imjoy("start", "--detach", "--port", "0", "--no-open")
    if start.returncode != 0:
        wrong.append(f"start: {start.stdout}{start.stderr}")
    machine.imjoy("stop")
    # Starting may have put an older state back: what is there now is one version too.
    wrong += broken_records(machine.site)
    if installed_commit(machine) not in (commit, "old"):
        wrong.append("what is installed changed while it was looked at")
    return wrong


def upgrade(*arguments: str, **environ: str) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: upgrade, without a terminal."""

    def act(machine: Machine) -> tuple[int, str]:
        done = machine.imjoy("upgrade", "--yes", "--json", *arguments, **environ)
        return done.returncode, error_id(done.stdout)

    return act


def error_id(said: str) -> str:
    """Return the id of the error in a document, or an empty string."""
    for line in said.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(line)["error"]["id"])
    return ""


def to(name: str, act: Callable[[Machine], tuple[int, str]]) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: the followed branch moves, then ``act``."""

    def both(machine: Machine) -> tuple[int, str]:
        machine.follow(name)
        return act(machine)

    return both


def after_good(
    act: Callable[[Machine], tuple[int, str]], *, back: bool = False
) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: an upgrade that goes well, then (the branch having moved back) ``act``."""

    def both(machine: Machine) -> tuple[int, str]:
        machine.follow(GOOD)
        machine.upgrade()
        if back:
            machine.follow("old")
        return act(machine)

    return both


def signalled(title: str, number: int, *arguments: str) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: an upgrade that gets a signal as soon as it says ``title``."""

    def act(machine: Machine) -> tuple[int, str]:
        with running(machine, "upgrade", "--yes", *arguments) as process:
            wait_for(process, title)
            process.send_signal(number)
            process.communicate(timeout=WAIT_SECONDS)
        return process.returncode, ""

    return act


@contextlib.contextmanager
def running(machine: Machine, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the installed command in a session of its own; whatever is left of it at the end is killed."""
    process = subprocess.Popen(
        machine.command(*arguments),
        env=machine.environ,
        cwd=machine.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(process: subprocess.Popen[str], title: str) -> None:
    """Read the progress until it comes to ``title``."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip() == title:
            return
    raise AssertionError(f"{title!r} was never said")


def upgrade_killed_at(step: int, machine: Machine, *arguments: str) -> int:
    """Run an upgrade that is killed at its N-th change of a file under the journal; return its exit code."""
    return subprocess.run(
        [str(machine.prefix / "bin" / "python"), "-c", KILLER, str(step), "upgrade", "--yes", *arguments],
        env=machine.environ,
        cwd=machine.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT_SECONDS,
        check=False,
    ).returncode


def killed_at(step: int, *arguments: str) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: an upgrade that is killed at its N-th change of a file under the journal."""

    def act(machine: Machine) -> tuple[int, str]:
        before = installed_commit(machine)
        code = upgrade_killed_at(step, machine, *arguments)
        # Before any Python has started that could repair it: whole already, as folders change places in one step.
        assert broken_records(machine.site) == []
        assert installed_commit(machine), "a mix"
        # The next Python takes back what was not final; what is, can be gone back from.
        done = machine.imjoy("--version")
        assert done.returncode == 0, done.stderr
        if installed_commit(machine) not in ("old", before):
            machine.upgrade("--rollback", "--dry-run")
        return code, ""

    return act


def killed_in_turn(steps: range) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: going back is killed at each of these changes in turn, until one comes too late."""

    def act(machine: Machine) -> tuple[int, str]:
        for step in steps:
            code, id = killed_at(step, "--rollback")(machine)
            said = machine.imjoy("--version")
            assert said.returncode == 0, said.stderr
            assert broken_records(machine.site) == []
            check_packages(machine)
            if installed_commit(machine) == "old":
                break
        # It is not gone back twice by one upgrade.
        assert machine.upgrade("--rollback", code=3)["error"]["id"] == "upgrade.no-snapshot"
        return code, id

    return act


def check_packages(machine: Machine) -> None:
    """Have pip say that every package has what it needs."""
    python = str(machine.prefix / "bin" / "python")
    done = subprocess.run(
        [python, "-m", "pip", "check"], env=machine.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def with_helper(act: Callable[[Machine], tuple[int, str]]) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: an upgrade that replaces a package, removes and adds commands, adds a package; then ``act``."""

    def both(machine: Machine) -> tuple[int, str]:
        install_helper(machine)
        machine.follow(CHANGED)
        machine.upgrade()
        outcome = act(machine)
        commands = {each.name for each in (machine.prefix / "bin").glob("imjoy-test-*")}
        assert commands == {"imjoy-test-helper", "imjoy-test-older"}, commands
        return outcome

    return both


def gone(*ends: str, **environ: str) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: an upgrade in a network where the paths with these ends are not reached."""

    def act(machine: Machine) -> tuple[int, str]:
        machine.forge.gone = ends
        return upgrade(**environ)(machine)

    return act


def gone_after(title: str) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: an upgrade whose network goes as soon as it says ``title``."""

    def act(machine: Machine) -> tuple[int, str]:
        with running(machine, "upgrade", "--yes") as process:
            wait_for(process, title)
            machine.forge.gone = ("",)
            process.communicate(timeout=WAIT_SECONDS)
        return process.returncode, ""

    return act


def two_at_once(machine: Machine) -> tuple[int, str]:
    """Two upgrades: the second has to be refused, the first to go on."""
    with running(machine, "upgrade", "--yes") as process:
        wait_for(process, "building imjoy")
        code, id = upgrade()(machine)
        assert (code, id) == (7, "install.locked"), (code, id)
        process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, ""


def watched(machine: Machine) -> tuple[int, str]:
    """Ask for the version all the while; each answer has to be one of the two."""
    over, wrong = threading.Event(), list[str]()

    def watch() -> None:
        while not over.is_set():
            said = machine.imjoy("--version")
            if said.returncode != 0 or said.stdout.strip() not in ("imjoy 0.12.0", f"imjoy {NEW_VERSION}"):
                wrong.append(said.stdout + said.stderr)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        outcome = upgrade()(machine)
    finally:
        over.set()
        watcher.join()
    assert not wrong, wrong[:3]
    return outcome


def with_engine(act: Callable[[Machine], tuple[int, str]]) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: the same while an engine runs; afterwards one has to run at the same address.

    It is another one when there is another imjoy, and the same one, never stopped, when there is not.
    """

    def both(machine: Machine) -> tuple[int, str]:
        start = machine.imjoy("start", "--detach", "--port", "0", "--no-open", "--json")
        assert start.returncode == 0, start.stderr
        before = json.loads(start.stdout)
        code, id = act(machine)
        after = json.loads(machine.imjoy("status", "--json").stdout)
        assert after["running"] and after["url"] == before["url"], after
        assert (after["pid"] != before["pid"]) is (code == 0), after
        machine.imjoy("stop")
        return code, id

    return both


def without_git(machine: Machine) -> tuple[int, str]:
    """Upgrade where there is no git."""
    commands = machine.home / "commands"
    commands.mkdir()
    for name in ("sh", "env"):
        (commands / name).symlink_to(str(shutil.which(name)))
    machine.environ["PATH"] = f"{machine.prefix / 'bin'}:{commands}"
    return upgrade()(machine)


def without_pip(machine: Machine) -> tuple[int, str]:
    """Upgrade an environment that uv made, without pip."""
    site = machine.site
    for each in (*site.glob("pip"), *site.glob("pip-*.dist-info")):
        shutil.rmtree(each)
    return upgrade()(machine)


def own_package(machine: Machine) -> tuple[int, str]:
    """Upgrade an environment with a package of the person's; it has to stay."""
    install_helper(machine)
    outcome = upgrade()(machine)
    said = subprocess.run(
        [machine.prefix / "bin" / "python", "-c", "import imjoy_test_helper as it; print(it.version)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() in ("1.0", "2.0")
    return outcome


def install_helper(machine: Machine, requirement: str = "imjoy-test-helper==1.0") -> None:
    """Install an older helper, or what needs it, as a person would."""
    python = str(machine.prefix / "bin" / "python")
    argv = [python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(machine.kit.wheels)]
    subprocess.run([*argv, requirement], env=machine.environ, check=True)


def contradicted(machine: Machine) -> tuple[int, str]:
    """Upgrade an environment with a package of the person's that does not go with what imjoy wants."""
    install_helper(machine, "imjoy-test-user")
    return upgrade()(machine)


def repaired(machine: Machine) -> tuple[int, str]:
    """Upgrade an imjoy whose engine has lost a file, with nothing new there."""
    (machine.site / "imjoy_engine" / "server.py").unlink()
    return upgrade()(machine)


def remount(*options: str) -> None:
    """Mount something in the namespace of this run."""
    subprocess.run(["mount", *options], check=True, capture_output=True)


def on_small_disk(
    act: Callable[[Machine], tuple[int, str]], free_mib: int
) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: the same on a disk with that much room."""

    def both(machine: Machine) -> tuple[int, str]:
        du = ["du", "-s", "--block-size=1", str(machine.prefix)]
        used = int(subprocess.run(du, capture_output=True, text=True, check=True).stdout.split()[0])
        aside = machine.prefix.with_name("aside")
        machine.prefix.rename(aside)
        machine.prefix.mkdir()
        remount("-t", "tmpfs", "-o", f"size={used + free_mib * MIB}", "tmpfs", str(machine.prefix))
        subprocess.run(["cp", "-a", f"{aside}/.", str(machine.prefix)], check=True)
        outcome = act(machine)
        # The doctor wants more room than an upgrade does.
        remount("-o", "remount,size=100%", str(machine.prefix))
        return outcome

    return both


def full_at(title: str) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: an upgrade whose disk is filled by something else as soon as it says ``title``, until it ends."""

    def act(machine: Machine) -> tuple[int, str]:
        filler = machine.prefix / "filler"
        with running(machine, "upgrade", "--yes", "--json") as process:
            wait_for(process, title)
            with contextlib.suppress(OSError), filler.open("wb") as file:
                while True:
                    file.write(bytes(MIB // 16))
                    file.flush()
            said, _ = process.communicate(timeout=WAIT_SECONDS)
        filler.unlink()
        return process.returncode, error_id(said)

    return act


def read_only(part: str) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: an upgrade while a folder cannot be written, whoever asks."""

    def act(machine: Machine) -> tuple[int, str]:
        folder = str(machine.site if part == "site-packages" else machine.prefix / part)
        remount("--bind", folder, folder)
        remount("-o", "remount,bind,ro", folder)
        outcome = upgrade()(machine)
        remount("-o", "remount,bind,rw", folder)
        return outcome

    return act


def on_image(act: Callable[[Machine], tuple[int, str]]) -> Callable[[Machine], tuple[int, str]]:
    """Return an act: the same in an environment from a container's image, whose folders cannot change places."""

    def both(machine: Machine) -> tuple[int, str]:
        room = machine.home / "layers"
        room.mkdir()
        remount("-t", "tmpfs", "tmpfs", str(room))
        for name in ("upper", "work"):
            (room / name).mkdir()
        lower = machine.prefix.with_name("image")
        machine.prefix.rename(lower)
        machine.prefix.mkdir()
        layers = f"lowerdir={lower},upperdir={room / 'upper'},workdir={room / 'work'}"
        remount("-t", "overlay", "-o", layers, "overlay", str(machine.prefix))
        return act(machine)

    return both


def killed_anywhere(step: int, *arguments: str) -> Callable[[Machine], tuple[int, str]]:
    """Return an act as :func:`killed_at`, but where files are replaced one by one, so that only a Python repairs it."""

    def act(machine: Machine) -> tuple[int, str]:
        code = upgrade_killed_at(step, machine, *arguments)
        # What a person would do next.
        machine.imjoy("--version")
        return code, ""

    return act


def all_runs() -> list[Run]:
    """Return every run of the matrix."""
    code = {GOOD: 0, "same version": 0, "new dependency": 0, "missing entry point": 3}
    code |= {CHANGED: 0, "foreign project": 3, "foreign project in disguise": 3}
    runs = [
        Run(
            "what comes",
            name,
            to(name, upgrade()),
            (code.get(name, 1),),
            (name if code.get(name) == 0 else "old",),
        )
        for name in COMMITS
    ]
    new, killed = (GOOD,), (-signal.SIGKILL,)
    more = to("new dependency", with_engine(upgrade()))
    runs += [
        Run("what is asked", "nothing new", upgrade()),
        Run("what is asked", "nothing new, a file is missing", repaired),
        Run("what is asked", "--to a branch", upgrade("--to", GOOD), leaves=new),
        Run("what is asked", "--to a tag of the same commit", upgrade("--to", "v1")),
        Run("what is asked", "--to a name that is not there", upgrade("--to", "nothing"), (3,)),
        Run("what is asked", "--dry-run", to(GOOD, upgrade("--dry-run"))),
        Run("what is asked", "older than installed", after_good(upgrade(), back=True), (3,), new),
        Run("what is asked", "older, --allow-downgrade", after_good(upgrade("--allow-downgrade"), back=True)),
        Run("what is asked", "--rollback", after_good(upgrade("--rollback"))),
        Run("what is asked", "--rollback, nothing kept", upgrade("--rollback"), (3,)),
        Run("what runs", "an engine runs", to(GOOD, with_engine(upgrade())), leaves=new),
        Run("what runs", "an engine runs, with a new dependency", more, leaves=("new dependency",)),
        Run(
            "what runs", "an engine runs, the new one fails", to("import error", with_engine(upgrade())), (1,)
        ),
        Run("what runs", "somebody asks for the version all the while", to(GOOD, watched), leaves=new),
        Run("what runs", "two upgrades at once", to(GOOD, two_at_once), leaves=new),
        Run("the machine", "no git", to(GOOD, without_git), leaves=new),
        Run("the machine", "no pip in the environment", to(GOOD, without_pip), leaves=new),
        Run("the machine", "packages of your own", to(GOOD, own_package), leaves=new),
        Run(
            "the machine",
            "an own package that imjoy wants newer",
            to("new dependency", own_package),
            leaves=("new dependency",),
        ),
        Run(
            "the machine",
            "an own package that does not go with what imjoy wants",
            to("new dependency", contradicted),
            (1,),
        ),
        Run("the network", "gone before the question", to(GOOD, gone("/info/refs")), (4,)),
        Run("the network", "gone before the commits", to(GOOD, gone("/git-upload-pack")), (4,)),
        Run(
            "the network",
            "no index for what builds it",
            to(
                GOOD,
                upgrade(
                    PIP_INDEX_URL=NOWHERE, PIP_FIND_LINKS="", PIP_CONFIG_FILE=os.devnull, PIP_RETRIES="1"
                ),
            ),
            (4,),
        ),
        Run(
            "the network",
            "no index for what it needs",
            to("dependency missing", upgrade(PIP_INDEX_URL=NOWHERE, PIP_CONFIG_FILE=os.devnull)),
            (1, 4),
        ),
        Run("the network", "gone once all is fetched", to(GOOD, gone_after("making the trial")), leaves=new),
    ]
    for part in ("site-packages", "bin", ".imjoy"):
        runs.append(
            Run("the machine", f"{part} is read-only", to(GOOD, read_only(part)), (3,), mounts="bind")
        )
    small = on_small_disk(upgrade(), 50)
    runs.append(Run("the machine", "little room", to(GOOD, small), (3,), mounts="tmpfs"))
    image = on_image(upgrade())
    runs.append(
        Run("the machine", "folders that cannot change places", to(GOOD, image), leaves=new, mounts="overlay")
    )
    for title in TITLES:
        act = on_small_disk(full_at(title), 150)
        runs.append(
            Run(
                "a disk that fills up",
                f"at “{title}”",
                to(GOOD, act),
                (0, 1, 3),
                ("old", GOOD),
                mounts="tmpfs",
            )
        )
    for title in TITLES:
        runs.append(Run("Ctrl-C", f"at “{title}”", to(GOOD, signalled(title, signal.SIGINT)), (130,)))
    for title in TITLES:
        runs.append(
            Run("kill -9", f"at “{title}”", to(GOOD, signalled(title, signal.SIGKILL)), killed, ("old", GOOD))
        )
    for step in range(1, 25):
        either = ("old", GOOD)
        runs.append(
            Run(
                "kill -9",
                f"at change {step} of a file under the journal",
                to(GOOD, killed_at(step)),
                (*killed, 0),
                either,
            )
        )
    either = ("old", GOOD)
    every = after_good(killed_in_turn(range(1, 40)))
    runs.append(Run("kill -9", "at every change of --rollback in turn", every, (*killed, 0), either))
    every = with_helper(killed_in_turn(range(1, 60)))
    name = "at every change of --rollback in turn, with packages and commands that came, changed and went"
    runs.append(Run("kill -9", name, every, (*killed, 0)))
    for step in (3, 7, 20, 150, 400, 700, 1100):
        runs.append(
            Run(
                "kill -9",
                f"at change {step}, file by file",
                to(GOOD, on_image(killed_anywhere(step))),
                (*killed, 0),
                ("old", GOOD),
                mounts="overlay",
            )
        )
    return runs


def find_run(name: str) -> Run:
    """Return a run by ``GROUP: NAME``."""
    return next(each for each in all_runs() if f"{each.group}: {each.name}" == name)


def do(run: Run, kit: Kit, folder: Path) -> Outcome:
    """Do a run in a new folder, and look whether everything still works."""
    folder.mkdir(parents=True)
    try:
        if run.mounts and "IN_NAMESPACE" not in os.environ:
            return _do_in_namespace(run, kit, folder)
        shutil.copytree(kit.repository.parent, folder / "forge")
        with Forge(folder / "forge") as forge:
            machine = make_machine(kit, folder / "home", forge)
            try:
                code, id = run.act(machine)
                forge.gone = ()
                wrong = verify(machine)
                return Outcome(code, id, installed_commit(machine), tuple(wrong))
            finally:
                machine.imjoy("stop")
    except Exception:
        return Outcome(-1, "", "", (traceback.format_exc(),))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def namespaces() -> list[str]:
    """Return the command that gives a process file systems of its own; empty where this account may not."""
    for argv in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        probe = "mount -t tmpfs tmpfs /mnt"
        if (
            shutil.which("unshare")
            and subprocess.run([*argv, "sh", "-c", probe], capture_output=True, check=False).returncode == 0
        ):
            return argv
    return []


def _do_in_namespace(run: Run, kit: Kit, folder: Path) -> Outcome:
    facts = {
        name: str(value) if isinstance(value, Path) else dict(value) for name, value in vars(kit).items()
    }
    argv = [
        *namespaces(),
        sys.executable,
        "-m",
        "tests.kit.upgrade_runs",
        "--inside",
        f"{run.group}: {run.name}",
        json.dumps(facts),
        str(folder / "inside"),
    ]
    done = subprocess.run(
        argv, env={**os.environ, "IN_NAMESPACE": "1"}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    document = json.loads(done.stdout.splitlines()[-1])
    return Outcome(**{**document, "wrong": tuple(document["wrong"])})


def _inside(name: str, facts: str, folder: str) -> None:
    values = json.loads(facts)
    kit = Kit(Path(values["repository"]), values["hashes"], Path(values["prefix"]), Path(values["wheels"]))
    sys.stdout.write(json.dumps(asdict(do(find_run(name), kit, Path(folder)))) + "\n")


def _table(rows: list[tuple[Run, Outcome, list[str]]]) -> str:
    lines = [
        "| run | exit code | installed afterwards | whole by RECORD, `--version`, `doctor`, `start` |",
        "| --- | --- | --- | --- |",
    ]
    group = ""
    for run, outcome, wrong in rows:
        if run.group != group:
            lines.append(f"| **{run.group}** | | | |")
            group = run.group
        exit = "killed" if outcome.code == -signal.SIGKILL else str(outcome.code)
        exit += f" `{outcome.id}`" if outcome.id else ""
        left = "the old one" if outcome.commit == "old" else "the new one" if outcome.commit else "a mix"
        lines.append(f"| {run.name} | {exit} | {left} | {'no' if wrong else 'yes'} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Do the runs and print the table."""
    words = sys.argv[1:]
    if words[:1] == ["--inside"]:
        _inside(*words[1:])
        return 0
    write = "--write" in words
    words = [each for each in words if each != "--write"]
    runs = [
        each
        for each in all_runs()
        if not words or any(word in f"{each.group}: {each.name}" for word in words)
    ]
    if not namespaces():
        sys.stderr.write("this account may not mount anything: the runs that need it are left out\n")
        runs = [each for each in runs if not each.mounts]
    os.environ.pop("PYTHONPATH", None)
    rows = []
    with (
        tempfile.TemporaryDirectory(prefix="upgrades-") as name,
        ThreadPoolExecutor(max_workers=AT_ONCE) as pool,
    ):
        folder = Path(name)
        kit = make_kit(folder / "kit")
        begun = [pool.submit(do, run, kit, folder / f"{number:03d}") for number, run in enumerate(runs)]
        for run, future in zip(runs, begun, strict=True):
            outcome = future.result()
            wrong = run.fails(outcome)
            rows.append((run, outcome, wrong))
            told = f"{run.group}: {run.name}: {outcome.code} {outcome.id} {outcome.commit}"
            sys.stderr.write(f"{'WRONG' if wrong else 'ok   '} {told}\n")
            sys.stderr.write("".join(f"      {line}\n" for each in wrong for line in each.splitlines()))
    table = _table(rows)
    sys.stdout.write(table)
    if write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return int(any(wrong for _, _, wrong in rows))


if __name__ == "__main__":
    sys.exit(main())
