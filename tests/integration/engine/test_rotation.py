"""A token that is replaced while the engine runs: the new one is taken at once, the old one opens nothing any more."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import aiohttp
import pytest

from imjoy.engines.running import read_state, rotate_token
from imjoy.model.errors import ImJoyError
from imjoy.model.layout import Layout
from imjoy_engine.auth import proof, renewal_proof

from .conftest import RunningEngine
from .knocking import ask

NAPPER = """
from imjoy_rpc import api
import time


class Napper:
    def setup(self):
        pass

    def nap(self):
        time.sleep(60)


api.export(Napper())
"""
DROPPED_SECONDS = 10  # it is to be one; a loaded machine gets more

Play = Callable[[Awaitable[Any]], Any]


def layout_of(engine: RunningEngine) -> Layout:
    return Layout(engine.workspace.parent / "prefix", engine.workspace)


def rotate(engine: RunningEngine) -> tuple[str, str]:
    """Replace the token as the command does; return the old one and the new one."""
    old = engine.token
    result = rotate_token(layout_of(engine))
    assert not result.restart_needed
    return old, result.token


def test_the_new_token_opens_and_the_old_one_does_not_any_more(engine: RunningEngine) -> None:
    old, new = rotate(engine)
    assert ask(engine, token=new)[0] == 200
    assert ask(engine, token=old)[0] == 401


def test_a_socket_that_came_with_the_old_token_is_closed_with_the_reason(
    engine: RunningEngine, play: Play
) -> None:
    async def scenario() -> None:
        connection = await engine.open(NAPPER, name="Napper")
        call = asyncio.ensure_future(connection.call("nap"))
        await asyncio.sleep(0)
        begin = time.monotonic()
        await asyncio.to_thread(rotate, engine)
        with pytest.raises(ImJoyError) as caught:
            await call
        assert caught.value.id == "auth.token"
        assert "replaced" in caught.value.what
        assert time.monotonic() - begin < DROPPED_SECONDS
        # The command that comes next has the new token, and finds an engine that works.
        async with await engine.open(NAPPER, name="Next"):
            pass

    play(scenario())


def test_one_who_watches_the_engine_hears_of_it_at_once_and_of_its_stop(
    engine: RunningEngine, play: Play
) -> None:
    async def watch(session: aiohttp.ClientSession) -> Any:
        return await session.ws_connect(
            f"{engine.url}/api/v1/watch", protocols=("imjoy.v1", f"bearer.{engine.token}")
        )

    async def scenario() -> None:
        async with aiohttp.ClientSession() as session:
            socket = await watch(session)
            await asyncio.to_thread(rotate, engine)
            await asyncio.wait_for(socket.receive(), DROPPED_SECONDS)
            assert socket.close_code == 4401
            socket = await watch(session)
            stopping = await session.post(
                f"{engine.url}/api/v1/stop", headers={"Authorization": f"Bearer {engine.token}"}
            )
            assert stopping.status == 202
            await asyncio.wait_for(socket.receive(), DROPPED_SECONDS)
            assert socket.close_code == 1001

    play(scenario())


def test_the_events_that_the_old_token_follows_are_cut_off(engine: RunningEngine, play: Play) -> None:
    plugin = play(engine.start(NAPPER, name="Followed", flags=["allow-detach"]))
    connection = http.client.HTTPConnection(urlsplit(engine.url).netloc, timeout=DROPPED_SECONDS)
    connection.request(
        "GET", f"/api/v1/plugins/{plugin['id']}/events", headers={"Authorization": f"Bearer {engine.token}"}
    )
    answer = connection.getresponse()
    assert answer.readline().startswith(b"id:")
    rotate(engine)
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        answer.read()
    connection.close()


def test_events_come_over_a_socket_too_from_any_one_on_until_the_token_is_replaced(
    engine: RunningEngine, play: Play
) -> None:
    plugin = play(engine.start(NAPPER, name="Followed", flags=["allow-detach"]))

    async def follow(session: aiohttp.ClientSession, query: str = "") -> Any:
        url = f"{engine.url}/api/v1/plugins/{plugin['id']}/events{query}"
        return await session.ws_connect(url, protocols=("imjoy.v1", f"bearer.{engine.token}"))

    async def scenario() -> None:
        async with aiohttp.ClientSession() as session:
            socket = await follow(session)
            first, second = await socket.receive_json(), await socket.receive_json()
            assert first["type"] == "state"
            assert first["data"]["state"] == "queued"
            later = await follow(session, f"?after={first['id']}")
            assert await later.receive_json() == second
            await asyncio.to_thread(rotate, engine)
            while not socket.closed:
                await asyncio.wait_for(socket.receive(), DROPPED_SECONDS)
            assert socket.close_code == 4401

    play(scenario())


def test_urls_and_codes_of_the_old_token_are_void(engine: RunningEngine) -> None:
    folder = engine.workspace / "default"
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_text("a")
    wanted = json.dumps({"path": "a.txt", "workspace": "default", "method": "GET"}).encode()
    signed = json.loads(ask(engine, "/api/v1/files/url", "POST", body=wanted)[2])["url"]
    path = urlsplit(signed).path
    assert ask(engine, path, token=None)[0] == 200
    code = json.loads(ask(engine, "/api/v1/codes", "POST")[2])["code"]
    rotate(engine)
    assert ask(engine, path, token=None)[0] == 403
    assert ask(engine, "/api/v1/codes/redeem", "POST", token=code)[0] == 403


def test_a_token_that_was_written_by_hand_is_taken_when_it_is_first_shown(engine: RunningEngine) -> None:
    old = engine.token
    layout_of(engine).token_file.write_text("a-token-of-my-own-making\n")
    assert ask(engine, token="a-token-of-my-own-making")[0] == 200
    assert ask(engine, token=old)[0] == 401


def test_a_token_file_that_was_spoiled_leaves_the_token_as_it_was(engine: RunningEngine) -> None:
    old = engine.token
    layout_of(engine).token_file.write_text("short\n")
    assert ask(engine, token="short")[0] == 401
    assert ask(engine, token=old)[0] == 200


def test_only_one_who_reads_the_state_file_may_have_the_token_renewed(engine: RunningEngine) -> None:
    state = read_state(layout_of(engine))
    assert state is not None
    # What /prove makes for anybody is not enough, nor is the token.
    for shown in ("", engine.token, proof(state.secret, "0" * 16, state.instance)):
        assert ask(engine, "/api/v1/token/renew", "POST", token=shown)[0] == 403
    request = Request(f"{engine.url}/api/v1/token/renew", method="POST")
    request.add_header("Authorization", f"Bearer {renewal_proof(state.secret, state.instance)}")
    with urlopen(request, timeout=DROPPED_SECONDS) as answer:
        assert json.load(answer) == {"renewed": False}
