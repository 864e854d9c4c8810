"""Who may connect: every way into a running engine is tried."""

from __future__ import annotations

import asyncio
import http.client
import json
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
import websockets
from websockets.asyncio.client import connect

from imjoy_engine.auth import proof
from imjoy_engine.worker.transport.wire import frames

from .conftest import RunningEngine, StartEngine
from .knocking import ask, error_id

Play = Callable[[Any], Any]
ROUTES = (
    ("GET", "/api/v1/status"),
    ("POST", "/api/v1/stop"),
    ("POST", "/api/v1/restart"),
    ("GET", "/api/v1/log"),
    ("POST", "/api/v1/doctor"),
    ("GET", "/api/v1/autostart"),
    ("PUT", "/api/v1/autostart"),
    ("GET", "/api/v1/upgrade"),
    ("POST", "/api/v1/upgrade"),
    ("GET", "/api/v1/upgrade/outcome"),
    ("GET", "/api/v1/watch"),
    ("GET", "/api/v1/plugins"),
    ("POST", "/api/v1/plugins"),
    ("GET", "/api/v1/plugins/1"),
    ("DELETE", "/api/v1/plugins/1"),
    ("GET", "/api/v1/plugins/1/events"),
    ("GET", "/api/v1/plugins/1/rpc"),
    ("GET", "/api/v1/workspaces"),
    ("GET", "/api/v1/workspaces/default"),
    ("PUT", "/api/v1/workspaces/w"),
    ("DELETE", "/api/v1/workspaces/default"),
    ("POST", "/api/v1/workspaces/default/rename"),
    ("GET", "/api/v1/workspaces/default/layout"),
    ("GET", "/api/v1/files"),
    ("PUT", "/api/v1/files"),
    ("DELETE", "/api/v1/files"),
    ("POST", "/api/v1/files/url"),
    ("GET", "/api/v1/no-such-thing"),
)
MALFORMED: tuple[object, ...] = ([], "text", {}, {"type": 1}, {"type": "method"}, {"type": "no-such-thing"})


@pytest.fixture
def engine(unshaken_engine: RunningEngine) -> RunningEngine:
    """Return the engine that this file's tests share: none of them may disturb it."""
    return unshaken_engine


@pytest.fixture
def own_engine(start_engine: StartEngine) -> RunningEngine:
    """Return an engine that remembers wrong tokens, or is talked to in ways that it may write down, of one test."""
    return start_engine()


def test_health_needs_no_token_and_says_only_that_it_lives(engine: RunningEngine) -> None:
    status, _, body = ask(engine, "/healthz", token=None)
    assert (status, json.loads(body)) == (200, {"alive": True})


def test_everything_else_needs_the_token(own_engine: RunningEngine) -> None:
    # Who comes without it waits longer each time: all are asked at once.
    with ThreadPoolExecutor(len(ROUTES)) as pool:
        answers = list(pool.map(lambda route: ask(own_engine, route[1], route[0], token=None), ROUTES))
    found = {
        route: (status, error_id(body)) for route, (status, _, body) in zip(ROUTES, answers, strict=True)
    }
    assert found == dict.fromkeys(ROUTES, (401, "auth.token"))


def test_a_wrong_token_is_refused(own_engine: RunningEngine) -> None:
    right = own_engine.token
    for wrong in ("", right[:-1], right + "x", "x" * len(right)):
        status, _, body = ask(own_engine, token=wrong)
        assert (status, error_id(body)) == (401, "auth.token"), wrong
        assert right.encode() not in body


def test_wrong_tokens_are_slowed_down_and_never_stop_the_engine_or_the_right_one(
    own_engine: RunningEngine,
) -> None:
    took = []
    for _ in range(4):
        before = time.monotonic()
        assert ask(own_engine, token="wrong-token-of-a-stranger")[0] == 401
        took.append(time.monotonic() - before)
    assert took[0] >= 0.1
    assert took[3] >= 0.8
    before = time.monotonic()
    assert ask(own_engine)[0] == 200
    assert time.monotonic() - before < took[3]
    assert "wrong-token-of-a-stranger" not in own_engine.log()
    assert own_engine.token not in own_engine.log()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "169.254.1.1", ""]
)
def test_a_foreign_host_name_is_refused_with_the_right_token_too(engine: RunningEngine, host: str) -> None:
    for path in ("/", "/healthz", "/api/v1/status", "/api/v1/plugins/1/rpc"):
        status, _, body = ask(engine, path, Host=host)
        assert (status, error_id(body)) == (403, "auth.host")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_the_names_of_this_machine_are_accepted(engine: RunningEngine, host: str) -> None:
    assert ask(engine, Host=f"{host}:{urlsplit(engine.url).port}")[0] == 200


def test_a_host_name_can_be_allowed(start_engine: StartEngine) -> None:
    engine = start_engine("--allow-host", "lab.example")
    assert ask(engine, Host="lab.example:8080")[0] == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://imjoy.io",
        "https://imjoy.io.evil.example",
        "https://notimjoy.io",
        "file://",
    ],
)
def test_a_page_of_a_foreign_origin_is_refused(engine: RunningEngine, origin: str) -> None:
    status, headers, body = ask(engine, Origin=origin)
    assert (status, error_id(body)) == (403, "auth.origin")
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("origin", ["https://imjoy.io", "https://app.imjoy.io", "own"])
def test_pages_of_ours_may_read_the_answer(engine: RunningEngine, origin: str) -> None:
    origin = engine.url if origin == "own" else origin
    status, headers, _ = ask(engine, Origin=origin)
    assert (status, headers["access-control-allow-origin"]) == (200, origin)
    assert "access-control-allow-credentials" not in headers


def test_an_origin_can_be_allowed(start_engine: StartEngine) -> None:
    engine = start_engine("--allow-origin", "http://127.0.0.1:9000")
    assert ask(engine, Origin="http://127.0.0.1:9000")[0] == 200
    assert ask(engine, Origin="http://127.0.0.1:9001")[0] == 403


def test_a_preflight_is_answered_without_the_token(engine: RunningEngine) -> None:
    status, headers, _ = ask(
        engine,
        "/api/v1/plugins",
        "OPTIONS",
        None,
        Origin="https://imjoy.io",
        Access_Control_Request_Method="POST",
    )
    assert status == 204
    assert "Authorization" in headers["access-control-allow-headers"]
    assert headers["access-control-allow-private-network"] == "true"


def test_no_page_of_a_stranger_opens_a_socket(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        url = engine.url.replace("http", "ws") + "/api/v1/plugins/1/rpc"
        headers = {"Authorization": f"Bearer {engine.token}", "Origin": "https://evil.example"}
        with pytest.raises(websockets.InvalidStatus) as caught:
            await connect(url, additional_headers=headers, proxy=None)
        assert caught.value.response.status_code == 403

    play(scenario())


def test_a_browser_brings_the_token_as_a_subprotocol(engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        plugin = await engine.start("api.export({})")
        url = engine.url.replace("http", "ws") + f"/api/v1/plugins/{plugin['id']}/rpc"
        with pytest.raises(websockets.InvalidStatus) as caught:
            await connect(url, subprotocols=["imjoy.v1", "bearer.wrong-token-of-a-stranger"], proxy=None)  # type: ignore[list-item]
        assert caught.value.response.status_code == 401
        socket = await connect(url, subprotocols=["imjoy.v1", f"bearer.{engine.token}"], proxy=None)  # type: ignore[list-item]
        assert socket.subprotocol == "imjoy.v1"
        await socket.close()

    play(scenario())


def test_the_engine_proves_that_it_wrote_the_state_file(engine: RunningEngine) -> None:
    state_file = engine.workspace / ".imjoy" / "engine.json"
    state = json.loads(state_file.read_text(encoding="utf-8"))
    status, _, body = ask(engine, "/api/v1/prove?nonce=0123456789abcdef", token=None)
    answer = json.loads(body)
    assert status == 200
    assert answer["instance"] == state["instance"]
    assert answer["proof"] == proof(state["secret"], "0123456789abcdef", state["instance"])
    assert state["secret"] not in body.decode()
    assert ask(engine, "/api/v1/prove?nonce=x", token=None)[0] == 400


def test_what_is_secret_is_for_its_owner_only(engine: RunningEngine) -> None:
    private = engine.workspace / ".imjoy"
    for path in (private / "token", private / "engine.json", private / "logs" / "engine.log"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_an_answer_names_no_other_sites_and_no_server_secrets(engine: RunningEngine) -> None:
    _, headers, body = ask(engine)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert engine.token.encode() not in body


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"source": 1}', b'{"source": "", "workspace": "../.."}', b"\xff"]
)
def test_a_malformed_request_is_one_clear_error(engine: RunningEngine, body: bytes) -> None:
    parts = urlsplit(engine.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    connection.request("POST", "/api/v1/plugins", body, {"Authorization": f"Bearer {engine.token}"})
    answer = connection.getresponse()
    error = json.loads(answer.read())["error"]
    connection.close()
    assert answer.status in {400, 422}
    assert error["id"] in {"request.invalid", "plugin.no-config"}
    assert error["what"]


def test_the_description_names_every_route(engine: RunningEngine) -> None:
    status, _, body = ask(engine, "/api/v1/openapi.json", token=None)
    paths = json.loads(body)["paths"]
    assert status == 200
    assert {"/healthz", "/api/v1/plugins/{id}/events", "/api/v1/status"} <= set(paths)


def test_a_text_frame_and_a_frame_without_flag_close_the_socket(engine: RunningEngine, play: Play) -> None:
    async def scenario(frame: str | bytes) -> int:
        plugin = await engine.start("api.export({})")
        url = engine.url.replace("http", "ws") + f"/api/v1/plugins/{plugin['id']}/rpc"
        async with connect(
            url, additional_headers={"Authorization": f"Bearer {engine.token}"}, proxy=None, max_size=None
        ) as socket:
            await socket.recv()
            await socket.send(frame)
            with pytest.raises(websockets.ConnectionClosed) as caught:
                while True:
                    await asyncio.wait_for(socket.recv(), 20)
            return caught.value.rcvd.code if caught.value.rcvd else 0

    assert play(scenario("text")) == 1008
    assert play(scenario(b"")) == 1008
    assert play(scenario(b"\x07something")) == 1008


def test_a_malformed_message_disturbs_no_other_client(own_engine: RunningEngine, play: Play) -> None:
    async def scenario() -> None:
        flags = ["single-instance"]
        script = "api.export({'ping': lambda: 'pong'})"
        plugin = await own_engine.start(script, client="one", flags=flags)
        url = own_engine.url.replace("http", "ws") + f"/api/v1/plugins/{plugin['id']}/rpc"
        headers = {"Authorization": f"Bearer {own_engine.token}"}
        async with await own_engine.client.connect(plugin["id"], {}) as good:
            for message in MALFORMED:
                async with connect(url, additional_headers=headers, proxy=None) as bad:
                    await bad.recv()
                    for frame in frames(message):
                        await bad.send(frame)
                    assert await good.call("ping") == "pong", message
                assert await good.call("ping") == "pong", message

    play(scenario())
