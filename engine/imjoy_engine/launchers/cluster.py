"""Starts workers as jobs of a cluster, whichever: a back end submits a script, looks, explains and cancels.

What a worker writes and how it ends comes over one WebSocket, which the job opens to the engine (``worker/node.py``).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import importlib.util
import json
import marshal
import py_compile
import secrets
import shlex
import tempfile
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from aiohttp import WSMsgType

from imjoy.model.errors import ImJoyError
from imjoy.model.project import ALLOCATOR_VARIABLES
from imjoy_engine.launchers import JobStatus, Resources, Watcher, WorkerExit, WorkerSpec
from imjoy_engine.processes.variables import INHERITED_VARIABLES, SET_VARIABLES
from imjoy_engine.sockets.keep_alive import KeepAlive
from imjoy_engine.sockets.socket import Socket

NODE_SUBPROTOCOL = "imjoy.node.v1"
NODE_URL_VARIABLE = "IMJOY_NODE_URL"
NODE_SECRET_VARIABLE = "IMJOY_NODE_SECRET"  # the variable's name, not a secret
# How often all jobs are looked at: while one waits, and else.
LOOK_SECONDS, IDLE_LOOK_SECONDS = 2.0, 15.0
GATHER_SECONDS = 0.1
WARN_SECONDS = 300.0
FAR_SECONDS = 12 * 3600.0
SILENCE_SECONDS = 10.0
PARTING_SECONDS = 1.0
EXPLAIN_SECONDS = 5.0
HELLO_SECONDS = 30.0
TERMINATE_SECONDS = 2.0
KILL_SECONDS = 5.0
ENDED_FROM_OUTSIDE = (-9, -15)  # signal(7): SIGKILL, SIGTERM
MARSHAL_VERSION = 2  # all Pythons from 2.5 on read it
WORKER_FOLDER = Path(__file__).parent.parent / "worker"
ASK_FOR_MORE = 'Ask for more {}: "resources" in the plugin\'s config, or [default] in cluster.toml.'
EXIT_CODES = {
    65: "no temporary folder could be made on the node",
    66: "the environment's interpreter is not there on the node: workspace and prefix have to lie on a file system "
    "that the nodes mount at the same path",
    67: "the node could not reach the engine",
    68: "the worker's files could not be unpacked on the node",
}

SCRIPT = """#!/bin/sh
# Made by ImJoy: runs the plugin {name} on this node.
PATH=${{PATH:-/usr/local/bin:/usr/bin:/bin}}
export PATH
umask 077
python={python}
folder=$(mktemp -d "${{TMPDIR:-/tmp}}/imjoy-job-$(uname -n)-XXXXXXXX") || exit 65
trap 'rm -rf "$folder"' EXIT
[ -x "$python" ] || exit 66
{prologue}
cat >"$folder/certificate.pem" <<'END'
{certificate}
END
export IMJOY_WORKER_CERTIFICATE="$folder/certificate.pem"
{wrapper} "$python" -s -c '
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import binascii, marshal, os, zlib
try:
    files = marshal.loads(zlib.decompress(binascii.a2b_base64(sys.stdin.read())))
    for name, content in files.items():
        os.makedirs(os.path.join(sys.argv[1], os.path.dirname(name)), exist_ok=True)
        with open(os.path.join(sys.argv[1], name), "wb") as file:
            file.write(content)
except (OSError, ValueError, EOFError, TypeError, zlib.error):
    sys.exit(68)
__file__ = os.path.join(sys.argv[1], "__main__.py")
sys.argv = [__file__, "node"]
exec(compile(files["__main__.py"], __file__, "exec"))
' "$folder" <<'END' &
{archive}
END
node=$!
trap 'kill -TERM "$node"' TERM
while :; do
  wait "$node"
  code=$?
  kill -0 "$node" 2>/dev/null || break
done
exit "$code"
"""


class BackEnd(Protocol):
    """A scheduler. ``known_resources`` are those of ``resources`` that it knows what to do with."""

    name: str
    known_resources: tuple[str, ...]

    async def check(self) -> None:
        """Look whether it is there. Raises ImJoyError ``cluster.missing``."""

    async def submit(self, script: str, variables: Mapping[str, str], name: str, resources: Resources) -> str:
        """Submit a job with ``variables`` in its environment; return its id. Raises ImJoyError ``cluster.refused``."""

    async def poll_jobs(self) -> Mapping[str, JobStatus] | None:
        """Return where each job of this account is that waits or runs, by one command; None: it does not answer."""

    async def explain(self, job: str, *, signalled: bool = False) -> Ending:
        """Return what became of a job; with ``signalled`` at once, of one that the scheduler has told to end."""

    async def cancel(self, job: str) -> None:
        """End a job, wherever it is; one that has ended is no error."""

    async def close(self) -> None:
        """Give back what the connection with the scheduler holds."""


@dataclass(frozen=True)
class Ending:
    """How a job stands. ``id`` names the error that it is for a plugin, empty where it is none."""

    id: str
    state: str
    description: str
    exit_code: int


@dataclass(frozen=True)
class NodeEndpoint:
    """Where nodes reach the engine, and the certificate (PEM) that it shows there."""

    url: str
    certificate: str


@dataclass(frozen=True)
class ScriptLines:
    """What the user has every job do before the worker starts: lines of sh, and words before the interpreter."""

    prologue: str = ""
    wrapper: tuple[str, ...] = ()


@cache
def worker_archive() -> str:
    """Return the worker's files in base64, each also as our own Python compiles it; other Pythons pass that over.

    It is made so that it is unpacked with what every Python has built in: importing zipfile takes as long as importing
    half of asyncio.
    """
    files = {}
    with tempfile.TemporaryDirectory(prefix="imjoy-compiled-") as folder:
        for package in sorted(file.parent for file in WORKER_FOLDER.rglob("__init__.py")):
            for file in sorted(package.glob("*.py")):
                name = file.relative_to(WORKER_FOLDER)
                files[name.as_posix()] = file.read_bytes()
                # Only its name: PYTHONPYCACHEPREFIX would put it somewhere else.
                compiled = name.parent / "__pycache__" / Path(importlib.util.cache_from_source(name)).name
                # The time of the source, by which it is checked else, will be the time of its unpacking.
                mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
                py_compile.compile(
                    str(file), str(Path(folder, compiled)), invalidation_mode=mode, doraise=True
                )
                files[compiled.as_posix()] = Path(folder, compiled).read_bytes()
    return base64.encodebytes(zlib.compress(marshal.dumps(files, MARSHAL_VERSION))).decode().strip()


class ClusterWorker:
    """A worker on a node. ``attach`` is called, once, when the node has connected."""

    def __init__(self, launcher: ClusterLauncher, start: WorkerSpec, watcher: Watcher) -> None:
        loop = asyncio.get_running_loop()
        self.pid = 0
        self.node = ""
        self.job = ""
        self.secret = secrets.token_urlsafe(32)
        self.started: asyncio.Future[None] = loop.create_future()
        self.unheard: asyncio.Future[str] = loop.create_future()
        self._place: JobStatus | None = None
        self._gpus = ""
        self._silent_since = 0.0
        self._warned = False
        self._ended: asyncio.Future[WorkerExit] = loop.create_future()
        self._launcher = launcher
        self._start = start
        self._watcher = watcher
        self._socket: Socket | None = None
        self._signalled = False

    @property
    def connected(self) -> bool:
        """Whether the node has said hello."""
        return self._socket is not None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be heard of it."""
        return self._ended.done()

    def update_job(self, place: JobStatus | None) -> None:
        """Note where its job is; None when it has left the queue."""
        if place is None:
            if not self.connected and not self.unheard.done():
                self.unheard.set_result("")
            return
        if self.connected and not place.node:
            # Dask does not say where a task is; the node has.
            place = replace(place, node=self.node, state="RUNNING", why="")
        if place.node and not self.connected:
            now = asyncio.get_running_loop().time()
            self._silent_since = self._silent_since or now
            if now - self._silent_since > HELLO_SECONDS and not self.unheard.done():
                self.unheard.set_result(place.node)
        if self._gpus:
            place = replace(place, gpus=self._gpus)
        before, self._place = self._place, place
        if place != before:
            self._watcher.job_changed(place)
        if (
            not place.node
            and place.why
            and (before is None or (before.why, before.state) != (place.why, place.state))
        ):
            self._watcher.say(f"Waiting on {place.cluster}, job {place.job}: {waiting_words(place)}.")
        left = None if place.ends is None else place.ends - time.time()
        if place.node and self.connected and left is not None and left < WARN_SECONDS and not self._warned:
            self._warned = True
            self._watcher.say(
                f"Its time on {place.node} is up in {max(1, round(left / 60))} min: save what is to be kept."
            )

    async def check_cancelled(self) -> None:
        """End it where its job has left the queue as somebody cancelled it: Dask ends nothing that runs."""
        ending = await self._launcher.back_end.explain(self.job)
        if ending.id and not self.has_ended:
            self._finish(WorkerExit(None, self._launcher.error_of(self._start.name, self.job, ending)))
            await self._send({"type": "signal", "signal": "KILL"})

    async def serve(self, socket: Socket) -> None:
        """Talk with the node until its worker has ended, or nothing is heard of it any more."""
        self._socket = socket
        peer = KeepAlive(socket, SILENCE_SECONDS)
        listening = asyncio.ensure_future(self._listen(peer))
        silence = asyncio.ensure_future(peer.wait_for_silence())
        try:
            await asyncio.wait({listening, silence}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            listening.cancel()
            silence.cancel()
        if not self._ended.done():
            await self._lost()

    async def _listen(self, peer: KeepAlive) -> None:
        while True:
            message = await peer.receive()
            if message.type is WSMsgType.BINARY and message.data[:1] in (b"\x01", b"\x02"):
                self._watcher.output("stdout" if message.data[0] == 1 else "stderr", message.data[1:])
            elif message.type is WSMsgType.TEXT:
                await self._take(json.loads(message.data))
            else:
                return

    async def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "hello":
            self.node = str(message["node"])[:200]
            self._gpus = str(message.get("gpus") or "")[:200]
            gpus = f", GPU {self._gpus}" if self._gpus else ""
            self._watcher.say(f"Runs on {self.node}{gpus}, {self._launcher.back_end.name} job {self.job}.")
            back_end = self._launcher.back_end.name
            self.update_job(JobStatus(back_end, self.job, "RUNNING", "", self.node, self._gpus, None, None))
            self._launcher.poll_soon()
            await self._send(
                {
                    "type": "start",
                    "options": list(self._start.options),
                    "variables": {**ALLOCATOR_VARIABLES, **SET_VARIABLES, **self._start.variables},
                    "inherited": sorted(INHERITED_VARIABLES),
                    "work_dir": str(self._start.work_dir),
                }
            )
        elif message["type"] == "started":
            self.pid = int(message["pid"])
            if not self.started.done():
                self.started.set_result(None)
        elif message["type"] == "told":
            self._signalled = True
            self._watcher.say(f"{self._launcher.back_end.name} wants job {self.job} on {self.node} to end.")
        elif message["type"] == "ended":
            await self._note_end(message.get("code"), str(message.get("why", "")))

    async def _note_end(self, code: int | None, why: str) -> None:
        error = None
        if code is None:
            error = ImJoyError(
                "plugin.not-started", f"{self._start.name} could not be started on {self.node}.", why=why
            )
        elif self._signalled or code in ENDED_FROM_OUTSIDE:
            # A scheduler ends all processes of a job at once: the worker may have gone before its node was told.
            ending = await self._launcher.back_end.explain(self.job, signalled=self._signalled)
            if ending.id:
                error = self._launcher.error_of(self._start.name, self.job, ending)
        self._finish(WorkerExit(code, error))

    async def _lost(self) -> None:
        """Say why the node has gone without a word."""
        back_end = self._launcher.back_end
        ending = await back_end.explain(self.job, signalled=self._signalled)
        where = f"{back_end.name} job {self.job} on {self.node}"
        if ending.id:
            error = self._launcher.error_of(self._start.name, self.job, ending)
        else:
            error = ImJoyError(
                "cluster.lost",
                f"{self._start.name} was lost: nothing was heard of {self.node} for {SILENCE_SECONDS:g} s.",
                why=f"{where}: {back_end.name} says {ending.description}.",
                fix="Load the plugin again. It is not restarted automatically, because its data is gone.",
            )
        self._finish(WorkerExit(None, error))
        await back_end.cancel(self.job)

    def _finish(self, ended: WorkerExit) -> None:
        if not self._ended.done():
            self._ended.set_result(ended)
        if not self.started.done():
            self.started.set_result(None)

    async def _send(self, message: Mapping[str, object]) -> None:
        if self._socket is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                await self._socket.send_json(message)

    def suspended(self) -> bool:
        """Nobody looks from here."""
        return False

    async def end(self, grace: float) -> None:
        """Wait ``grace`` seconds for it to leave by itself, then end it, and its job in any case."""
        if not await self._exits_within(grace):
            await self._send({"type": "signal", "signal": "TERM"})
            if not await self._exits_within(TERMINATE_SECONDS):
                await self._send({"type": "signal", "signal": "KILL"})
                await self._exits_within(KILL_SECONDS)
        self._finish(WorkerExit(None))
        await self._launcher.back_end.cancel(self.job)

    async def _exits_within(self, seconds: float) -> bool:
        await asyncio.wait({self._ended}, timeout=seconds)
        return self._ended.done()

    async def wait(self) -> WorkerExit:
        """Wait for it to end."""
        return await asyncio.shield(self._ended)


class ClusterLauncher:
    """Starts each worker as a job."""

    def __init__(self, back_end: BackEnd, endpoint: NodeEndpoint, lines: ScriptLines) -> None:
        self.back_end = back_end
        self._endpoint = endpoint
        self._lines = lines
        self._workers: dict[str, ClusterWorker] = {}
        self.broken_off = 0
        """The exit code of the last job that ended before its worker ran."""
        self._watched: set[ClusterWorker] = set()
        self._wanted = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._archive = worker_archive()

    async def check(self) -> None:
        """Look whether the scheduler is there."""
        await self.back_end.check()

    def claim(self, plugin: str, secret: str) -> ClusterWorker:
        """Return whom the node that shows ``secret`` is for; good once. Raises ImJoyError ``auth.worker``."""
        worker = self._workers.get(plugin)
        expected = worker.secret if worker else "?"
        if not hmac.compare_digest(expected.encode(), secret.encode()) or worker is None:
            raise ImJoyError("auth.worker", "That is not the node of a plugin that is starting.")
        del self._workers[plugin]
        return worker

    async def start(self, start: WorkerSpec, watcher: Watcher) -> ClusterWorker:
        """Submit a job, wait in the queue for as long as it takes, and return when its worker runs."""
        worker = self._workers[start.plugin] = ClusterWorker(self, start, watcher)
        node_url = self._endpoint.url.replace("http", "ws", 1)
        submitting = asyncio.ensure_future(
            self.back_end.submit(
                self._script(start),
                {
                    NODE_URL_VARIABLE: f"{node_url}/api/v1/workers/{start.plugin}/node",
                    NODE_SECRET_VARIABLE: worker.secret,
                },
                start.name,
                start.resources,
            )
        )
        try:
            worker.job = await asyncio.shield(submitting)
            await self._wait_for_start(worker, start)
        except BaseException:
            self._workers.pop(start.plugin, None)
            self._watched.discard(worker)
            with contextlib.suppress(Exception):
                worker.job = await submitting
                await self.back_end.cancel(worker.job)
            raise
        return worker

    async def _wait_for_start(self, worker: ClusterWorker, start: WorkerSpec) -> None:
        self._watched.add(worker)
        self.poll_soon()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look(), name="looking at jobs")
        either: set[asyncio.Future[Any]] = {worker.started, worker.unheard}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not worker.started.done() and not worker.unheard.result():
            # It has left the queue; what it has to say may be on its way.
            await asyncio.wait({worker.started}, timeout=PARTING_SECONDS)
        if worker.started.done() or worker.connected:
            await worker.started
        elif worker.unheard.result():
            raise ImJoyError(
                "cluster.not-started",
                f"{start.name} was given {worker.unheard.result()}, and nothing was heard from there.",
                why=f"{self._where(worker.job)} runs; it has {HELLO_SECONDS:g} s to say hello.",
                fix="imjoy doctor --cluster",
            )
        else:
            raise self._not_started(start, worker.job, await self.back_end.explain(worker.job))

    def poll_soon(self) -> None:
        """Have all jobs looked at, together with others that are submitted at this moment."""
        self._wanted.set()

    async def _look(self) -> None:
        """Look at all jobs, by one command for all of them, for as long as there are any."""
        while self._watched:
            waiting = not all(worker.started.done() for worker in self._watched)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), LOOK_SECONDS if waiting else IDLE_LOOK_SECONDS)
            await asyncio.sleep(GATHER_SECONDS)
            self._wanted.clear()
            asked = {worker for worker in self._watched if not worker.has_ended}
            self._watched &= asked
            places = await self.back_end.poll_jobs() if asked else None
            if places is not None:
                for worker in asked:
                    worker.update_job(places.get(worker.job))
                    if worker.connected and worker.job not in places:
                        # Another time, where the scheduler does not answer, or its library says that in its own way.
                        with contextlib.suppress(Exception):
                            await asyncio.wait_for(worker.check_cancelled(), EXPLAIN_SECONDS)

    def _where(self, job: str) -> str:
        return f"{self.back_end.name} job {job}"

    def _not_started(self, start: WorkerSpec, job: str, ending: Ending) -> ImJoyError:
        if ending.id:
            return self.error_of(start.name, job, ending)
        self.broken_off = ending.exit_code
        reason = EXIT_CODES.get(ending.exit_code, f"it ended before its worker ran; {ending.description}")
        if ending.exit_code == 67:
            reason += f" at {self._endpoint.url}"
        return ImJoyError(
            "cluster.not-started",
            f"{start.name} could not be started on the cluster.",
            why=f"{self._where(job)}: {reason}.",
            fix="imjoy doctor --cluster",
        )

    def error_of(self, name: str, job: str, ending: Ending) -> ImJoyError:
        """Return the error for a job that ended not by the plugin's own doing."""
        why = f"{self._where(job)}: {ending.description}."
        if ending.id == "cluster.time":
            return ImJoyError(
                "cluster.time",
                f"{name} was ended: its time was up.",
                why=why,
                fix=ASK_FOR_MORE.format("time"),
            )
        if ending.id == "cluster.memory":
            return ImJoyError(
                "cluster.memory",
                f"{name} was ended: it used more memory than it had asked for.",
                why=why,
                fix=ASK_FOR_MORE.format("memory"),
            )
        return ImJoyError(
            "cluster.cancelled",
            f"{name} was ended: its job was cancelled or preempted.",
            why=why,
            fix="Load the plugin again.",
        )

    def _script(self, start: WorkerSpec) -> str:
        return SCRIPT.format(
            name=start.plugin,
            python=shlex.quote(str(start.python)),
            prologue=self._lines.prologue,
            archive=self._archive,
            certificate=self._endpoint.certificate.strip(),
            wrapper=shlex.join(self._lines.wrapper),
        )

    async def close(self) -> None:
        """Look at no jobs any more; they end with their plugins."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        await self.back_end.close()


def waiting_words(place: JobStatus) -> str:
    """Return why a job waits, and when it is expected to start where the scheduler has an estimate."""
    why = place.why or place.state
    if place.starts is None or place.node:
        return why
    begins = time.localtime(place.starts)
    form = "%H:%M" if place.starts - time.time() < FAR_SECONDS else "%Y-%m-%d %H:%M"
    return f"{why} (starts about {time.strftime(form, begins)})"
