"""The worker's life: connect, load the script, serve clients, leave in order."""

import asyncio
import gc
import inspect
import json
import linecache
import os
import signal
import sys
import threading
import traceback
import types
from typing import Any, Dict, List, Optional, Set

import imjoy_rpc
from imjoy_rpc.utils import dotdict

from .plugin_api import check_codec, constants, local_api
from .rpc.import_advice import advice
from .rpc.peer import PeerRPC
from .rpc.without_client import as_client_api
from .spawned import MainModule
from .transport.connection import RpcConnection
from .transport.websocket import Data, open_socket
from .transport.wire import SUBPROTOCOL

CONTROL_SUBPROTOCOL = "imjoy.worker.v1"
URL_VARIABLE = "IMJOY_WORKER_URL"
SECRET_VARIABLE = "IMJOY_WORKER_SECRET"  # the variable's name, not a secret  # noqa: S105
CERTIFICATE_VARIABLE = "IMJOY_WORKER_CERTIFICATE"
EXIT_CODE_SCRIPT_FAILED = 1
EXIT_CODE_ENGINE_GONE = 3


def end_with_engine(supervised: bool) -> None:
    """End this process and all it started as soon as the other end of our standard input closes.

    Where that is our supervisor's, return when it is ready for whatever the plugin may start. The plugin itself gets an
    empty standard input.
    """
    parent_pipe = os.dup(0)
    if supervised:
        os.read(parent_pipe, 1)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)

    def watch() -> None:
        while os.read(parent_pipe, 64):
            pass
        end_process_tree()

    threading.Thread(target=watch, name="imjoy-watch-stdin", daemon=True).start()


def end_process_tree() -> None:
    """Kill our process group, which the launcher made ours alone; without groups (Windows) only this process."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(EXIT_CODE_ENGINE_GONE)


def trusting(certificate: str) -> Any:
    """Return what trusts the certificate in that file alone; nothing where the engine shows none."""
    if not certificate:
        return None
    import ssl

    return ssl.create_default_context(cafile=certificate)


class Worker:
    """One plugin and its clients."""

    def __init__(self, url: str, secret: str, tls: Any) -> None:
        self._url = url
        self._tls = tls
        self._secret = secret
        self._control: Any = None
        self._load: Dict[str, Any] = {}
        self._script_state = "waiting"  # then "running", "ready" or "failed"
        self._exported: Optional[Dict[str, Any]] = None
        self._clients: Dict[str, PeerRPC] = {}
        self._codecs: List[Dict[str, Any]] = []
        self._tasks: Set[asyncio.Future[None]] = set()
        self._context = imjoy_rpc._rpc_context
        self._exit_code = 0
        self._left: asyncio.Future[None] = asyncio.get_event_loop().create_future()

    async def serve(self) -> int:
        """Serve until the engine says exit or goes away; return the exit code."""
        self._control = await open_socket(
            self._url + "/control", self._secret, CONTROL_SUBPROTOCOL, self._tls
        )
        self._tell({"type": "hello", "python": sys.version.split()[0], "pid": os.getpid()})
        self._control.listen(self._take)
        await asyncio.wait([self._left, self._control.closed], return_when=asyncio.FIRST_COMPLETED)
        if not self._left.done():
            end_process_tree()
        return self._exit_code

    def _take(self, data: Data) -> None:
        """Do what the engine says."""
        message = json.loads(data)
        if message["type"] == "load":
            self._prepare(message)
        elif message["type"] == "client":
            self._start(self._serve_client(message["client"]))
        elif message["type"] == "exit":
            self._start(self._leave(message["grace"]))

    def _tell(self, message: Dict[str, Any]) -> None:
        self._control.send(json.dumps(message))

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _prepare(self, load: Dict[str, Any]) -> None:
        """Make everything ready for the script, which runs when the first client has offered its interface."""
        self._secret = load.pop("secret")
        self._load = load
        os.chdir(load["work_dir"])
        api = types.ModuleType("imjoy")
        api.__doc__ = "The ImJoy api, under the name that published plugins import it by."
        api.api = imjoy_rpc.api  # type: ignore[attr-defined]
        sys.modules["imjoy"] = api
        self._context.api = dotdict(self._local_api())

    def _local_api(self) -> Dict[str, Any]:
        return local_api(self._load, self._export, self._register_codec)

    def _register_codec(self, config: Dict[str, Any]) -> None:
        """``api.registerCodec``: for every client there is and every one to come."""
        self._codecs.append(check_codec(config))
        for rpc in self._clients.values():
            rpc.register_codec(config)

    def _export(self, api: Any, config: Optional[Dict[str, Any]] = None) -> Any:
        """``api.export``: offer the plugin's interface to every client there is and every one to come."""
        self._exported = {"api": api, "config": config}
        done = [rpc.set_interface(api, config) for rpc in self._clients.values()]
        return done[0] if done else asyncio.get_event_loop().create_future()

    async def _serve_client(self, client: str) -> None:
        link = RpcConnection(
            await open_socket(self._url + "/rpc/" + client, self._secret, SUBPROTOCOL, self._tls), client
        )
        rpc = PeerRPC(link, self._context, self._client_config(client), self._extend_remote)
        self._clients[client] = rpc
        for codec in self._codecs:
            rpc.register_codec(codec)
        if self._exported is not None:
            rpc.set_interface(**self._exported)
        rpc.once("remoteReady", lambda _=None: asyncio.get_event_loop().call_soon(self._run_script, rpc))
        link.listen(lambda message: link._fire(message["type"], message))
        rpc.init()
        await link.closed
        del self._clients[client]

    def _client_config(self, client: str) -> Dict[str, Any]:
        config = self._load["config"]
        return {
            "id": client,
            "name": config.get("name"),
            "description": config.get("description"),
            "version": config.get("version"),
        }

    def _extend_remote(self, remote: Any) -> None:
        """Add to a client's interface what is local to the worker."""
        local = self._local_api()
        local["utils"] = dotdict(remote.get("utils") or {}, **local["utils"])
        remote.update(local)
        as_client_api(remote)

    def _run_script(self, rpc: PeerRPC) -> None:
        if self._script_state != "waiting":
            return
        self._script_state = "running"
        rpc._run_with_context(self._execute)

    def _execute(self) -> None:
        load = self._load
        # Line numbers of a traceback are those of the plugin's file.
        source = "\n" * (load["line"] - 1) + load["script"]
        linecache.cache[load["file"]] = (len(source), None, source.splitlines(True), load["file"])
        module = MainModule(source, load["file"], load["scratch"], constants(load))
        module.__dict__["api"] = imjoy_rpc.api
        # Under the second name what spawned processes return is looked up; multiprocessing has taken ours for it where
        # it was imported before.
        sys.modules["__main__"] = sys.modules["__mp_main__"] = module
        sys.argv = [load["file"]]
        try:
            exec(compile(source, load["file"], "exec"), module.__dict__)
        except Exception as error:
            self._script_state = "failed"
            self._exit_code = EXIT_CODE_SCRIPT_FAILED
            trace = error.__traceback__
            text = "".join(traceback.format_exception(type(error), error, trace.tb_next if trace else None))
            sys.stderr.write(text)
            summary = "{}: {}".format(type(error).__name__, error)
            self._tell({"type": "failed", "error": summary, "traceback": text, "advice": advice(error)})
            return
        self._script_state = "ready"
        self._tell({"type": "ready", "exported": self._exported is not None})

    async def _leave(self, grace: float) -> None:
        """Call the plugin's ``exit()`` if it has one, for at most ``grace`` seconds, and close the clients' sockets."""
        exported = self._exported["api"] if self._exported else None
        leave = exported.get("exit") if isinstance(exported, dict) else getattr(exported, "exit", None)
        if callable(leave):
            try:
                result = leave()
                if inspect.isawaitable(result):
                    await asyncio.wait_for(result, grace)
            except asyncio.TimeoutError:
                sys.stderr.write("exit() took longer than {} s\n".format(grace))
            except Exception:
                traceback.print_exc()
        links: List[RpcConnection] = [rpc._connection for rpc in self._clients.values()]
        if links:
            await asyncio.wait([asyncio.ensure_future(link.close()) for link in links], timeout=1)
        if not self._left.done():
            self._left.set_result(None)


def main(supervised: bool) -> int:
    """Run the worker; return its exit code."""
    url = os.environ.pop(URL_VARIABLE)
    secret = os.environ.pop(SECRET_VARIABLE)
    tls = trusting(os.environ.get(CERTIFICATE_VARIABLE, ""))
    end_with_engine(supervised)
    if hasattr(gc, "freeze"):  # Python 3.7
        gc.freeze()  # our own modules stay; looking through them again and again costs calls 4 ms now and then
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        code = loop.run_until_complete(Worker(url, secret, tls).serve())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    # Threads that the plugin left running do not hold the process back.
    os._exit(code)
