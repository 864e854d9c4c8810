"""Plugin files that were made to keep the engine busy: it answers everybody else while it reads them."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from asyncio import Handle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from imjoy.model.errors import ImJoyError
from imjoy_engine.plugins import reading
from imjoy_engine.plugins.reading import THREAD_BYTES, PluginReader, read_body
from imjoy_engine.web.bodies import MAX_BODY_BYTES, read_pieces

NOWHERE = Path("no", "environments")
MIB = 1 << 20
MAX_STEP_SECONDS = 0.05


def source(config: str, lang: str = "json", script: str = "x = 1") -> bytes:
    return json.dumps(
        {"source": f'<config lang="{lang}">{config}</config><script lang="python">{script}</script>'}
    ).encode()


def with_field(**fields: object) -> bytes:
    return source(json.dumps({"name": "P", "type": "native-python", **fields}))


def handed_over(**fields: object) -> bytes:
    """Return a config that an app has parsed."""
    config = {"name": "P", "type": "native-python", **fields}
    return json.dumps({"config": config, "script": "x = 1"}).encode()


def pieces_of(body: bytes) -> list[bytes]:
    """Return ``body`` as it comes from a socket."""
    return [body[at : at + 100_000] for at in range(0, len(body), 100_000)]


YAML = "name: P\ntype: native-python\nx: "
HOSTILE: dict[str, Callable[[], bytes]] = {
    "cmd": lambda: with_field(cmd="A=" + "'x'" * 350_000),
    "yaml": lambda: source(YAML + "[" + "a, " * 20_000 + "]", "yaml"),
    "short yaml": lambda: source(YAML + "[" + "a, " * 8_000 + "]", "yaml"),
    "base of 60": lambda: source(YAML + "1" + ":1" * 15_000, "yaml"),
    "spaces": lambda: with_field(requirements=["a" + " " * 200_000 + "!"]),
    "objects": lambda: b'{"config": [' + b"{}," * MIB + b"0]}",
    "blocks": lambda: json.dumps({"source": "<a>" * 200_000}).encode(),
    "script": lambda: source(
        json.dumps({"name": "P", "type": "native-python"}), script="x = 1\n" * (MIB // 2)
    ),
    "a long text beside the fields": lambda: handed_over(x="a" * (60 * MIB)),
    "many texts beside the fields": lambda: handed_over(x=["a" * 100_000] * 100),
    "nonsense": lambda: b"x" * (60 * MIB),
}
"""Made when they are used: together they are 140 MB, and every process of a run imports this module."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What each step of a loop cost the processor, as other processes have their share of the time."""
    seconds: list[float] = []
    run = Handle._run

    def timed(handle: Handle) -> None:
        begin = time.thread_time()
        run(handle)
        seconds.append(time.thread_time() - begin)

    monkeypatch.setattr(Handle, "_run", timed)
    return seconds


@pytest.mark.parametrize("name", HOSTILE)
def test_no_step_of_the_loop_takes_long_while_a_file_is_read(steps: list[float], name: str) -> None:
    pieces = pieces_of(HOSTILE[name]())

    async def read() -> None:
        try:
            await PluginReader(NOWHERE).read(pieces)
        except ImJoyError as error:
            assert error.id.startswith(("plugin.", "env.", "request."))

    asyncio.run(read())
    assert max(steps) < MAX_STEP_SECONDS


def test_no_step_of_the_loop_takes_long_while_a_body_comes(steps: list[float]) -> None:
    body = bytes(MAX_BODY_BYTES)
    taken: list[int] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(sum(map(len, await read_pieces(request, MAX_BODY_BYTES))))
        return web.Response()

    def send(address: tuple[str, int]) -> list[int]:
        codes = []
        for content in (body, body + b"x"):
            connection = http.client.HTTPConnection(*address, timeout=60)
            connection.request("POST", "/", content)
            codes.append(connection.getresponse().status)
            connection.close()
        return codes

    async def serve_once() -> list[int]:
        app = web.Application()
        app.router.add_post("/", take)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            return await asyncio.to_thread(send, runner.addresses[0])
        finally:
            await runner.cleanup()

    assert asyncio.run(serve_once()) == [200, 413]
    assert taken == [MAX_BODY_BYTES]
    assert max(steps) < MAX_STEP_SECONDS


@pytest.mark.parametrize("fields", [{"x": "a" * (1 << 20)}, {"x": ["a" * 1000] * 1100}, {"x" * (1 << 20): 1}])
def test_a_config_that_was_handed_over_has_the_limit_of_one_in_a_file(fields: dict[str, object]) -> None:
    with pytest.raises(ImJoyError) as caught:
        read_body(handed_over(**fields), NOWHERE)
    assert caught.value.id == "plugin.config-size"


def test_a_file_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READER_SECONDS", 0.01)
    with pytest.raises(ImJoyError) as caught:
        asyncio.run(PluginReader(NOWHERE).read(pieces_of(HOSTILE["objects"]())))
    assert caught.value.id == "plugin.unreadable"


def test_a_large_plugin_is_read_as_a_small_one_is() -> None:
    async def both() -> tuple[Any, Any]:
        reader = PluginReader(NOWHERE)
        fields = {"requirements": ["scipy"], "tags": ["a"], "env": "conda create -n x python=3.9"}
        small = source(json.dumps({"name": "P", "type": "native-python", **fields}))
        large = small.replace(b"x = 1", b"#" * THREAD_BYTES)
        assert len(small) < THREAD_BYTES < len(large)
        return await reader.read(pieces_of(small)), await reader.read(pieces_of(large))

    small, large = asyncio.run(both())
    assert large.manifest == small.manifest
    assert large.environment == small.environment
    assert large.script.text == "#" * THREAD_BYTES
