"""Requests that are malformed, oversized, compressed, slow or guess, at a running engine."""

from __future__ import annotations

import asyncio
import gzip
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
import websockets
from websockets.asyncio.client import connect

from imjoy_engine.server import IDLE_SECONDS

from .conftest import RunningEngine, StartEngine
from .knocking import (
    MIB,
    SECONDS,
    another_address,
    ask,
    bearer,
    error_id,
    memory,
    post,
    raw,
    request,
    rpc_url,
    status_of,
)

Play = Callable[[Any], Any]
ECHO = "api.export({'echo': lambda value: value})"


@pytest.fixture
def engine(unshaken_engine: RunningEngine) -> RunningEngine:
    """Return the engine that these tests share."""
    return unshaken_engine


@pytest.mark.parametrize(
    "host",
    [
        "evil@127.0.0.1",
        "127.0.0.1/x",
        "127.0.0.1?x",
        "127.0.0.1#x",
        "127.0.0.1,evil.example",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "0.0.0.0",
        "localhost.",
        "127.0.0.1:80:80",
        "\udcff",
    ],
)
def test_no_other_way_to_write_a_host_gets_in(engine: RunningEngine, host: str) -> None:
    assert status_of(raw(engine, request(engine, host=host))) in (400, 403)


def test_a_request_without_a_host_or_with_two_is_refused(engine: RunningEngine) -> None:
    host = urlsplit(engine.url).netloc
    right = f"Authorization: Bearer {engine.token}\r\n\r\n"
    for head in ("GET /api/v1/status HTTP/1.1\r\n", "GET /api/v1/status HTTP/1.0\r\n"):
        assert status_of(raw(engine, (head + right).encode())) in (400, 403)
    assert status_of(raw(engine, request(engine, f"Host: {host}"))) == 400
    assert status_of(raw(engine, request(engine, "Host: evil.example"))) == 400


def test_a_request_with_two_origins_or_an_empty_one_is_refused(engine: RunningEngine) -> None:
    assert (
        status_of(raw(engine, request(engine, "Origin: https://imjoy.io", "Origin: https://evil.example")))
        == 400
    )
    assert status_of(raw(engine, request(engine, "Origin:"))) == 403
    assert status_of(raw(engine, request(engine, "Origin: https://imjoy.io:bad"))) == 403


def test_a_socket_from_no_page_at_all_needs_the_token_and_one_of_null_is_refused(
    engine: RunningEngine, play: Play
) -> None:
    async def scenario() -> None:
        plugin = await engine.start(ECHO)
        url = rpc_url(engine, plugin)
        for headers, status in (
            ({}, 401),
            ({**bearer(engine), "Origin": "null"}, 403),
            ({**bearer(engine), "Origin": ""}, 403),
        ):
            with pytest.raises(websockets.InvalidStatus) as caught:
                await connect(url, additional_headers=headers, proxy=None)
            assert caught.value.response.status_code == status
        await (await connect(url, additional_headers=bearer(engine), proxy=None)).close()

    play(scenario())


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -1"],
        ["Transfer-Encoding: chunked, identity"],
        ["X-Folded: a", " b"],
        ["X-Nul: a\0b"],
        ["X Space: a"],
        ["X-Long: " + "x" * 9000],
        [f"X-{number}: x" for number in range(200)],
    ],
    ids=[
        "two lengths of two kinds",
        "two lengths",
        "negative",
        "encoding",
        "folded",
        "nul",
        "space",
        "long",
        "many",
    ],
)
def test_a_head_that_could_be_read_in_two_ways_or_is_too_large_is_refused(
    engine: RunningEngine, lines: list[str]
) -> None:
    answer = raw(engine, request(engine, *lines))
    assert status_of(answer) == 400
    assert engine.token.encode() not in answer


def test_an_endless_address_is_refused(engine: RunningEngine) -> None:
    assert status_of(raw(engine, request(engine, path="/" + "x" * 20_000))) in (400, 414)


def test_what_a_request_says_adds_no_header_and_no_line_to_the_log(engine: RunningEngine) -> None:
    forged = '%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0a{"level":%20"forged"}%0a%1b[2J%00'
    lines_before = len(engine.log().splitlines())
    answer = raw(engine, request(engine, path=f"/api/v1/plugins/{forged}"))
    assert status_of(answer) == 404
    assert b"set-cookie" not in answer.lower().split(b"\r\n\r\n")[0]
    for header in ("Origin", "X-Forwarded-For", "User-Agent", "Last-Event-ID"):
        raw(engine, request(engine, f"{header}: \x1b[2J https://evil.example"))
    added = engine.log().splitlines()[lines_before:]
    assert added
    for line in added:
        assert json.loads(line)["level"] in ("info", "warning")
        assert "\x1b" not in line


def test_the_log_on_a_terminal_spells_out_what_would_move_its_cursor(engine: RunningEngine) -> None:
    raw(engine, request(engine, path="/api/v1/plugins/%1b[2J%0aforged"))
    shown = subprocess.run(
        [sys.executable, "-m", "imjoy", "logs", "--workspace", str(engine.workspace)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    ).stdout
    assert "\\x1b[2J" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    "path", ["/?token=%3Cscript%3Ealert(1)%3C/script%3E", "/%3Cscript%3Ealert(1)%3C/script%3E"]
)
def test_no_page_shows_what_the_address_says(engine: RunningEngine, path: str) -> None:
    answer = raw(engine, request(engine, path=path))
    assert b"<script>alert" not in answer
    assert b"alert(1)" not in answer


def test_every_answer_carries_its_policies(engine: RunningEngine) -> None:
    folder = engine.workspace / "default"
    folder.mkdir(exist_ok=True)
    (folder / "page.html").write_text("<script>alert(1)</script>")
    signed = json.loads(post(engine, "/api/v1/files/url", {"path": "page.html"})[1])["url"]
    for path, method in [
        ("/", "GET"),
        ("/static/connect.js", "GET"),
        ("/no-such-page", "GET"),
        ("/healthz", "GET"),
        ("/api/v1/status", "GET"),
        ("/api/v1/openapi.json", "GET"),
        ("/api/v1/plugins/1", "GET"),
        ("/api/v1/status", "PUT"),
        ("/api/v1/status", "OPTIONS"),
        (signed.removeprefix(engine.url), "GET"),
    ]:
        _, headers, _ = ask(engine, path, method)
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["referrer-policy"] == "no-referrer", path
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy or policy.startswith("sandbox "), path
        assert "frame-ancestors" in policy or policy.startswith("sandbox "), path
        if path.startswith(("/api/v1/plugins", "/api/v1/status", "/api/v1/openapi", "/healthz")):
            assert "frame-ancestors 'none'" in policy, path
        assert headers["cache-control"] in ("no-store", "no-cache", "private, no-cache"), path
        assert "aiohttp" not in str(headers) and "Python" not in str(headers), path


def test_a_body_over_the_limit_is_refused_and_not_held(engine: RunningEngine) -> None:
    idle = memory(engine)
    size = 65 * MIB
    head = request(engine, f"Content-Length: {size}", path="/api/v1/plugins").replace(b"GET", b"POST", 1)
    assert status_of(raw(engine, head + bytes(size))) == 413
    assert ask(engine)[0] == 200
    # What was read is given back to the allocator, which may keep it.
    assert memory(engine) - idle < 3 * size


def test_no_page_of_a_stranger_may_read_even_the_refusal(engine: RunningEngine) -> None:
    def head(origin: str) -> bytes:
        return (
            raw(engine, request(engine, f"Origin: {origin}", path="/healthz"))
            .partition(b"\r\n\r\n")[0]
            .lower()
        )

    assert b"\r\naccess-control-allow-origin: https://imjoy.io" in head("https://imjoy.io")
    refused = head("https://imjoy.io.example")
    assert b" 403 " in refused.splitlines()[0]
    assert b"access-control-" not in refused


def test_only_a_plugin_may_be_a_large_document(engine: RunningEngine) -> None:
    assert post(engine, "/api/v1/files/url", {"path": "a", "method": "PUT", "more": "x" * 60_000})[0] == 200
    assert post(engine, "/api/v1/files/url", {"path": "a", "more": "x" * 70_000})[0] == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
@pytest.mark.parametrize("target", ["POST /api/v1/plugins", "PUT /api/v1/files?path=bomb"])
def test_what_is_compressed_is_not_unpacked(engine: RunningEngine, encoding: str, target: str) -> None:
    bomb = gzip.compress(bytes(20 * MIB))
    method, path = target.split()
    lines = [f"Content-Encoding: {encoding}", f"Content-Length: {len(bomb)}"]
    idle = memory(engine)
    answer = raw(engine, request(engine, *lines, path=path).replace(b"GET", method.encode(), 1) + bomb)
    assert status_of(answer) == 415
    assert memory(engine) - idle < 10 * MIB
    assert not (engine.workspace / "default" / "bomb").exists()


def test_a_plugin_file_that_grows_when_it_is_read_is_refused(engine: RunningEngine) -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))
    config = f"name: Bomb\ntype: native-python\nversion: '1'\napi_version: 0.1.8\na0: &a0 [lol]\n{levels}"
    idle = memory(engine)
    source = f'<config lang="yaml">\n{config}\n</config>\n<script lang="python">\npass\n</script>\n'
    status, body = post(engine, "/api/v1/plugins", {"source": source})
    assert (status, error_id(body)) == (422, "plugin.config-size")
    assert memory(engine) - idle < 50 * MIB


IDLE_SOCKETS = """
import resource, socket, sys
count, port = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
sockets = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(count)]
for each in sockets[::2]:
    each.sendall(b"GET / HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nX-Slow: ")
print("open", flush=True)
for line in sys.stdin:
    alive = []
    for each in sockets:
        each.setblocking(False)
        try:
            each.send(b"x")
            alive += [each] if each.recv(1, socket.MSG_PEEK) else []
        except BlockingIOError:
            alive.append(each)
        except OSError:
            pass
    sockets = alive
    print(len(sockets), flush=True)
"""


def trickle(intruder: subprocess.Popen[str]) -> int:
    """Have a byte more sent on each socket; return how many are still open."""
    assert intruder.stdin is not None and intruder.stdout is not None
    intruder.stdin.write("trickle\n")
    intruder.stdin.flush()
    return int(intruder.stdout.readline())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ten_thousand_idle_and_trickling_sockets_keep_nobody_waiting_and_are_closed(
    start_engine: StartEngine, play: Play
) -> None:
    wanted, highest = 10_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if highest < wanted + 200:
        pytest.skip(f"this system lets a process have {highest} files open, fewer than {wanted} sockets")
    engine = start_engine()
    idle = memory(engine)
    port = str(urlsplit(engine.url).port)
    with subprocess.Popen(
        [sys.executable, "-c", IDLE_SOCKETS, str(wanted), port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as intruder:
        assert intruder.stdin is not None and intruder.stdout is not None
        assert intruder.stdout.readline() == "open\n"
        before = time.monotonic()
        assert ask(engine)[0] == 200
        assert time.monotonic() - before < 10  # 0.1 where nothing else runs
        assert trickle(intruder) == wanted

        async def scenario() -> None:
            async with await engine.open(ECHO) as plugin:
                assert await plugin.call("echo", 1) == 1

        play(scenario())
        assert memory(engine) - idle < 150 * MIB

        left, deadline = wanted, time.monotonic() + 4 * IDLE_SECONDS
        while left and time.monotonic() < deadline:
            # Bytes that trickle in do not make them live longer.
            left = trickle(intruder)
            time.sleep(1)  # between one drop and the next
        assert left == 0
        intruder.stdin.close()
    assert ask(engine)[0] == 200


def test_a_thousand_wrong_tokens_at_once_stop_nobody(engine: RunningEngine, play: Play) -> None:
    port, source = urlsplit(engine.url).port or 0, another_address()

    async def guess(number: int) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        head = f"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer guess-number-{number}\r\n\r\n"
        writer.write(head.encode())
        status = int((await reader.readline()).split()[1])
        writer.close()
        return status

    async def scenario() -> None:
        guesses = asyncio.gather(*(guess(number) for number in range(1000)))
        before = time.monotonic()
        # The right one comes from the same address and is not made to wait for them.
        answer = await asyncio.to_thread(raw, engine, request(engine), source)
        assert status_of(answer) == 200
        assert not guesses.done()
        assert time.monotonic() - before < 10
        assert set(await guesses) == {401}

    play(scenario())
    assert engine.process.poll() is None
    assert "guess-number" not in engine.log()
    assert engine.token not in engine.log()


@pytest.mark.parametrize(
    "lines",
    [
        ["Authorization: Basic {token}"],
        ["Authorization: {token}"],
        ["Authorization: Bearer"],
        ["Authorization: Bearer \udcff\udcfe"],
        ["Authorization: Bearer wrong", "Authorization: Bearer {token}"],
        ["Cookie: token={token}"],
        ["Sec-WebSocket-Protocol: {token}"],
        ["X-Token: {token}"],
    ],
)
def test_the_token_is_taken_where_it_belongs_and_nowhere_else(
    engine: RunningEngine, lines: list[str]
) -> None:
    head = ["GET /api/v1/status?token={token} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]
    sent = "\r\n".join(head).format(token=engine.token).encode("utf-8", "surrogateescape")
    answer = raw(engine, sent, another_address())
    assert status_of(answer) in (400, 401)
    assert engine.token.encode() not in answer


def test_a_code_is_good_for_the_token_once(start_engine: StartEngine) -> None:
    engine = start_engine()
    assert ask(engine, "/api/v1/codes", "POST", token=None)[0] == 401
    code = json.loads(ask(engine, "/api/v1/codes", "POST")[2])["code"]
    status, headers, body = ask(engine, "/api/v1/codes/redeem", "POST", token=code)
    assert (status, json.loads(body)) == (200, {"token": engine.token})
    assert headers["cache-control"] == "no-store"
    for wrong in (code, None):
        status, _, body = ask(engine, "/api/v1/codes/redeem", "POST", token=wrong)
        assert (status, error_id(body)) == (403, "auth.code")
    assert code not in engine.log()
