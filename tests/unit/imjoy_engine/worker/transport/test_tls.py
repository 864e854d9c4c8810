"""TLS as we speak it, with ourselves and with asyncio's own at the other end."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from imjoy_engine.certificates import Certificate, passing_certificate
from imjoy_engine.worker.transport import tls
from imjoy_engine.worker.transport.tls import RECORD_BYTES, Tls
from imjoy_engine.worker.transport.websocket import open_socket

SECONDS = 60
BIG = bytes(range(256)) * (40 * RECORD_BYTES // 256) + b"and some"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return passing_certificate(["127.0.0.1"], tmp_path_factory.mktemp("certificate"))


class Side(asyncio.Protocol):
    """One end of a connection; the server's sends back what it is sent, and reads no faster than that is taken."""

    def __init__(self, *, echoes: bool) -> None:
        loop = asyncio.get_running_loop()
        self.echoes = echoes
        self.opened: asyncio.Future[asyncio.Transport] = loop.create_future()
        self.ended: asyncio.Future[Exception | None] = loop.create_future()
        self.came = bytearray()
        self.news = asyncio.Event()
        self.waits = asyncio.Event()
        self.eof = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=RECORD_BYTES)
        self.opened.set_result(transport)

    def data_received(self, data: bytes) -> None:
        self.came += data
        self.news.set()
        if self.echoes:
            self.opened.result().write(data)

    def pause_writing(self) -> None:
        if self.echoes:
            self.opened.result().pause_reading()
            self.waits.set()

    def resume_writing(self) -> None:
        if self.echoes:
            self.opened.result().resume_reading()

    def eof_received(self) -> None:
        self.eof = True

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set_result(error)

    async def wait_for(self, size: int) -> bytes:
        while len(self.came) < size:
            self.news.clear()
            await self.news.wait()
        return bytes(self.came)


@asynccontextmanager
async def server(certificate: Certificate, *, ours: bool) -> AsyncIterator[tuple[int, list[Side]]]:
    """Answer on a port; yield it, and the server's end of each connection."""
    answering: list[Side] = []

    def answer() -> Side:
        answering.append(Side(echoes=True))
        return answering[-1]

    factory: Callable[[], asyncio.Protocol] = (lambda: Tls(answer(), certificate.context)) if ours else answer
    context = None if ours else certificate.context
    listening = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0, ssl=context)
    async with listening:
        yield int(listening.sockets[0].getsockname()[1]), answering


async def connect(port: int, trusted: str, *, ours: bool) -> Side:
    context = ssl.create_default_context(cadata=trusted)
    side = Side(echoes=False)
    factory: Callable[[], asyncio.Protocol] = (
        (lambda: Tls(side, context, "127.0.0.1")) if ours else lambda: side
    )
    await asyncio.get_running_loop().create_connection(
        factory, "127.0.0.1", port, ssl=None if ours else context
    )
    return side


def play(scenario: Awaitable[None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, SECONDS))


@pytest.mark.parametrize(("server_ours", "client_ours"), [(True, True), (True, False), (False, True)])
def test_what_is_sent_arrives_and_either_side_may_leave(
    certificate: Certificate, server_ours: bool, client_ours: bool
) -> None:
    async def scenario() -> None:
        async with server(certificate, ours=server_ours) as (port, answering):
            for leaver in ("client", "server"):
                client = await connect(port, certificate.pem, ours=client_ours)
                transport = await client.opened
                transport.write(b"small")
                assert await client.wait_for(5) == b"small"
                transport.write(b"")
                transport.write(memoryview(BIG))
                transport.writelines([b"last ", b"words"])
                assert await client.wait_for(15 + len(BIG)) == b"small" + BIG + b"last words"
                there = answering[-1]
                (transport if leaver == "client" else there.opened.result()).close()
                assert (await client.ended, await there.ended) == (None, None)
                assert (there if leaver == "client" else client).eof

    play(scenario())


def test_who_reads_slowly_is_waited_for(certificate: Certificate) -> None:
    async def scenario() -> None:
        async with server(certificate, ours=True) as (port, answering):
            client = await connect(port, certificate.pem, ours=True)
            transport = await client.opened
            transport.write(b"first")
            await client.wait_for(5)
            transport.pause_reading()
            many = 40
            for _ in range(many):
                transport.write(BIG)
            there = answering[-1]
            await there.waits.wait()
            assert there.opened.result().get_write_buffer_size() < 2 * len(BIG)
            transport.resume_reading()
            assert await client.wait_for(5 + many * len(BIG)) == b"first" + many * BIG
            transport.abort()
            await client.ended

    play(scenario())


def test_who_shows_another_certificate_is_told_from_who_is_not_there(
    certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = passing_certificate(["127.0.0.1"], tmp_path_factory.mktemp("other"))
    named = passing_certificate(["somewhere.else"], tmp_path_factory.mktemp("named"))

    async def scenario() -> None:
        for shown, trusted in ((certificate, other), (named, named)):
            async with server(shown, ours=True) as (port, answering):
                context = ssl.create_default_context(cadata=trusted.pem)
                with pytest.raises(ssl.SSLCertVerificationError):
                    await open_socket(f"wss://127.0.0.1:{port}/", "secret", "any", context)
                assert not answering[-1].opened.done()

    play(scenario())


def test_what_is_no_tls_is_hung_up_on_and_nobody_hears_of_it(certificate: Certificate) -> None:
    async def scenario() -> None:
        async with server(certificate, ours=True) as (port, answering):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert b"HTTP" not in await reader.read()
            writer.close()
            client = await connect(port, certificate.pem, ours=True)
            below = (await client.opened).get_extra_info("socket")
            # An altered record within a connection.
            with socket.fromfd(below.fileno(), below.family, below.type) as same:
                same.send(b"\x17\x03\x03\x00\x20" + bytes(32))
            assert isinstance(await answering[-1].ended, ssl.SSLError)
            assert not answering[0].opened.done()
            assert not answering[-1].came
            await client.ended

    play(scenario())


def test_who_does_not_shake_hands_is_hung_up_on(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.05)

    async def scenario() -> None:
        async with server(certificate, ours=True) as (port, answering):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert await reader.read() == b""
            writer.close()
            assert not answering[-1].opened.done()

    play(scenario())
