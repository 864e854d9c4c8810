"""The supervisor on a cluster's node: runs one worker there.

A job runs this with the plugin's own interpreter. It opens one WebSocket to the engine, gets from it what to start,
sends what that writes, and how it ends, and passes signals on. When nothing is heard of the engine any more it ends
everything, so that a node that was cut off is free again.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket as sockets
import ssl
import subprocess
import sys
import time
from typing import Any, Dict, List, Optional

from .transport.websocket import Data, open_socket

SUBPROTOCOL = "imjoy.node.v1"
URL_VARIABLE = "IMJOY_NODE_URL"
SECRET_VARIABLE = "IMJOY_NODE_SECRET"  # the variable's name, not a secret  # noqa: S105
CERTIFICATE_VARIABLE = "IMJOY_WORKER_CERTIFICATE"
EXIT_CODE_UNREACHABLE = 67
SILENCE_SECONDS = 8.0
"""Of an engine of which nothing is heard for so long, and a quarter longer after a ping, nothing more will come."""
DEAD_SECONDS = 600.0
"""A job's folder of which nobody holds the lock for so long is none of a job that is about to take it."""
STREAMS = {1: b"\x01", 2: b"\x02"}


class Worker(asyncio.SubprocessProtocol):
    """The worker's process and its pipes."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._pipes = {1, 2}
        self._exited = False

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Pass on what it wrote."""
        self._node.send_output(STREAMS[fd] + data)

    def pipe_connection_lost(self, fd: int, error: Optional[Exception]) -> None:
        """Note that a pipe has closed."""
        self._pipes.discard(fd)
        self._end_when_silent()

    def process_exited(self) -> None:
        """Note that it has ended; its supervisor has left nobody who could hold the pipes for long."""
        self._exited = True
        asyncio.get_event_loop().call_later(0.5, self._node.worker_ended)
        self._end_when_silent()

    def _end_when_silent(self) -> None:
        if self._exited and not self._pipes:
            self._node.worker_ended()


class Node:
    """One worker on this machine, for the engine at the other end of ``socket``."""

    def __init__(self, socket: Any, folder: str) -> None:
        self._socket = socket
        self._folder = folder
        self._transport: Any = None
        self._signal_sent: Optional[int] = None
        self._paused = False
        self.done: "asyncio.Future[None]" = asyncio.get_event_loop().create_future()

    def begin(self) -> None:
        """Say hello, and listen."""
        self._say(
            {
                "type": "hello",
                "node": sockets.gethostname(),
                "job": os.environ.get("SLURM_JOB_ID", ""),
                "python": sys.version.split()[0],
                "cpus": os.environ.get("SLURM_CPUS_ON_NODE", ""),
                "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            }
        )
        self._socket.listen(self._take, self._go_on)
        self._socket.closed.add_done_callback(lambda _: self._end_all())

    def _say(self, message: Dict[str, Any]) -> None:
        self._socket.send(json.dumps(message))

    def _take(self, data: Data) -> None:
        message = json.loads(data)
        if message["type"] == "start" and self._transport is None:
            asyncio.ensure_future(self._start(message))
        elif message["type"] == "signal" and message["signal"] == "TERM":
            self._terminate()
        elif message["type"] == "signal":
            self._end_all()

    async def _start(self, message: Dict[str, Any]) -> None:
        try:
            self._transport, _ = await asyncio.get_event_loop().subprocess_exec(
                lambda: Worker(self),
                sys.executable,
                *message["options"],
                os.path.join(self._folder, "__main__.py"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=self._environment(message["inherited"], message["variables"]),
                cwd=message["work_dir"],
            )
        except OSError as error:
            self._say({"type": "ended", "code": None, "told": None, "why": str(error)})
            self._finish()
        else:
            self._say({"type": "started", "pid": self._transport.get_pid()})

    def _environment(self, inherited: List[str], variables: Dict[str, str]) -> Dict[str, str]:
        names = set(inherited)
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in names or name.startswith(("LC_", "SLURM_"))
        }
        kept["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), kept.get("PATH", os.defpath)])
        kept.update(variables)
        kept[CERTIFICATE_VARIABLE] = os.environ[CERTIFICATE_VARIABLE]
        return kept

    def send_output(self, frame: bytes) -> None:
        """Send what the worker wrote; when the engine takes no more, read no more."""
        self._socket.send(frame)
        if not self._socket.writable and not self._paused:
            self._paused = True
            for fd in STREAMS:
                self._transport.get_pipe_transport(fd).pause_reading()

    def _go_on(self) -> None:
        if self._paused:
            self._paused = False
            for fd in STREAMS:
                self._transport.get_pipe_transport(fd).resume_reading()

    def on_terminate(self) -> None:
        """Take note that the scheduler wants this to end, and pass it on."""
        self._signal_sent = signal.SIGTERM
        self._say({"type": "told", "signal": int(signal.SIGTERM)})
        self._terminate()

    def _terminate(self) -> None:
        if self._transport is None:
            self._finish()
        elif self._transport.get_returncode() is None:
            self._transport.terminate()

    def _end_all(self) -> None:
        """Have the worker's supervisor kill everything, and leave when it has."""
        if self._transport is None or self._transport.get_returncode() is not None:
            self._finish()
        else:
            self._transport.get_pipe_transport(0).close()

    def worker_ended(self) -> None:
        """Tell how the worker ended, and leave."""
        if not self.done.done():
            # The job's script does this too, unless the scheduler kills it before.
            shutil.rmtree(self._folder, ignore_errors=True)
            self._say({"type": "ended", "code": self._transport.get_returncode(), "told": self._signal_sent})
            self._finish()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


def sweep(folder: str) -> None:
    """Remove what jobs of this account have left beside ``folder`` that this node's scheduler killed outright.

    Each job's folder has the node's name in its own, as such folders may be shared, and is locked while it is used.
    """
    parent, own = os.path.split(folder)
    beginning = own[: own.rindex("-") + 1]
    for name in os.listdir(parent):
        other = os.path.join(parent, name)
        if name == own or not name.startswith(beginning) or "-" in name[len(beginning) :]:
            continue
        with contextlib.suppress(OSError):
            found = os.lstat(other)
            if found.st_uid != os.geteuid() or time.time() - found.st_mtime < DEAD_SECONDS:
                continue
            held = lock(other)
            try:
                shutil.rmtree(other, ignore_errors=True)
            finally:
                os.close(held)


def lock(folder: str) -> int:
    """Lock a folder for as long as the descriptor that is returned is open. Raises OSError when it is locked."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


async def serve(folder: str) -> int:
    """Serve one worker; return this job's exit code."""
    with contextlib.suppress(OSError):  # not every file system of a cluster has locks
        lock(folder)
    tls = ssl.create_default_context(cafile=os.environ[CERTIFICATE_VARIABLE])
    url, secret = os.environ.pop(URL_VARIABLE), os.environ.pop(SECRET_VARIABLE)
    try:
        socket = await open_socket(url, secret, SUBPROTOCOL, tls, SILENCE_SECONDS)
    except (OSError, asyncio.TimeoutError) as error:
        sys.stderr.write("{}: {}\n".format(url, error))
        return EXIT_CODE_UNREACHABLE
    node = Node(socket, folder)
    asyncio.get_event_loop().add_signal_handler(signal.SIGTERM, node.on_terminate)
    node.begin()
    with contextlib.suppress(OSError):
        sweep(folder)
    await node.done
    await socket.close()
    return 0


def main(folder: str) -> int:
    """Run the supervisor; return this job's exit code."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(serve(folder))
