"""Files over HTTP, against a real server on loopback."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from imjoy.model.errors import ImJoyError
from imjoy_engine.web.errors import error_response
from imjoy_engine.web.routes.files import add_file_routes
from imjoy_engine.workspace.files import PARTIAL_SUFFIX

MAX_UPLOAD_BYTES = 5_000_000
SHUTDOWN_SECONDS = 0.1
"""aiohttp reads on for ten seconds after it has refused a body, also where the client has gone."""


@dataclass(frozen=True)
class Settings:
    """What the file routes ask of the engine's settings."""

    workspace: Path
    max_upload: int = MAX_UPLOAD_BYTES


@web.middleware
async def errors_as_answers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Do the part of the engine's guard that these routes rely on."""
    try:
        return await handler(request)
    except ImJoyError as error:
        return error_response(error)


@asynccontextmanager
async def serving(workspace: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """Serve ``workspace``'s files and yield a client of that server."""
    app = web.Application(middlewares=[errors_as_answers])
    add_file_routes(app, Settings(workspace))
    runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}", auto_decompress=False) as client:
            yield client
    finally:
        await runner.cleanup()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    work = tmp_path / "workspace" / "default"
    work.mkdir(parents=True)
    (work / "a.txt").write_text("0123456789")
    (tmp_path / "secret.txt").write_text("secret")
    return work.parent


async def signed_url(client: aiohttp.ClientSession, path: str, **more: object) -> str:
    async with client.post("/api/v1/files/url", json={"path": path, **more}) as answer:
        assert answer.status == 200, await answer.text()
        document = await answer.json()
    assert document["expires_at"] > 0
    return str(document["url"])


async def refused(response: aiohttp.ClientResponse) -> tuple[int, str]:
    return response.status, (await response.json())["error"]["id"]


def test_a_folder_is_listed(workspace: Path) -> None:
    async def run() -> None:
        async with serving(workspace) as client, client.get("/api/v1/files") as answer:
            document = await answer.json()
            assert document["path"] == ""
            (entry,) = document["entries"]
            assert (entry["name"], entry["path"], entry["type"], entry["size"]) == (
                "a.txt",
                "a.txt",
                "file",
                10,
            )

    asyncio.run(run())


def test_a_signed_url_gives_the_file_and_ranges_of_it(workspace: Path) -> None:
    async def run() -> None:
        async with serving(workspace) as client:
            url = await signed_url(client, "a.txt", expires=60)
            assert url.endswith(".a.txt")
            async with client.get(url) as answer:
                assert (answer.status, await answer.text()) == (200, "0123456789")
                assert answer.headers["Content-Disposition"] == "inline; filename*=UTF-8''a.txt"
                assert answer.headers["Content-Security-Policy"].startswith("sandbox")
                assert "allow-same-origin" not in answer.headers["Content-Security-Policy"]
            async with client.get(url, headers={"Range": "bytes=2-4"}) as answer:
                assert (answer.status, await answer.text()) == (206, "234")
                assert answer.headers["Content-Range"] == "bytes 2-4/10"
            async with client.get(url, headers={"Range": "bytes=99-"}) as answer:
                assert answer.status == 416
            async with client.head(url) as answer:
                assert (answer.status, answer.headers["Content-Length"]) == (200, "10")

    asyncio.run(run())


def test_compressed_neighbours_are_not_sent_instead(workspace: Path) -> None:
    (workspace / "default" / "a.txt.gz").symlink_to(workspace.parent / "secret.txt")
    (workspace / "default" / "b.nii.gz").write_bytes(b"\x1f\x8b raw")

    async def run() -> None:
        async with serving(workspace) as client:
            url = await signed_url(client, "a.txt")
            async with client.get(url, headers={"Accept-Encoding": "gzip, br"}) as answer:
                assert await answer.text() == "0123456789"
                assert "Content-Encoding" not in answer.headers
            async with client.get(await signed_url(client, "b.nii.gz")) as answer:
                assert await answer.read() == b"\x1f\x8b raw"
                assert "Content-Encoding" not in answer.headers

    asyncio.run(run())


@pytest.mark.parametrize("length_is_known", [True, False])
def test_an_upload_arrives_whole(workspace: Path, length_is_known: bool) -> None:
    data = bytes(range(256)) * 10_000

    async def pieces() -> AsyncIterator[bytes]:
        for begin in range(0, len(data), 70_000):
            yield data[begin : begin + 70_000]

    async def run() -> None:
        body = io.BytesIO(data) if length_is_known else pieces()
        async with serving(workspace) as client:
            async with client.put("/api/v1/files", params={"path": "x/big.bin"}, data=body) as answer:
                assert (answer.status, await answer.json()) == (201, {"path": "x/big.bin", "size": len(data)})
            async with client.put("/api/v1/files", params={"path": "x/big.bin"}, data=b"") as answer:
                assert await refused(answer) == (409, "files.exists")
            async with client.put(
                "/api/v1/files", params={"path": "a.txt", "overwrite": "1"}, data=b""
            ) as answer:
                assert answer.status == 200

    asyncio.run(run())
    assert (workspace / "default" / "x" / "big.bin").read_bytes() == data
    assert (workspace / "default" / "a.txt").read_bytes() == b""


def test_a_signed_upload_writes_that_file_only_and_overwrites_only_when_that_was_signed(
    workspace: Path,
) -> None:
    async def run() -> None:
        async with serving(workspace) as client:
            url = await signed_url(client, "up.txt", method="PUT")
            async with client.put(url, data=b"one") as answer:
                assert answer.status == 201
            async with client.put(url, data=b"two") as answer:
                assert await refused(answer) == (409, "files.exists")
            async with client.get(url) as answer:
                assert await refused(answer) == (403, "files.signature")
            url = await signed_url(client, "up.txt", method="PUT", overwrite=True)
            async with client.put(url, data=b"three") as answer:
                assert answer.status == 200

    asyncio.run(run())
    assert (workspace / "default" / "up.txt").read_bytes() == b"three"


@pytest.mark.parametrize("length_is_known", [True, False])
def test_an_upload_over_the_limit_leaves_nothing(workspace: Path, length_is_known: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MAX_UPLOAD_BYTES // 100_000 + 2):
            yield bytes(100_000)

    async def run() -> None:
        body = io.BytesIO(bytes(MAX_UPLOAD_BYTES + 1)) if length_is_known else pieces()
        async with serving(workspace) as client:
            try:
                async with client.put("/api/v1/files", params={"path": "big"}, data=body) as answer:
                    assert await refused(answer) == (413, "files.too-large")
            except aiohttp.ClientConnectionError:
                pass  # the answer may come while the body is still being sent, and the connection then ends

    asyncio.run(run())
    assert [path.name for path in (workspace / "default").iterdir()] == ["a.txt"]


def test_an_upload_that_breaks_off_leaves_nothing(workspace: Path) -> None:
    async def partial_is_there(wanted: bool) -> None:
        # The server tells nobody when it has begun or cleared away, so the folder is looked at.
        while any((workspace / "default").glob(f"*{PARTIAL_SUFFIX}")) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with serving(workspace) as client:
            url = URL(str(client._base_url))
            _, writer = await asyncio.open_connection(url.host, url.port)
            writer.write(
                b"PUT /api/v1/files?path=half.bin HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
                + bytes(200_000)
            )
            await writer.drain()
            await partial_is_there(True)
            writer.close()
            await writer.wait_closed()
            await partial_is_there(False)

    asyncio.run(asyncio.wait_for(run(), 20))
    assert [path.name for path in (workspace / "default").iterdir()] == ["a.txt"]


def test_a_file_is_deleted(workspace: Path) -> None:
    async def run() -> None:
        async with serving(workspace) as client:
            async with client.delete("/api/v1/files", params={"path": "a.txt"}) as answer:
                assert answer.status == 204
            async with client.delete("/api/v1/files", params={"path": "a.txt"}) as answer:
                assert await refused(answer) == (404, "files.not-found")

    asyncio.run(run())
    assert not (workspace / "default" / "a.txt").exists()


@pytest.mark.parametrize(
    "query",
    [
        "path=../../secret.txt",
        "path=..%2F..%2Fsecret.txt",
        "path=%2e%2e/%2e%2e/secret.txt",
        "path=%252e%252e/%252e%252e/secret.txt",
        "path=//etc/passwd",
        "path=/etc/passwd",
        "path=a.txt%00",
        "path=..%5C..%5Csecret.txt",
        "path=a.txt&workspace=..",
        "path=token&workspace=.imjoy",
        "path=%FF%FE/../..",
    ],
)
def test_paths_that_lead_out_are_forbidden_on_every_route(workspace: Path, query: str) -> None:
    async def run() -> None:
        async with serving(workspace) as client:
            address = URL(f"/api/v1/files?{query}", encoded=True)
            place = dict(URL(f"http://x/?{query}").query)
            for answer in (
                await client.get(address),
                await client.delete(address),
                await client.put(address, data=b"x"),
                await client.post("/api/v1/files/url", json=place),
                await client.post("/api/v1/files/url", json={**place, "method": "PUT"}),
            ):
                assert await refused(answer) == (403, "files.outside")

    asyncio.run(run())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"{}",
        b'{"path": 1}',
        b'{"path": "a.txt", "expires": "1"}',
        b'{"path": "a.txt", "expires": true}',
        b'{"path": "a.txt", "expires": 1e999}',
        b'{"path": "a.txt", "method": "DELETE"}',
        b'{"path": "a.txt", "overwrite": 1}',
        b"[" * 60_000,
        b"\xff",
    ],
)
def test_a_request_that_makes_no_sense_is_refused(workspace: Path, body: bytes) -> None:
    async def run() -> None:
        async with serving(workspace) as client, client.post("/api/v1/files/url", data=body) as answer:
            assert await refused(answer) == (400, "files.request")

    asyncio.run(run())


@pytest.mark.parametrize("signed", ["x", "a.b.c", "....", "%00", "%2e%2e", "%C3%A9", "a" * 3000])
def test_an_invented_url_is_forbidden(workspace: Path, signed: str) -> None:
    async def run() -> None:
        async with serving(workspace) as client:
            for method in ("GET", "PUT"):
                async with client.request(method, URL(f"/api/v1/file/{signed}", encoded=True)) as answer:
                    assert await refused(answer) == (403, "files.signature")

    asyncio.run(run())
