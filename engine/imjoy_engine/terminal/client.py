"""Use an engine from Python: start a plugin, follow what happens to it, call it.

::

    client = EngineClient("http://127.0.0.1:8080", token)
    plugin = await client.start_plugin(source=Path("blur.imjoy.html").read_text(), file="blur.imjoy.html")
    async with await client.connect(plugin["id"], {"log": print}) as connection:
        result = await connection.api.run({"data": {}})
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
import uuid
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlsplit

from imjoy_rpc.utils import ContextLocal

from imjoy.effects.network.tls import client_context, http_connection
from imjoy.model.errors import ExitCode, ImJoyError
from imjoy_engine.worker.rpc.peer import PeerRPC
from imjoy_engine.worker.transport.connection import RpcConnection
from imjoy_engine.worker.transport.websocket import ClientSocket, open_socket
from imjoy_engine.worker.transport.wire import SUBPROTOCOL

REQUEST_SECONDS = 30.0
SILENCE_SECONDS = 60.0
MESSAGE_TOO_BIG = 1009  # RFC 6455, section 7.4.1
ABNORMAL_CLOSE = 1006
TOKEN_REPLACED = 4401  # docs/protocol.md
CONNECT_SECONDS = 3600.0  # the first connection waits for the plugin's environment


class EngineClient:
    """Speaks to one engine, directly (never through a proxy).

    ``certificate`` (PEM) is the one that an https engine has to show; without it the system's authorities decide.
    An engine that is silent for ``silence`` seconds and does not answer a ping then is taken for gone.
    """

    def __init__(self, url: str, token: str, certificate: str = "", silence: float = SILENCE_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"{url} is no http:// or https:// address")
        self.url = url.rstrip("/")
        # Of an engine behind a proxy, which may show it at a path.
        self._path = parts.path.rstrip("/")
        self._token = token
        self._certificate = certificate
        self._silence = silence

    async def start_plugin(
        self,
        *,
        source: str,
        file: str,
        tag: str | None = None,
        workspace: str = "default",
        client: str = "",
        lock: str | None = None,
        env: str | None = None,
        anyway: bool = False,
        resources: Mapping[str, object] | None = None,
        as_of: str | None = None,
    ) -> dict[str, Any]:
        """Start the plugin whose file is ``source``; return it as ``docs/protocol.md`` describes it, with ``attached``.

        ``lock`` is the text of its lock; its environment is then exactly what that names. ``env`` names one of the
        person's own environments to run it in, ``anyway`` also where that lacks something; "" is one of its own.
        ``resources`` is what it shall have of a cluster, before what it asks for itself.
        ``as_of`` is the day of which the packages are to be (2020-03-27), "" today; None leaves that to its age.

        Raises ImJoyError: what the engine has against it, or ``engine.unreachable``.
        """
        body: dict[str, object] = {
            "source": source,
            "file": file,
            "tag": tag,
            "workspace": workspace,
            "client": client,
        }
        if lock is not None:
            body["lock"] = lock
        if env is not None:
            body.update(env=env, anyway=anyway)
        if resources:
            body["resources"] = resources
        if as_of is not None:
            body["as_of"] = as_of
        return await self.request("POST", "/api/v1/plugins", body)

    async def request(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        """Send one request; return the answer's JSON. Raises ImJoyError as ``start_plugin`` does."""
        return await asyncio.to_thread(self._request, method, path, body)

    def _request(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
        with contextlib.closing(http_connection(self.url, self._certificate, REQUEST_SECONDS)) as http_:
            try:
                http_.request(
                    method, self._path + path, None if body is None else json.dumps(body), self._headers()
                )
                answer = http_.getresponse()
                document = json.loads(answer.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise self._unreachable(error) from error
        if answer.status >= 400:
            raise ImJoyError.from_json(document.get("error", {}))
        return dict(document)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}

    def _unreachable(self, error: Exception) -> ImJoyError:
        return ImJoyError(
            "engine.unreachable",
            f"The engine at {self.url} does not answer.",
            why=f"{type(error).__name__}: {error}",
            fix="imjoy status",
        )

    async def events(self, plugin_id: str) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """Yield ``(kind, data)`` for everything that happened to a plugin and happens, until it ends."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[tuple[str, dict[str, Any]] | None] = asyncio.Queue()
        http_ = http_connection(self.url, self._certificate)

        def put(item: tuple[str, dict[str, Any]] | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(queue.put_nowait, item)

        def read() -> None:
            kind = ""
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
                path = f"{self._path}/api/v1/plugins/{quote(plugin_id)}/events"
                http_.request("GET", path, headers=self._headers())
                for line in http_.getresponse():
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name == "event":
                        kind = value
                    elif name == "data":
                        put((kind, json.loads(value)))
            put(None)

        threading.Thread(target=read, daemon=True, name=f"events of {plugin_id}").start()
        try:
            while (item := await queue.get()) is not None:
                yield item
        finally:
            _shut(http_)

    async def connect(
        self, plugin_id: str, interface: Mapping[str, Any], timeout: float = CONNECT_SECONDS
    ) -> Connection:
        """Connect to a plugin, offering it ``interface`` as its ``api``; return when its own is there.

        Raises ImJoyError ``plugin.gone`` when the plugin ends first, ``plugin.no-answer`` after ``timeout`` seconds.
        """
        url = self.url.replace("http", "ws", 1) + f"/api/v1/plugins/{quote(plugin_id)}/rpc"
        try:
            tls = client_context(self.url, self._certificate)
            socket = await open_socket(url, self._token, SUBPROTOCOL, tls, self._silence)
        except (OSError, asyncio.TimeoutError) as error:
            raise self._unreachable(error) from error
        # A plugin that computes has to show its progress meanwhile; a client has its event loop to itself.
        socket.gathers = True
        connection = Connection(socket, interface)
        try:
            await connection.open(timeout)
        except BaseException:
            socket.abort()
            raise
        return connection


def _shut(connection: http.client.HTTPConnection) -> None:
    """End a connection that another thread reads from."""
    import socket

    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


class Connection:
    """A conversation with one plugin; ``api`` is what it exports, its functions return awaitables."""

    def __init__(self, socket: ClientSocket, interface: Mapping[str, Any]) -> None:
        self._link = RpcConnection(socket, str(uuid.uuid4()))
        self._rpc = PeerRPC(self._link, ContextLocal(), {"id": self._link.peer_id, "name": "client"})
        self._interface = dict(interface)
        self._calls: set[asyncio.Future[Any]] = set()
        self._link.closed.add_done_callback(lambda _: self._fail_calls())

    @property
    def api(self) -> Any:
        """The plugin's interface, by attribute or item."""
        return self._rpc.get_remote()

    @property
    def ended(self) -> bool:
        """Whether the conversation is over, whoever ended it."""
        return self._link.closed.done()

    async def wait_ended(self) -> None:
        """Wait until the conversation is over."""
        await asyncio.wait({self._link.closed})

    async def open(self, timeout: float) -> None:
        """Exchange interfaces with the plugin. Raises ImJoyError as ``EngineClient.connect`` does."""
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        link, rpc = self._link, self._rpc
        link.on("initialized", lambda _: rpc.set_interface(self._interface) and rpc.send_interface())
        link.on("interfaceSetAsRemote", lambda _: rpc.request_remote())
        rpc.on("remoteReady", lambda _=None: _resolve(ready))
        link.listen(lambda message: link._fire(message["type"], message))
        await asyncio.wait({ready, link.closed}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            raise self.gone() if self.ended else _no_interface(timeout)

    async def call(self, name: str, *args: Any, timeout: float | None = None) -> Any:
        """Call one of the plugin's functions; return its result. Without ``timeout`` (seconds) it may take for ever.

        Raises ImJoyError ``plugin.call-failed`` with what the plugin raised, ``plugin.no-function``, ``plugin.gone``
        when the plugin ends before it has answered, ``engine.unreachable`` when the engine does, or
        ``plugin.no-answer`` after ``timeout``.
        """
        function = (self.api or {}).get(name)
        if not callable(function):
            there = ", ".join(sorted(key for key, value in (self.api or {}).items() if callable(value)))
            raise ImJoyError(
                "plugin.no-function",
                f"The plugin exports no function {name}.",
                why=f"It exports {there}." if there else "It exports no function at all.",
                exit_code=ExitCode.USAGE,
            )
        if self.ended:
            raise self.gone()
        answer = function(*args)
        self._calls.add(answer)
        try:
            await asyncio.wait({answer}, timeout=timeout)
            if not answer.done():
                answer.add_done_callback(lambda late: late.cancelled() or late.exception())
                raise _no_answer(timeout or 0.0, f"{name} has not answered")
            return answer.result()
        except ImJoyError:
            raise
        except Exception as error:
            raise ImJoyError("plugin.call-failed", f"{name} failed.", why=str(error)) from error
        finally:
            self._calls.discard(answer)

    def _fail_calls(self) -> None:
        for answer in self._calls:
            if not answer.done():
                answer.set_exception(self.gone())

    def gone(self) -> ImJoyError:
        """Return the error that says why this conversation has ended."""
        code, reason = self._link.closed.result()
        if code == MESSAGE_TOO_BIG:
            return ImJoyError(
                "message.too-big",
                "A message is larger than the engine allows.",
                why=reason,
                fix="Send less at once, or start the engine with a larger --max-message-size.",
            )
        if code == TOKEN_REPLACED:
            return ImJoyError(
                "auth.token",
                "The connection token was replaced.",
                why="Connections with the old one were closed.",
                fix="Run it again: the new token is in the token file.",
            )
        if code == ABNORMAL_CLOSE:
            return ImJoyError(
                "engine.unreachable",
                "The connection to the engine is lost.",
                why=reason or "It ended without a message.",
                fix="imjoy status",
            )
        return ImJoyError("plugin.gone", "The plugin has ended.", why=reason)

    async def close(self) -> None:
        """Leave; the plugin ends too unless it may be detached from."""
        await self._link.close()

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _no_interface(timeout: float) -> ImJoyError:
    return _no_answer(timeout, "The plugin has not offered an interface", "It has to call api.export().")


def _no_answer(timeout: float, what: str, why: str = "") -> ImJoyError:
    return ImJoyError("plugin.no-answer", f"{what} within {timeout:g} s.", why=why)
