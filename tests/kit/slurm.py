"""A real SLURM on this machine: each node is a network and a UTS namespace with a slurmd of its own.

It needs root and the commands in ``TOOLS``; :func:`why_not` says what is missing, and :class:`NoSlurm` what of the
system does not let it come up. Nodes claim more CPUs and memory than there are, and have pretended GPUs. Each has
addresses and ports of its own, so that the processes of pytest-xdist may have one each.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

TOOLS = ("ip", "nsenter", "unshare", "munged", "slurmctld", "slurmd", "sbatch", "scontrol")
START_SECONDS = 30
COMMAND_SECONDS = 20
KILL_SECONDS = 5
NODES = ("n1", "n2", "n3")
SLURMD_PORT = 26818
# On this one the folder ``shared`` is not shared: it is empty.
BARE = "n3"

SLURM_CONF = """
ClusterName=pretended
SlurmctldHost=login({login})
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
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
PartitionName=main Nodes=ALL Default=YES MaxTime=60 DefaultTime=5 DefMemPerCPU=100 PriorityTier=1 State=UP
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
        self.tag = secrets.token_hex(2)
        self.bridge = f"ij{self.tag}"
        self.subnet = f"10.{random.randrange(64, 128)}.{random.randrange(256)}"
        self.host = f"{self.subnet}.1"
        self.environ = {"SLURM_CONF": str(folder / "slurm.conf")}
        self.scratch = folder / "scratch"
        self._spaces: list[str] = []

    def run(self, *command: str) -> str:
        """Run a command of SLURM's; return what it says."""
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
        return f"ij{self.tag}{node}"

    def plug(self, node: str, state: str) -> None:
        """Take a node off the network (``down``), or back (``up``)."""
        subprocess.run(["ip", "link", "set", f"v{self.tag}{node}", state], check=True)

    def start(self) -> None:
        """Bring it up, and wait until its nodes are idle. Raises NoSlurm."""
        try:
            self._start()
        except subprocess.CalledProcessError as error:
            said = (error.stderr or b"").decode(errors="replace") if isinstance(error.stderr, bytes) else ""
            raise NoSlurm(f"{' '.join(error.cmd[:4])}: {said.strip() or error.returncode}") from error
        except (subprocess.TimeoutExpired, TimeoutError) as error:
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
        nodes = "\n".join(
            NODE.format(name=node, address=f"{self.subnet}.{11 + number}")
            for number, node in enumerate(NODES)
        )
        (folder / "slurm.conf").write_text(
            SLURM_CONF.format(
                folder=folder,
                login=f"{self.subnet}.1",
                nodes=nodes,
                ctld_port=_free_port(),
                slurmd_port=SLURMD_PORT,
                bare=BARE,
            )
        )
        # What jobs leave in their temporary folder is theirs, whatever else runs on this machine.
        prolog = folder / "task-prolog"
        prolog.write_text(f"#!/bin/sh\necho export TMPDIR={self.scratch}\n")
        prolog.chmod(0o755)
        self._make_network()
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

    def _make_network(self) -> None:
        def ip(*words: str) -> None:
            subprocess.run(["ip", *words], check=True, capture_output=True)

        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{self.subnet}.1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        for number, node in enumerate(NODES):
            space, cable = self.namespace(node), f"v{self.tag}{node}"
            ip("netns", "add", space)
            self._spaces.append(space)
            ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("link", "set", cable, "master", self.bridge, "up")
            ip("-n", space, "address", "add", f"{self.subnet}.{11 + number}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")

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
        with contextlib.suppress(subprocess.SubprocessError):
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
        subprocess.run(["ip", "link", "delete", self.bridge], check=False, capture_output=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


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
def slurm(folder: Path) -> Iterator[Slurm]:
    """Run a SLURM in ``folder``. Raises NoSlurm."""
    cluster = Slurm(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
