"""WebSocket frames and messages that are none, and plugins that reach for each other, at a running engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgpack
import psutil
import pytest
import websockets
from websockets.asyncio.client import ClientConnection, connect

from imjoy.model.errors import ImJoyError
from imjoy_engine.worker.transport.websocket import SocketRefused, open_socket

from .conftest import RunningEngine, StartEngine
from .knocking import MIB, SECONDS, ask, bearer, error_id, memory, post, request, rpc_url

Play = Callable[[Any], Any]
ECHO = "api.export({'echo': lambda value: value})"


@pytest.fixture
def engine(unshaken_engine: RunningEngine) -> RunningEngine:
    """Return the engine that these tests share."""
    return unshaken_engine


def frame(
    payload: bytes,
    opcode: int = 2,
    *,
    fin: bool = True,
    reserved: int = 0,
    masked: bool = True,
    claims: int = -1,
) -> bytes:
    """Return a WebSocket frame (RFC 6455, section 5.2), also one that must not be."""
    length = len(payload) if claims < 0 else claims
    head = bytes([(0x80 if fin else 0) | reserved | opcode])
    mask_bit = 0x80 if masked else 0
    if length < 126:
        head += bytes([mask_bit | length])
    elif length < 1 << 16:
        head += bytes([mask_bit | 126]) + struct.pack(">H", length)
    else:
        head += bytes([mask_bit | 127]) + struct.pack(">Q", length)
    return head + (b"\0\0\0\0" if masked else b"") + payload


MALFORMED = {
    "not masked": frame(b"\0hello", masked=False),
    "compressed though nobody agreed": frame(b"\0hello", reserved=0x40),
    "reserved bit": frame(b"\0hello", reserved=0x10),
    "reserved kind": frame(b"\0hello", opcode=3),
    "reserved control": frame(b"", opcode=0xB),
    "continuation of nothing": frame(b"\0hello", opcode=0),
    "ping in pieces": frame(b"x", opcode=9, fin=False),
    "ping too long": frame(b"x" * 126, opcode=9),
    "close with half a code": frame(b"\x03", opcode=8),
    "close with a code that is none": frame(struct.pack(">H", 999), opcode=8),
    "text that is no UTF-8": frame(b"\xff\xfe", opcode=1),
    "begun twice": frame(b"\1a", fin=False) + frame(b"\0b"),
    "longer than allowed": frame(b"\0", claims=(1 << 20) + 1),
    "longer than memory": frame(b"\0", claims=1 << 62),
    "length below zero": frame(b"\0", claims=(1 << 64) - 1),
    "no flag": frame(b""),
    "unknown flag": frame(b"\x02hello"),
    "another protocol": b"GET / HTTP/1.1\r\n\r\n",
    "noise": bytes(range(256)),
}


def test_malformed_frames_close_their_own_socket_and_no_other(engine: RunningEngine, play: Play) -> None:
    async def knock(plugin: dict[str, Any], content: bytes) -> None:
        """Open a socket by hand, send what no library would, and wait for the engine to hang up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(engine.url).port)
        lines = [
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Extensions: permessage-deflate",
            "Sec-WebSocket-Protocol: imjoy.v1",
        ]
        writer.write(request(engine, *lines, path=f"/api/v1/plugins/{plugin['id']}/rpc"))
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head
        assert b"permessage-deflate" not in head
        writer.write(content)
        await asyncio.wait_for(reader.read(), SECONDS)
        writer.close()

    async def scenario() -> None:
        plugin = await engine.start(ECHO, client="one", flags=["single-instance"])
        async with await engine.client.connect(plugin["id"], {}) as good:
            idle = memory(engine)
            for name, content in MALFORMED.items():
                try:
                    await knock(plugin, content)
                except (asyncio.TimeoutError, ConnectionResetError) as error:
                    assert isinstance(error, ConnectionResetError), f"not hung up on: {name}"
                assert await good.call("echo", name) == name
            assert memory(engine) - idle < 30 * MIB

    play(scenario())


def head_of(head: bytes, lengths: tuple[int, ...] = (), claims: int = -1, count: int = -1) -> bytes:
    """Return one frame with a message of that head, which may lie about its lengths."""
    counts = struct.pack("<II", len(head) if claims < 0 else claims, len(lengths) if count < 0 else count)
    return b"\0" + counts + b"".join(struct.pack("<Q", length) for length in lengths) + head


NOT_MESSAGES = {
    "nothing": b"\0",
    "half a head": b"\0\1\0\0",
    "no msgpack": head_of(b"\xc1"),
    "cut off": head_of(msgpack.packb({"type": "x" * 100})[:-5]),
    "more behind it": head_of(msgpack.packb({"type": "x"}) + b"\0"),
    "longer than it says": head_of(b"\x80", claims=0),
    "shorter than it says": head_of(b"\x80", claims=1000),
    "a head of 4 GiB": head_of(b"", claims=(1 << 32) - 1),
    "a buffer of 16 EiB": head_of(b"\x80", ((1 << 64) - 1,)),
    "a million buffers": head_of(b"", count=1 << 20),
    "a buffer that is not there": head_of(msgpack.packb({"type": msgpack.ExtType(1, b"\7\0\0\0")})),
    "an unknown kind of value": head_of(msgpack.packb({"type": msgpack.ExtType(99, b"")})),
    "a list of four thousand million": head_of(b"\xdd\xff\xff\xff\xff"),
    "text of 4 GiB": head_of(b"\xdb\xff\xff\xff\xff"),
    "nested too deep": head_of(b"\x91" * 100_000 + b"\xc0"),
    "text that is no UTF-8": head_of(b"\x81\xa4type\xa2\xff\xfe"),
    "a key that is a list": head_of(b"\x81\x90\xc0"),
    "no dict": head_of(msgpack.packb([1, 2])),
    "no type": head_of(msgpack.packb({})),
}


def test_bytes_that_are_no_message_close_their_own_socket_and_no_other(
    engine: RunningEngine, play: Play
) -> None:
    async def scenario() -> None:
        plugin = await engine.start(ECHO, client="one", flags=["single-instance"])
        worker = psutil.Process((await engine.state(plugin["id"], "starting"))["pid"] or engine.process.pid)
        async with await engine.client.connect(plugin["id"], {}) as good:
            worker = psutil.Process(
                (await engine.client.request("GET", f"/api/v1/plugins/{plugin['id']}"))["pid"]
            )
            idle = worker.memory_info().rss
            for name, content in NOT_MESSAGES.items():
                async with connect(
                    rpc_url(engine, plugin), additional_headers=bearer(engine), proxy=None
                ) as bad:
                    await bad.recv()
                    await bad.send(content)
                    assert await closed_with(bad) in (1008, 4410), name
                assert await good.call("echo", name) == name
            assert worker.memory_info().rss - idle < 50 * MIB

    play(scenario())


async def closed_with(socket: ClientConnection) -> int:
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            await asyncio.wait_for(socket.recv(), SECONDS)
    return socket.close_code or 0


def test_no_client_hears_what_another_says_or_is_told(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        plugin = await engine.start(ECHO, client="one", flags=["single-instance"])
        async with (
            await engine.client.connect(plugin["id"], {}) as talker,
            connect(rpc_url(engine, plugin), additional_headers=bearer(engine), proxy=None) as listener,
        ):
            assert b"initialized" in bytes(await listener.recv())  # type: ignore[arg-type]
            assert await talker.call("echo", "only between us") == "only between us"
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(listener.recv(), 0.5)

    play(scenario())


SPY = """
import gc, os
def secrets():
    environ = dict(each.split("=", 1) for each in open("/proc/self/environ").read().split(chr(0)) if "=" in each)
    worker = [each for each in gc.get_objects() if type(each).__name__ == "Worker"][0]
    return {"spent": environ["IMJOY_WORKER_SECRET"], "client": worker._secret, "clients": list(worker._clients)}
api.export({"secrets": secrets})
"""


@pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="no /proc to read another's environment in"
)
def test_a_worker_that_lies_about_its_id_or_uses_its_secret_again_is_refused(
    engine: RunningEngine, play: Play
) -> None:
    base = engine.url.replace("http", "ws") + "/api/v1/workers"

    async def scenario() -> None:
        first, second = await engine.start(SPY), await engine.start(SPY)
        async with (
            await engine.client.connect(first["id"], {}) as plugin,
            await engine.client.connect(second["id"], {}) as other,
        ):
            mine, theirs = await plugin.call("secrets"), await other.call("secrets")
            assert len({mine["spent"], mine["client"], theirs["spent"], theirs["client"]}) == 4
            client = theirs["clients"][0]
            # Reaching for the other's socket and frames, with everything that the environment and the memory hold.
            for secret in (mine["spent"], mine["client"], theirs["spent"]):
                with pytest.raises(SocketRefused) as caught:
                    await open_socket(f"{base}/{second['id']}/rpc/{client}", secret, "imjoy.v1")
                assert caught.value.status == 403
            for secret in (mine["spent"], mine["client"], theirs["client"]):
                with pytest.raises(SocketRefused) as caught:
                    await open_socket(f"{base}/{second['id']}/control", secret, "imjoy.worker.v1")
                assert caught.value.status == 403
            # Its own, once more.
            again = await open_socket(f"{base}/{first['id']}/control", mine["spent"], "imjoy.worker.v1")
            assert (await again.closed)[0] == 1008
            with pytest.raises(SocketRefused) as caught:
                await open_socket(f"{base}/{second['id']}/rpc/{client}", theirs["client"], "imjoy.v1")
            assert caught.value.status == 404  # that client has its worker
            # A worker's secret is no token.
            for secret in (mine["spent"], mine["client"]):
                assert (await asyncio.to_thread(ask, engine, "/api/v1/status", "GET", secret))[0] == 401
            assert await other.call("secrets") == theirs

    play(scenario())


def test_no_request_ends_a_process_by_its_number(engine: RunningEngine) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        for path in (f"/api/v1/plugins/{bystander.pid}", f"/api/v1/plugins/{os.getpid()}"):
            status, _, body = ask(engine, path, "DELETE")
            assert (status, error_id(body)) == (404, "plugin.not-found")
        assert bystander.poll() is None
        bystander.kill()


FOR_A_SHELL: tuple[dict[str, object], ...] = (
    {"name": "a'; touch PWNED; '"},
    {"name": "$(touch PWNED)`touch PWNED`"},
    {"cmd": "python; touch PWNED"},
    {"cmd": "python -c pass && touch PWNED"},
    {"cmd": "KERAS_BACKEND=$(touch${IFS}PWNED) python"},
    {"env": "conda create -n x; touch PWNED"},
    {"env": "conda create -n $(touch${IFS}PWNED)"},
    {"requirements": ["numpy; touch PWNED"]},
    {"requirements": ["./none; touch PWNED"]},
    {"requirements": ["repo: https://127.0.0.1:1/x.git ../../PWNED"]},
    {"requirements": ["repo: --upload-pack=touch${IFS}PWNED"]},
    {"requirements": ["repo: ext::sh${IFS}-c${IFS}touch${IFS}PWNED"]},
    {"requirements": ["pip: --config-settings=$(touch${IFS}PWNED) ./none"]},
)


def test_nothing_that_a_plugin_file_says_reaches_a_shell(
    engine: RunningEngine, play: Play, home: Path
) -> None:
    async def start(config: dict[str, Any]) -> None:
        plugin = await engine.start("api.export({})", **config)
        with contextlib.suppress(ImJoyError):
            await engine.client.connect(plugin["id"], {}, timeout=SECONDS)
        await engine.client.request("DELETE", f"/api/v1/plugins/{plugin['id']}?grace=0")
        await engine.final(plugin["id"])

    async def scenario() -> None:
        for config in FOR_A_SHELL:
            with contextlib.suppress(ImJoyError):
                await start(config)

    play(scenario())
    roots = (engine.workspace.parent, home, Path.cwd())
    assert not [path for root in roots for path in root.glob("**/PWNED*")]


@pytest.mark.parametrize(
    "workspace_name", ["../x", "..", "a/b", ".imjoy", "a\0b", "a\nb", "", "x" * 200, "~/x/y"]
)
def test_a_workspace_is_a_folder_s_name_and_nothing_else(engine: RunningEngine, workspace_name: str) -> None:
    before = sorted(engine.workspace.iterdir())
    for path, document in (
        ("/api/v1/plugins", {"source": "x", "workspace": workspace_name}),
        ("/api/v1/files/url", {"path": "x", "method": "PUT", "workspace": workspace_name}),
    ):
        assert post(engine, path, document)[0] in (400, 403)
    assert sorted(engine.workspace.iterdir()) == before


def test_nothing_secret_stands_in_a_command_line_a_log_or_a_plugin_s_environment(
    start_engine: StartEngine, play: Play
) -> None:
    engine = start_engine("--tls", "--debug", env={"IMJOY_ENGINE_TOKEN": "a-token-of-this-very-test"})
    state = json.loads((engine.workspace / ".imjoy" / "engine.json").read_text())
    key = (engine.workspace / ".imjoy" / "tls" / "key.pem").read_text().splitlines()[1]
    from imjoy_engine.terminal.client import EngineClient

    client = EngineClient(engine.url, engine.token, state["certificate"])

    async def scenario() -> tuple[dict[str, str], str]:
        from .conftest import plugin_source

        plugin = await client.start_plugin(source=plugin_source(SPY), file="spy.imjoy.html")
        async with await client.connect(plugin["id"], {}) as connection:
            found = await connection.call("secrets")
            processes = [psutil.Process(engine.process.pid)]
            processes += processes[0].children(recursive=True)
            lines = "\n".join(" ".join(each.cmdline()) for each in processes)
            worker = "\n".join(f"{name}={value}" for name, value in processes[-1].environ().items())
            return found, lines + "\n" + worker.replace(found["spent"], "")

    found, seen = play(scenario())
    secrets = [engine.token, state["secret"], key, found["client"]]
    for secret in secrets:
        assert secret not in seen
    logged = "".join(path.read_text() for path in (engine.workspace / ".imjoy" / "logs").iterdir())
    for secret in [*secrets, found["spent"]]:
        assert secret not in logged


def test_a_report_for_others_holds_nothing_secret(start_engine: StartEngine, tmp_path: Path) -> None:
    engine = start_engine("--tls", env={"IMJOY_ENGINE_TOKEN": "a-token-of-this-very-test"})
    private = engine.workspace / ".imjoy"
    report = tmp_path / "report.md"
    subprocess.run(
        [
            *(sys.executable, "-m", "imjoy", "doctor", "--report", str(report)),
            *("--only", "engine", "--only", "port", "--only", "remote", "--workspace", str(engine.workspace)),
        ],
        env={**os.environ, "HTTPS_PROXY": "http://user:hunter2@127.0.0.1:1"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    text = report.read_text()
    secrets = [engine.token, json.loads((private / "engine.json").read_text())["secret"], "hunter2"]
    secrets += (private / "tls" / "key.pem").read_text().splitlines()[1:-1]
    assert "engine.state" in text
    for secret in secrets:
        assert secret not in text
