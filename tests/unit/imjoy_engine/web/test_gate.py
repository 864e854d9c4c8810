"""Who may connect, decision by decision: each of these was once the other way round and no test noticed."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.http import WSMessage, WSMsgType
from multidict import CIMultiDict

from imjoy.model.errors import ImJoyError
from imjoy_engine.auth import Gate, ensure_token
from imjoy_engine.launchers import WorkerSpec
from imjoy_engine.plugins.lifecycle import Plugin
from imjoy_engine.plugins.reading import read_body
from imjoy_engine.web.context import CONTEXT
from imjoy_engine.web.guard import _check_form, delay_refusal, guard, needs_token
from imjoy_engine.web.relay import pass_frames
from imjoy_engine.web.routes.plugins import _worker_plugin
from imjoy_engine.worker.transport.wire import MAX_BUFFERS, Assembler, WireError

TOKEN = "t" * 43
GATE = Gate(TOKEN, "127.0.0.1")


@pytest.mark.parametrize(
    "host", ["x.localhost:8080", "localhost.x:8080", "xlocalhost", "127.0.0.1.x:8080", "x.127.0.0.1"]
)
def test_no_name_that_only_holds_one_of_loopback_is_ours(host: str) -> None:
    assert not GATE.is_own_host(host, "127.0.0.1")


def test_a_page_of_the_same_host_on_another_port_is_a_stranger_s() -> None:
    assert GATE.origin_is_allowed("http://127.0.0.1:8080", "127.0.0.1:8080")
    for origin in ("http://127.0.0.1:9000", "http://127.0.0.1", "http://127.0.0.1:80", "ws://127.0.0.1:8080"):
        assert not GATE.origin_is_allowed(origin, "127.0.0.1:8080")


@pytest.mark.parametrize("name", ["Host", "Origin", "Authorization"])
def test_a_header_that_decides_comes_once(name: str) -> None:
    once = CIMultiDict([(name, "a")])
    _check_form(cast("web.Request", SimpleNamespace(headers=once)))
    with pytest.raises(ImJoyError) as caught:
        _check_form(
            cast("web.Request", SimpleNamespace(headers=CIMultiDict([(name, "a"), (name.lower(), "a")])))
        )
    assert caught.value.id == "request.invalid"


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610, 0o601])
def test_a_token_that_anybody_else_could_read_is_narrowed(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(mode)
    assert ensure_token(path, None) == (TOKEN, False)
    assert path.stat().st_mode & 0o777 == 0o600


class Registry:
    def __init__(self, plugin: object) -> None:
        self._plugin = plugin

    def get(self, plugin_id: str) -> object:
        if plugin_id != "known":
            raise ImJoyError("plugin.not-found", "There is no such plugin.")
        return self._plugin


@pytest.mark.parametrize(
    ("plugin_id", "given", "final", "is_let_in"),
    [
        ("known", "the-secret", False, True),
        ("known", "the-secret", True, False),
        ("known", "another", False, False),
        ("unknown", "?", False, False),
    ],
)
def test_the_worker_of_a_running_plugin_is_let_in_and_nobody_else(
    plugin_id: str, given: str, final: bool, is_let_in: bool
) -> None:
    plugin = SimpleNamespace(final=final, secret="the-secret")
    request: Any = SimpleNamespace(
        app={CONTEXT: SimpleNamespace(registry=Registry(plugin))},
        headers={"Authorization": f"Bearer {given}"},
        match_info={"id": plugin_id},
    )
    if is_let_in:
        assert _worker_plugin(request, lambda plugin: cast("Any", plugin).secret) is cast("Any", plugin)
    else:
        with pytest.raises(ImJoyError) as caught:
            _worker_plugin(request, lambda plugin: cast("Any", plugin).secret)
        assert caught.value.id == "auth.worker"


class Taker:
    def __init__(self) -> None:
        self.taken = 0

    async def send_bytes(self, data: bytes) -> None:
        self.taken += 1


@pytest.mark.parametrize(
    ("frames", "passed", "code"),
    [
        ([b"\x00" + b"x" * 60] * 5, 5, 1000),
        ([b"\x01" + b"x" * 40, b"\x00" + b"x" * 60, b"\x00" + b"x" * 100], 3, 1000),
        ([b"\x01" + b"x" * 40, b"\x00" + b"x" * 61], 1, 1009),
        ([b"\x00" + b"x" * 101], 0, 1009),
    ],
)
def test_the_limit_is_for_one_message_and_not_for_all(frames: list[bytes], passed: int, code: int) -> None:
    coming = iter([*(WSMessage(WSMsgType.BINARY, frame, None) for frame in frames)])

    async def receive() -> WSMessage:
        return next(coming, WSMessage(WSMsgType.CLOSED, None, None))

    taker: Any = Taker()
    assert asyncio.run(pass_frames(receive, taker, 100)).code == code
    assert taker.taken == passed


def test_a_message_has_so_many_buffers_and_no_more() -> None:
    def header(count: int) -> bytes:
        return b"\x01" + (5).to_bytes(4, "little") + count.to_bytes(4, "little")

    assert Assembler().feed(header(MAX_BUFFERS)) is None
    with pytest.raises(WireError, match="buffers"):
        Assembler().feed(header(MAX_BUFFERS + 1))
    assert MAX_BUFFERS == 1 << 16


def test_loopback_s_names_are_ours_on_whichever_address_a_connection_comes_in() -> None:
    gate = Gate(TOKEN, "0.0.0.0")
    for host in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080"):
        assert gate.is_own_host(host, "192.168.1.5")


def test_what_a_plugin_s_cmd_sets_does_not_reach_what_its_worker_connects_with(tmp_path: Path) -> None:
    started: list[WorkerSpec] = []

    class Environments:
        async def ensure(self, spec: object, report: object) -> Path:
            return tmp_path / "python"

    class Starting:
        async def start(self, start: WorkerSpec, ended: object) -> object:
            started.append(start)
            raise OSError("enough was seen")

    config = {
        "name": "P",
        "type": "native-python",
        "cmd": "IMJOY_WORKER_URL=ws://evil IMJOY_WORKER_SECRET=mine MINE=1 python -u",
    }
    body = json.dumps({"config": config, "script": "x = 1"}).encode()
    context: Any = SimpleNamespace(
        url="http://127.0.0.1:1",
        worker_url="http://127.0.0.1:2",
        workspace=tmp_path,
        environments=Environments(),
        existing_environments=tmp_path / "existing",
        launcher=Starting(),
        scratch=tmp_path / "scratch",
        cluster=None,
        force_quit_timeout=1.0,
    )

    async def begin() -> Plugin:
        plugin = Plugin(read_body(body, tmp_path / "existing"), context)
        plugin.begin()
        await asyncio.wait_for(plugin.ended.wait(), 30)
        return plugin

    plugin = asyncio.run(begin())
    variables = started[0].variables
    assert variables["IMJOY_WORKER_URL"].startswith("ws://127.0.0.1:2/")
    assert variables["IMJOY_WORKER_SECRET"] == plugin.worker_secret
    assert variables["MINE"] == "1"


@pytest.mark.parametrize(
    "path",
    [
        "files",
        "files/url",
        "file",
        "workers",
        "plugins",
        "plugins/x/rpc",
        "status",
        "stop",
        "codes",
        "codes/",
        "proves",
    ],
)
def test_what_is_not_open_by_name_needs_the_token(path: str) -> None:
    assert needs_token(f"/api/v1/{path}")


@pytest.mark.parametrize(
    "path", ["file/signed", "workers/x/control", "codes/redeem", "openapi.json", "prove"]
)
def test_what_has_a_proof_of_its_own_or_nothing_to_hide_needs_no_token(path: str) -> None:
    assert not needs_token(f"/api/v1/{path}")
    assert not needs_token("/healthz")


def asked(host: str, handler: Any, came_in_on: str | None = None, path: str = "/healthz") -> web.Response:
    """Return the answer to a request that comes through the guard of an engine that listens everywhere."""
    seen = SimpleNamespace(host=host, address="127.0.0.1")
    proxies = SimpleNamespace(seen=lambda request: seen, inner=lambda path: path)
    transport = SimpleNamespace(
        get_extra_info=lambda name: (came_in_on, 8080) if name == "sockname" else None
    )
    request: Any = SimpleNamespace(
        headers=CIMultiDict(),
        app={CONTEXT: SimpleNamespace(gate=Gate(TOKEN, "0.0.0.0"), proxies=proxies)},
        transport=transport if came_in_on else None,
        method="GET",
        path="/healthz",
    )
    answer = asyncio.run(guard(request, handler))
    assert isinstance(answer, web.Response)
    return answer


async def well(request: web.Request) -> web.StreamResponse:
    return web.Response(text="well")


def test_the_address_that_a_request_came_in_on_is_ours_and_no_other() -> None:
    assert asked("192.168.1.5:8080", well, "192.168.1.5").status == 200
    assert asked("192.168.1.6:8080", well, "192.168.1.5").status == 403
    assert asked("192.168.1.5:8080", well).status == 403


def test_a_bug_of_ours_is_told_by_its_kind_and_not_by_what_it_holds() -> None:
    async def fail(request: web.Request) -> web.StreamResponse:
        raise ValueError("the secret")

    answer = asked("127.0.0.1:8080", fail)
    assert answer.status == 500
    assert "ValueError" in str(answer.text)
    assert "the secret" not in str(answer.text)


def test_what_is_wrong_is_answered_late_and_later_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    proxies = SimpleNamespace(seen=lambda request: SimpleNamespace(address="10.0.0.1"))
    context = SimpleNamespace(gate=Gate(TOKEN, "127.0.0.1"), proxies=proxies)
    request: Any = SimpleNamespace(app={CONTEXT: context})

    async def fail() -> None:
        for _ in range(3):
            await delay_refusal(request, "token")

    monkeypatch.setattr("imjoy_engine.web.guard.asyncio.sleep", sleep)
    asyncio.run(fail())
    assert slept == [0.1, 0.2, 0.4]
