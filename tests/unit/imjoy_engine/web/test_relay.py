"""The relay, driven by hypothesis: what goes in comes out, in order and unread, up to the first frame that may not."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import WSMessage, WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugins.lifecycle import Plugin
from imjoy_engine.plugins.registry import Registry
from imjoy_engine.plugins.socket_pair import SocketPair
from imjoy_engine.sockets.close import DONE, ENDED, Close
from imjoy_engine.sockets.keep_alive import LOST, PINGS_BEFORE_SILENCE, SILENT, KeepAlive
from imjoy_engine.sockets.socket import FRAME_BYTES, Socket
from imjoy_engine.web.relay import TOO_LATE, Limits, pass_frames, serve_client, serve_worker

LIMIT = 200
SECONDS = 20
# With a real socket to open for each; `make fuzz` tries a twentieth of its cases there.
SOCKET_CASES = max(30, settings().max_examples // 20)

good_frames = st.builds(lambda more, content: bytes([more]) + content, st.booleans(), st.binary(max_size=80))
frames = st.one_of(good_frames, good_frames, good_frames, st.binary(max_size=40), st.text(max_size=5))


def expected(sent: list[bytes | str]) -> tuple[list[bytes], int]:
    """Return what has to arrive of ``sent``, and the code to close with; 1000 when all of it may pass."""
    passed: list[bytes] = []
    size = 0
    for frame in sent:
        if isinstance(frame, str) or not frame or frame[0] > 1:
            return passed, 1008
        size += len(frame) - 1
        if size > LIMIT:
            return passed, 1009
        if frame[0] == 0:
            size = 0
        passed.append(frame)
    return passed, 1000


class DoubleSocket:
    """In a socket's place: gives what it was filled with, then says that it is closed; takes what it is sent."""

    def __init__(self, content: list[bytes | str]) -> None:
        self._content = deque(content)
        self.taken: list[bytes] = []

    async def receive(self) -> WSMessage:
        """Return the next message."""
        if not self._content:
            return WSMessage(WSMsgType.CLOSED, None, None)
        data = self._content.popleft()
        return WSMessage(WSMsgType.TEXT if isinstance(data, str) else WSMsgType.BINARY, data, None)

    async def send_bytes(self, data: bytes) -> None:
        """Take a frame."""
        self.taken.append(data)


@given(st.lists(frames, max_size=12), st.booleans())
def test_frames_arrive_as_they_were_sent_up_to_the_first_that_may_not(
    sent: list[bytes | str], first_was_received: bool
) -> None:
    source, target = DoubleSocket(sent), DoubleSocket([])

    async def relay() -> Any:
        first = await source.receive() if first_was_received else None
        return await pass_frames(source.receive, cast("Socket", target), LIMIT, first)

    close = asyncio.run(relay())
    passed, code = expected(sent)
    assert target.taken == passed
    assert close.code == code
    assert all(given is taken for given, taken in zip(sent, target.taken, strict=False))


class DoublePlugin:
    """In a plugin's place: knows its clients, and has no process."""

    final = False
    state = None

    id = "p"
    request = SimpleNamespace(manifest=SimpleNamespace(name="P"))

    def __init__(self) -> None:
        self.clients: dict[str, SocketPair] = {}
        self.changed = asyncio.Event()
        self.ends = False
        self.said: list[str] = []
        self.errors: list[ImJoyError] = []
        self.lost: dict[str, str] = {}

    def say(self, text: str) -> None:
        """Note what is said."""
        self.said.append(text)

    def note_error(self, error: ImJoyError) -> None:
        """Note what it ends of."""
        self.errors.append(error)

    def note_lost(self, calls: frozenset[str], error: ImJoyError) -> None:
        """Note what calls ended of."""
        self.lost.update(dict.fromkeys(calls, error.id))

    def note_clients(self) -> None:
        """Nobody listens."""

    def pair_with(self, call: str) -> tuple[str, SocketPair] | None:
        """Return the pair with a call."""
        return next(((key, pair) for key, pair in self.clients.items() if call in pair.calls), None)

    async def add_client(self, pair: SocketPair) -> str:
        """Take a client."""
        self.clients["client"] = pair
        self.changed.set()
        return "client"

    def remove_client(self, client_id: str) -> bool:
        """Forget a client; return whether the plugin is to end with it."""
        del self.clients[client_id]
        self.changed.set()
        return self.ends


def relay_app(plugin: DoublePlugin, hold: float = SECONDS) -> web.Application:
    """Return what joins a socket at /client with one at /worker."""

    async def client_side(request: web.Request) -> web.StreamResponse:
        return await serve_client(
            request,
            cast("Plugin", plugin),
            cast("Registry", SimpleNamespace(stop_later=lambda plugin, after: None)),
            Limits(LIMIT, SECONDS, hold),
            asyncio.Event(),
        )

    async def worker_side(request: web.Request) -> web.StreamResponse:
        return await serve_worker(request, plugin.clients["client"], LIMIT)

    app = web.Application()
    app.router.add_get("/client", client_side)
    app.router.add_get("/worker", worker_side)
    return app


async def relayed(
    from_client: list[bytes | str], from_worker: list[bytes | str], order: random.Random
) -> tuple[list[bytes], list[bytes], int | None]:
    """Send both ways through real sockets, in any order; return what arrived there and there, and the client's code."""
    plugin = DoublePlugin()

    app = relay_app(plugin)
    async with TestClient(TestServer(app)) as http:
        client = await http.ws_connect("/client", protocols=("imjoy.v1",))
        await plugin.changed.wait()
        worker = await http.ws_connect("/worker", protocols=("imjoy.v1",))
        waiting = [
            [(client, frame) for frame in from_client],
            [(worker, frame) for frame in from_worker],
        ]
        while any(waiting):
            socket, frame = order.choice([queue for queue in waiting if queue]).pop(0)
            try:
                await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
            except ConnectionError:  # the relay has closed it already
                waiting = [[each for each in queue if each[0] is not socket] for queue in waiting]
        at_worker = asyncio.ensure_future(received(worker))
        at_client = asyncio.ensure_future(received(client))
        if expected(from_client)[1] == expected(from_worker)[1] == 1000:
            await asyncio.sleep(0)
            await client.close()
        await asyncio.wait_for(asyncio.gather(at_worker, at_client), SECONDS)
        assert not plugin.clients
        return at_client.result(), at_worker.result(), client.close_code


async def received(socket: aiohttp.ClientWebSocketResponse) -> list[bytes]:
    """Return what arrives until the socket is closed."""
    return [message.data async for message in socket]


@settings(max_examples=SOCKET_CASES)
@given(st.lists(frames, max_size=8), st.lists(good_frames, max_size=8), st.randoms(use_true_random=False))
def test_both_ways_at_once_through_real_sockets(
    from_client: list[bytes | str], from_worker: list[bytes], order: random.Random
) -> None:
    there, back, code = asyncio.run(relayed(from_client, cast("list[bytes | str]", from_worker), order))
    assert back == expected(from_client)[0][: len(back)]
    assert there == expected(cast("list[bytes | str]", from_worker))[0][: len(there)]
    codes = {expected(from_client)[1], expected(cast("list[bytes | str]", from_worker))[1]}
    assert code in codes
    if codes == {1000}:
        assert back == from_client


@settings(max_examples=SOCKET_CASES)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_noise_in_a_socket_s_place_never_reaches_the_worker_as_anything_but_frames(
    noise: list[bytes],
) -> None:
    async def scenario() -> list[bytes]:
        plugin = DoublePlugin()

        app = relay_app(plugin)
        async with TestClient(TestServer(app)) as http:
            reader, writer = await asyncio.open_connection(http.host, http.port)
            writer.write(HANDSHAKE)
            await reader.readuntil(b"\r\n\r\n")
            await plugin.changed.wait()
            worker = await http.ws_connect("/worker")
            for each in noise:
                writer.write(each)
            writer.write_eof()
            found = await asyncio.wait_for(received(worker), SECONDS)
            writer.close()
            return found

    for frame in asyncio.run(scenario()):
        assert frame[0] <= 1
        assert len(frame) <= FRAME_BYTES


HANDSHAKE = (
    b"GET /client HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def test_what_is_done_is_closed_without_a_reason() -> None:
    source, target = DoubleSocket([]), DoubleSocket([])
    close = asyncio.run(pass_frames(source.receive, cast("Socket", target), LIMIT))
    assert close == DONE


def test_a_target_that_has_gone_ends_the_relay_in_order() -> None:
    class Gone(DoubleSocket):
        async def send_bytes(self, data: bytes) -> None:
            raise ConnectionResetError

    source = DoubleSocket([b"\x00a"])
    assert asyncio.run(pass_frames(source.receive, cast("Socket", Gone([])), LIMIT)) == DONE


@pytest.mark.parametrize(
    ("address", "close"), [("/client", ENDED), ("/client?resume=c", TOO_LATE)], ids=["new", "back for a call"]
)
def test_a_client_of_a_plugin_that_has_ended_is_told_so_and_is_no_client(address: str, close: Close) -> None:
    async def scenario() -> None:
        plugin = DoublePlugin()
        plugin.final = True
        async with TestClient(TestServer(relay_app(plugin))) as http:
            client = await http.ws_connect(address, protocols=("imjoy.v1",))
            assert await asyncio.wait_for(received(client), SECONDS) == []
            assert client.close_code == close.code
            assert not plugin.changed.is_set()

    asyncio.run(scenario())


def test_a_client_has_one_worker_and_hears_all_that_it_said_before_it_ended() -> None:
    async def scenario() -> None:
        plugin = DoublePlugin()
        async with TestClient(TestServer(relay_app(plugin))) as http:
            client = await http.ws_connect("/client", protocols=("imjoy.v1",))
            await plugin.changed.wait()
            pair = plugin.clients["client"]
            worker = await http.ws_connect("/worker", protocols=("imjoy.v1",))
            second = await http.ws_connect("/worker", protocols=("imjoy.v1",))
            assert await asyncio.wait_for(received(second), SECONDS) == []
            assert second.close_code == 1008
            await worker.send_bytes(b"\x00last words")
            assert not pair.drained.is_set()
            await worker.close()
            assert await asyncio.wait_for(received(client), SECONDS) == [b"\x00last words"]
            assert client.close_code == ENDED.code
            assert pair.drained.is_set()

    asyncio.run(scenario())


class DoubleKeepAlive(DoubleSocket):
    """In the place of a socket whose client may be silent: it counts pings, and gives what it is told to."""

    broken = False

    def __init__(self) -> None:
        super().__init__([])
        self.pings = 0
        self.pongs = 0
        self.coming: asyncio.Queue[WSMessage] = asyncio.Queue()
        self.pinged = asyncio.Event()
        self.answers = False

    async def receive(self) -> WSMessage:
        return await self.coming.get()

    async def ping(self, payload: bytes = b"") -> None:
        self.pings += 1
        if self.answers:
            self.coming.put_nowait(WSMessage(WSMsgType.PONG, payload, None))
        if self.pings > 3 * PINGS_BEFORE_SILENCE:
            self.pinged.set()

    async def pong(self, data: bytes) -> None:
        self.pongs += 1


@pytest.mark.parametrize("listens", [True, False], ids=["answers", "is not listened to"])
def test_a_client_that_answers_or_is_not_listened_to_is_not_silent(listens: bool) -> None:
    async def scenario() -> None:
        socket = DoubleKeepAlive()
        socket.answers = listens
        # Long enough for an answer on a machine that has much else to do.
        peer = KeepAlive(cast("Socket", socket), 0.6)
        hearing = asyncio.ensure_future(peer.receive() if listens else asyncio.sleep(3600))
        waiting = asyncio.ensure_future(peer.wait_for_silence())
        pinged = asyncio.ensure_future(socket.pinged.wait())
        await asyncio.wait({waiting, pinged}, timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert pinged.done()
        assert not waiting.done()
        for task in (hearing, waiting, pinged):
            task.cancel()

    asyncio.run(scenario())


def test_a_client_of_which_nothing_is_heard_is_silent_and_one_whose_connection_broke_is_lost() -> None:
    async def scenario(*, broken: bool) -> Any:
        socket = DoubleKeepAlive()
        socket.broken = broken
        peer = KeepAlive(cast("Socket", socket), 0.03)
        hearing = asyncio.ensure_future(peer.receive())
        close = await asyncio.wait_for(peer.wait_for_silence(), SECONDS)
        hearing.cancel()
        return close

    assert asyncio.run(scenario(broken=False)).code == SILENT
    assert asyncio.run(scenario(broken=True)) is LOST


def test_pings_are_answered_and_no_more_than_pongs_are_they_messages() -> None:
    async def scenario() -> None:
        socket = DoubleKeepAlive()
        for kind in (WSMsgType.PONG, WSMsgType.PING, WSMsgType.BINARY):
            socket.coming.put_nowait(WSMessage(kind, b"\x00", None))
        message = await asyncio.wait_for(KeepAlive(cast("Socket", socket), 1.0).receive(), SECONDS)
        assert message.type is WSMsgType.BINARY
        assert socket.pongs == 1

    asyncio.run(scenario())


class PatientServer(TestServer):
    """A server that lets who serves a client go on when that has gone, as the engine's does."""

    async def _make_runner(self, **options: Any) -> web.BaseRunner:
        return await super()._make_runner(**{**options, "handler_cancellation": False})


NOTE = b'\x02{"calls": ["c"]}'
GOING_AWAY = 1001


async def begin_a_run(
    http: TestClient[web.Request, web.Application], plugin: DoublePlugin
) -> tuple[aiohttp.ClientWebSocketResponse, aiohttp.ClientWebSocketResponse, SocketPair]:
    """Connect a client and the worker; the worker has what the client's run began with."""
    client = await http.ws_connect("/client", protocols=("imjoy.v1",))
    await plugin.changed.wait()
    worker = await http.ws_connect("/worker", protocols=("imjoy.v1",))
    await client.send_bytes(NOTE)
    await client.send_bytes(b"\x00begin")
    assert (await worker.receive_bytes()) == b"\x00begin"
    return client, worker, plugin.clients["client"]


def test_a_client_that_goes_away_in_the_middle_of_a_call_finds_its_worker_again() -> None:
    async def scenario() -> None:
        plugin = DoublePlugin()
        async with TestClient(PatientServer(relay_app(plugin))) as http:
            client, worker, pair = await begin_a_run(http, plugin)
            # Not while the first one is there.
            second = await http.ws_connect("/client?resume=c", protocols=("imjoy.v1",))
            assert await asyncio.wait_for(received(second), SECONDS) == []
            assert second.close_code == TOO_LATE.code
            for _ in range(2):
                await client.close(code=GOING_AWAY)
                await asyncio.wait_for(pair.left.wait(), SECONDS)
                await worker.send_bytes(b"\x00meanwhile")
                stranger = await http.ws_connect("/client?resume=d", protocols=("imjoy.v1",))
                assert await asyncio.wait_for(received(stranger), SECONDS) == []
                client = await http.ws_connect("/client?resume=c", protocols=("imjoy.v1",))
                assert (await asyncio.wait_for(client.receive_bytes(), SECONDS)) == b"\x00meanwhile"
                await worker.send_bytes(b"\x00done")
                assert (await asyncio.wait_for(client.receive_bytes(), SECONDS)) == b"\x00done"
                await client.send_bytes(b"\x00thanks")
                assert (await asyncio.wait_for(worker.receive_bytes(), SECONDS)) == b"\x00thanks"
            plugin.changed.clear()
            # A good-bye is one.
            await client.close()
            await asyncio.wait_for(plugin.changed.wait(), SECONDS)
            assert not plugin.clients
            assert await asyncio.wait_for(received(worker), SECONDS) == []

    asyncio.run(scenario())


def test_who_asks_after_a_client_that_answers_is_told_at_once() -> None:
    async def scenario() -> None:
        plugin = DoublePlugin()
        async with TestClient(PatientServer(relay_app(plugin))) as http:
            client, worker, pair = await begin_a_run(http, plugin)
            reading = asyncio.ensure_future(client.receive())
            # Both at once, as a tab asks for several plugins.
            answers = await asyncio.wait_for(
                asyncio.gather(pair.leaves_within(10 * SECONDS), pair.leaves_within(10 * SECONDS)), SECONDS
            )
            assert not any(answers)
            reading.cancel()
            await client.close()
            assert await asyncio.wait_for(received(worker), SECONDS) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("ends", [True, False], ids=["ends with it", "may be detached"])
def test_what_is_too_large_for_one_that_is_waited_for_is_told_to_who_asks_for_the_plugin(ends: bool) -> None:
    async def scenario() -> None:
        plugin = DoublePlugin()
        plugin.ends = ends
        async with TestClient(PatientServer(relay_app(plugin))) as http:
            client, worker, pair = await begin_a_run(http, plugin)
            plugin.changed.clear()
            await client.close(code=GOING_AWAY)
            await asyncio.wait_for(pair.left.wait(), SECONDS)
            await worker.send_bytes(b"\x00" + bytes(LIMIT + 1))
            await asyncio.wait_for(plugin.changed.wait(), SECONDS)
            assert await asyncio.wait_for(received(worker), SECONDS) == []
        (said,) = plugin.said
        assert f"over the limit of {LIMIT} bytes" in said
        assert [error.id for error in plugin.errors] == ["message.too-big"] * ends
        assert plugin.lost == {"c": "message.too-big"}

    asyncio.run(scenario())


@pytest.mark.parametrize("stopped", [True, False], ids=["stopped", "nobody came back"])
def test_a_client_that_does_not_come_back_is_not_waited_for_longer(stopped: bool) -> None:
    async def scenario() -> None:
        plugin = DoublePlugin()
        async with TestClient(PatientServer(relay_app(plugin, SECONDS if stopped else 0.01))) as http:
            client, worker, pair = await begin_a_run(http, plugin)
            plugin.changed.clear()
            await client.close(code=GOING_AWAY)
            await asyncio.wait_for(pair.left.wait(), SECONDS)
            if stopped:
                pair.finish(ENDED)
            await asyncio.wait_for(plugin.changed.wait(), SECONDS)
            assert not plugin.clients
            assert await asyncio.wait_for(received(worker), SECONDS) == []

    asyncio.run(scenario())


def test_a_client_that_is_asked_after_and_answers_has_not_gone() -> None:
    async def scenario() -> None:
        socket = DoubleKeepAlive()
        socket.answers = True
        peer = KeepAlive(cast("Socket", socket), SECONDS)
        hearing = asyncio.ensure_future(peer.receive())
        assert await peer.answers_within(SECONDS)
        socket.answers = False
        assert not await peer.answers_within(0.01)
        hearing.cancel()

    asyncio.run(scenario())


def test_a_client_that_is_asked_after_while_nobody_listens_to_it_is_there_as_long_as_its_connection_is() -> (
    None
):
    async def scenario() -> None:
        socket = DoubleKeepAlive()
        peer = KeepAlive(cast("Socket", socket), SECONDS)
        assert await peer.answers_within(0.01)
        # The first ping to a system that has no such connection any more is refused, and a later one finds that out.
        assert socket.pings > 1
        socket.broken = True
        assert not await peer.answers_within(0.01)

    asyncio.run(scenario())
