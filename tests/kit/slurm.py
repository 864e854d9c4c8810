"""A real SLURM on this machine: each node is a network and a UTS namespace with a slurmd of its own.

It needs root and the commands in ``TOOLS``; :func:`why_not` says what is missing, and :class:`NoSlurm` what of the
system does not let it come up. Nodes claim more CPUs and memory than there are, and have pretended GPUs.

The login node is a network namespace too, which a test enters: its engine and its browser are there. So the processes
of pytest-xdist may have one each, and no address comes or goes on this machine's own network: at each such change a
Chromium gives up what it loads (``ERR_NETWORK_CHANGED``), whoever's tests it runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

TOOLS = ("ip", "nsenter", "unshare", "munged", "slurmctld", "slurmd", "sbatch", "scontrol")
START_SECONDS = 60
COMMAND_SECONDS = 120
KILL_SECONDS = 5
NODES = ("n1", "n2", "n3")
LOGIN = "login"
LOGIN_ADDRESS = "10.77.0.1"
CLONE_NEWNET = 0x40000000  # linux/sched.h
# On this one the folder ``shared`` is not shared: it is empty.
BARE = "n3"

SLURM_CONF = """
ClusterName=pretended
SlurmctldHost=login({login})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
TaskProlog={folder}/task-prolog
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
AccountingStorageType=accounting_storage/none
MpiDefault=none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,batch_sched_delay=0,sched_min_interval=1,bf_interval=2
ReturnToService=2
SlurmdTimeout=10
MinJobAge=300
KillWait=5
GresTypes=gpu
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=180 DefaultTime=5 DefMemPerCPU=100 PriorityTier=1 State=UP
PartitionName=urgent Nodes=ALL MaxTime=60 DefaultTime=5 DefMemPerCPU=100 PriorityTier=9 State=UP
PartitionName=bare Nodes={bare} MaxTime=60 DefaultTime=5 DefMemPerCPU=100 PriorityTier=1 State=UP
"""
NODE = (
    "NodeName={name} NodeAddr={address} NodeHostname={name} CPUs=20 RealMemory=20000 Gres=gpu:2 State=UNKNOWN"
)


class NoSlurm(Exception):
    """It could not be brought up on this system; the text says what did not work."""


def why_not() -> str:
    """Return why there can be no SLURM here; empty when there can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "namespaces for its nodes need root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"{', '.join(missing)} not installed" if missing else ""


class Slurm:
    """A cluster of three nodes. ``environ`` is what its commands need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = LOGIN_ADDRESS
        self.environ = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.scratch = folder / "scratch"
        self._tag = secrets.token_hex(2)
        self._spaces: list[str] = []

    @contextlib.contextmanager
    def login(self) -> Iterator[None]:
        """Have this thread, and all that it starts, be on the login node."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as before,
            Path(f"/run/netns/{self.namespace(LOGIN)}").open("rb") as there,
        ):
            _set_network(there.fileno())
            try:
                yield
            finally:
                _set_network(before.fileno())

    def run(self, *command: str) -> str:
        """Run a command of SLURM's on the login node, where this has to be called; return what it says."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=True,
        )
        return done.stdout

    def jobs(self) -> list[str]:
        """Return the jobs that wait or run."""
        return self.run("squeue", "--noheader", "--format=%i").split()

    @contextlib.contextmanager
    def busy(self) -> Iterator[list[str]]:
        """Have a job on each node that leaves no room there; return them."""
        full = ("--parsable", "--exclusive", "--export=NONE", "--output=/dev/null", "--wrap=exec sleep 600")
        jobs = [self.run("sbatch", *full).strip() for _ in NODES]
        try:
            self._until(
                lambda: (
                    set(self.run("squeue", "--noheader", "--states=R", "--format=%i").split()) >= set(jobs)
                )
            )
            yield jobs
        finally:
            self.run("scancel", *jobs)
            self._until(lambda: not set(jobs) & set(self.jobs()))

    def wait_until_empty(self) -> None:
        """Wait until nothing waits, runs or is being tidied up."""
        self._until(lambda: not self.jobs())

    def wait_for(self, job: str) -> None:
        """Wait until a job runs."""
        self._until(lambda: job in self.run("squeue", "--noheader", "--states=R", "--format=%i").split())

    def _until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not true():
            if time.monotonic() > deadline:
                raise TimeoutError(f"see {self.folder}")
            time.sleep(0.05)

    def namespace(self, node: str) -> str:
        return f"ij{self._tag}{node}"

    def plug(self, node: str, state: str) -> None:
        """Take a node off the network (``down``), or back (``up``)."""
        subprocess.run(["ip", "-n", self.namespace(LOGIN), "link", "set", f"to-{node}", state], check=True)

    def start(self) -> None:
        """Bring it up, and wait until its nodes are idle. Raises NoSlurm."""
        try:
            self._add_namespace(LOGIN)
            with self.login():
                self._make_network()
                self._start()
        except subprocess.CalledProcessError as error:
            said = (error.stderr or b"").decode(errors="replace") if isinstance(error.stderr, bytes) else ""
            raise NoSlurm(f"{' '.join(error.cmd[:4])}: {said.strip() or error.returncode}") from error
        except (subprocess.TimeoutExpired, OSError) as error:
            raise NoSlurm(f"{error}; {self._last_words()}") from error

    def _last_words(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "; ".join(
            f"{log.name}: {(log.read_text(errors='replace').splitlines() or ['empty'])[-1]}" for log in logs
        )

    def _start(self) -> None:
        folder = self.folder
        for name in ("state", "shared", "scratch", *(f"spool-{node}" for node in NODES)):
            (folder / name).mkdir(mode=0o700)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        for number in range(2):
            subprocess.run(["mknod", str(folder / f"gpu{number}"), "c", "1", "3"], check=True)
        (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu[0-1]\n")
        nodes = "\n".join(NODE.format(name=node, address=address_of(node)) for node in NODES)
        (folder / "slurm.conf").write_text(
            SLURM_CONF.format(folder=folder, login=LOGIN_ADDRESS, nodes=nodes, bare=BARE)
        )
        # What jobs leave in their temporary folder is theirs, whatever else runs on this machine.
        prolog = folder / "task-prolog"
        prolog.write_text(f"#!/bin/sh\necho export TMPDIR={self.scratch}\n")
        prolog.chmod(0o755)
        self._launch(
            "munged",
            "--force",
            *(f"--key-file={key}", f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid"),
            *(f"--log-file={folder}/munged.log", f"--seed-file={folder}/munged.seed"),
        )
        self._launch("unshare", "--uts", "sh", "-c", "hostname login; exec slurmctld -c -i")
        for node in NODES:
            enter = ("nsenter", f"--net=/run/netns/{self.namespace(node)}", "unshare", "--uts", "--mount")
            hide = f"mount -t tmpfs none {folder}/shared && " if node == BARE else ""
            self._launch(*enter, "sh", "-c", f"{hide}hostname {node} && exec slurmd -N {node}")
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Wait until all nodes are there and have nothing to do."""
        self._until(lambda: self._idle() == len(NODES))

    def _add_namespace(self, name: str) -> None:
        _ip("netns", "add", self.namespace(name))
        self._spaces.append(self.namespace(name))

    def _make_network(self) -> None:
        _ip("link", "set", "lo", "up")
        _ip("link", "add", "nodes", "type", "bridge")
        _ip("address", "add", f"{LOGIN_ADDRESS}/24", "dev", "nodes")
        _ip("link", "set", "nodes", "up")
        for node in NODES:
            self._add_namespace(node)
            space, cable = self.namespace(node), f"to-{node}"
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            _ip("link", "set", cable, "master", "nodes", "up")
            _ip("-n", space, "address", "add", f"{address_of(node)}/24", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")
            _ip("-n", space, "link", "set", "lo", "up")

    def _launch(self, *command: str) -> None:
        subprocess.run(
            command,
            env={**os.environ, **self.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=True,
        )

    def _idle(self) -> int:
        with contextlib.suppress(subprocess.SubprocessError):
            return (
                self.run("sinfo", "--noheader", "--partition=main", "--Node", "--format=%t")
                .split()
                .count("idle")
            )
        return 0

    def stop(self) -> None:
        """Take it down, with its nodes, their network, and whatever still runs there."""
        with contextlib.suppress(subprocess.SubprocessError, OSError), self.login():
            for job in self.jobs():
                self.run("scancel", job)
        for name in (*(f"slurmd-{node}" for node in NODES), "slurmctld", "munged"):
            with contextlib.suppress(OSError, ValueError):
                _end(int((self.folder / f"{name}.pid").read_text()))
        for space in self._spaces:
            left = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False)
            for pid in left.stdout.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def address_of(node: str) -> str:
    """Return where a node is on the cluster's network."""
    return f"10.77.0.{11 + NODES.index(node)}"


def _set_network(namespace: int) -> None:
    """Put this thread into a network namespace, as setns(2) does. Raises OSError."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def _end(pid: int) -> None:
    """End a daemon, which would take seconds to leave by itself; return when it is gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        daemon = psutil.Process(pid)
        daemon.kill()
        deadline = time.monotonic() + KILL_SECONDS
        # It is nobody's child, and init may take its time to reap it.
        while daemon.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.02)


@contextlib.contextmanager
def slurm() -> Iterator[Slurm]:
    """Run a SLURM, in a folder whose path is short, as a socket's has to be. Raises NoSlurm."""
    with tempfile.TemporaryDirectory(prefix="slurm-", ignore_cleanup_errors=True) as folder:
        cluster = Slurm(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@contextlib.contextmanager
def slurm_or_skip() -> Iterator[Slurm]:
    """Run a SLURM for tests. Where it does not come up they are skipped; in continuous integration they fail."""
    with contextlib.ExitStack() as stack:
        try:
            cluster = stack.enter_context(slurm())
        except NoSlurm as error:
            give_up = pytest.fail if os.environ.get("CI") else pytest.skip
            give_up(f"SLURM does not come up here: {error}")
        yield cluster
