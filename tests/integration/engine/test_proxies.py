"""An engine behind a reverse proxy: nginx and Caddy with TLS, at a path that they take away or leave."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from tests.kit.ports import free_port
from tests.kit.proxies import PATH, Proxy, start_proxy

from imjoy.effects.network.tls import http_connection
from imjoy_engine.terminal.client import EngineClient

from .conftest import RunningEngine, StartEngine, plugin_source

Play = Callable[[Any], Any]
PLUGIN = "api.export({'setup': lambda: None, 'echo': lambda value: value})"
EVENT_SECONDS = 10.0


@pytest.fixture(params=[("nginx", True), ("nginx", False), ("caddy", True), ("caddy", False)], ids=str)
def behind(
    request: pytest.FixtureRequest, start_engine: StartEngine, tmp_path: Path
) -> Iterator[tuple[RunningEngine, Proxy]]:
    """Return an engine and the proxy that shows it."""
    kind, strips = request.param
    port = free_port()
    engine = start_engine("--base-url", f"https://127.0.0.1:{port}{PATH}")
    proxy = start_proxy(kind, tmp_path / kind, port, urlsplit(engine.url).port or 0, strips=strips)
    yield engine, proxy
    proxy.stop()


def ask(
    url: str, certificate: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Send one request; return status, headers and body."""
    connection = http_connection(url, certificate, timeout=20)
    parts = urlsplit(url)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, named)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def test_everything_works_through_a_proxy(behind: tuple[RunningEngine, Proxy], play: Play) -> None:
    engine, proxy = behind
    client = EngineClient(proxy.url, engine.token, proxy.certificate)

    async def scenario() -> None:
        plugin = await client.start_plugin(source=plugin_source(PLUGIN), file="echo.imjoy.html")
        async with await client.connect(plugin["id"], {}) as connection:
            content = bytes(range(256)) * (3 << 12)
            assert bytes(await connection.call("echo", content)) == content
            begun = time.monotonic()
            async for kind, data in client.events(plugin["id"]):
                if kind == "state" and data["state"] == "ready":
                    break
            assert time.monotonic() - begun < EVENT_SECONDS, "events are not collected on the way"
        body = {"path": "a b.bin", "method": "PUT"}
        put = (await client.request("POST", "/api/v1/files/url", body))["url"]
        assert put.startswith(f"{proxy.url}/api/v1/file/")
        content = bytes(3_000_000)
        assert ask(put, proxy.certificate, "PUT", content)[0] == 201
        got = (await client.request("POST", "/api/v1/files/url", {"path": "a b.bin"}))["url"]
        assert ask(got, proxy.certificate)[2] == content

    play(scenario())


def test_pages_find_all_that_they_name_and_their_own_requests_are_let_in(
    behind: tuple[RunningEngine, Proxy], webapp_packages: Path
) -> None:
    engine, proxy = behind
    (engine.workspace / ".imjoy" / "webapp").symlink_to(webapp_packages, target_is_directory=True)
    status, headers, _ = ask(proxy.url, proxy.certificate)
    assert status in (301, 302, 308)
    assert urljoin(proxy.url, headers["Location"]) == f"{proxy.url}/"
    status, _, page = ask(f"{proxy.url}/", proxy.certificate)
    assert status == 200
    named = re.findall(r'(?:href|src)="([^":]+)"', page.decode())
    assert named
    with closing(http_connection(proxy.url, proxy.certificate, timeout=20)) as connection:
        for name in (*named, "static/app/model/storage.js"):
            connection.request("GET", urlsplit(urljoin(f"{proxy.url}/", name)).path)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, name
    site = f"https://{urlsplit(proxy.url).netloc}"
    right: dict[str, Any] = {"Authorization": f"Bearer {engine.token}"}
    address = f"{proxy.url}/api/v1/status"
    assert ask(address, proxy.certificate, Origin=site, **right)[0] == 200
    assert ask(address, proxy.certificate, Origin="https://evil.example", **right)[0] == 403
    assert ask(address, proxy.certificate, Origin=site)[0] == 401, "at the path too the token is asked for"


def sign(engine: RunningEngine, **headers: str) -> str:
    """Return the id of the error, or the signed url, that a request with ``headers`` gets straight from the engine."""
    (engine.workspace / "default").mkdir(exist_ok=True)
    (engine.workspace / "default" / "a.txt").write_text("a")
    _, _, said = ask(
        f"{engine.url}/api/v1/files/url",
        "",
        "POST",
        json.dumps({"path": "a.txt"}).encode(),
        Authorization=f"Bearer {engine.token}",
        **headers,
    )
    document = json.loads(said)
    return str(document["error"]["id"] if "error" in document else document["url"])


FORWARDED = {
    "X_Forwarded_For": "192.0.2.7",
    "X_Forwarded_Host": "lab.example.org",
    "X_Forwarded_Proto": "https",
    "X_Forwarded_Prefix": "/user/ada",
}


def test_forwarded_headers_are_believed_only_when_asked(start_engine: StartEngine) -> None:
    engine = start_engine("--allow-host", "lab.example.org")
    assert sign(engine, **FORWARDED).startswith(f"{engine.url}/api/")
    engine.stop()
    elsewhere = start_engine("--allow-host", "lab.example.org", "--trust-proxy", "192.0.2.0/24")
    assert sign(elsewhere, **FORWARDED).startswith(f"{elsewhere.url}/api/")
    elsewhere.stop()
    trusting = start_engine("--allow-host", "lab.example.org", "--trust-proxy", "127.0.0.1")
    assert sign(trusting, **FORWARDED).startswith("https://lab.example.org/user/ada/api/v1/file/")
    assert sign(trusting).startswith(f"{trusting.url}/api/"), "without a proxy all is as ever"


def test_what_a_proxy_forwards_opens_nothing_else(start_engine: StartEngine) -> None:
    engine = start_engine("--allow-host", "lab.example.org", "--trust-proxy", "127.0.0.1")
    evil = {**FORWARDED, "X_Forwarded_Host": "evil.example"}
    assert sign(engine, **evil) == "auth.host"
    assert sign(engine, **FORWARDED, Origin="https://evil.example") == "auth.origin"
    assert sign(engine, **FORWARDED, Origin="https://lab.example.org").startswith("https://lab")
    # Whoever adds a value in front of the proxy's own is not heard.
    assert sign(engine, **{**FORWARDED, "X_Forwarded_Host": "evil.example, lab.example.org"}).startswith(
        "https://lab"
    )
    for prefix in ("//evil.example", "/a/../b", "/a b", "/a?b", "javascript:x", "/a\\b"):
        assert "/api/v1/file/" in sign(engine, **{**FORWARDED, "X_Forwarded_Prefix": prefix})
        assert sign(engine, **{**FORWARDED, "X_Forwarded_Prefix": prefix}).startswith(
            "https://lab.example.org/api/"
        )
    assert sign(engine, **{**FORWARDED, "X_Forwarded_Proto": "javascript"}).startswith(
        "http://lab.example.org/"
    )


def test_wrong_tokens_are_counted_for_their_sender_not_for_the_proxy(start_engine: StartEngine) -> None:
    engine = start_engine("--trust-proxy", "127.0.0.1")
    for _ in range(3):
        status, _, _ = ask(
            f"{engine.url}/api/v1/status", "", Authorization="Bearer wrong", X_Forwarded_For="192.0.2.7"
        )
        assert status == 401
    ask(
        f"{engine.url}/api/v1/status",
        "",
        Authorization="Bearer wrong",
        X_Forwarded_For="192.0.2.7, 192.0.2.8",
    )
    log = [json.loads(line)["text"] for line in engine.log().splitlines()]
    told = [line for line in log if "wrong or missing token" in line]
    assert [line.split("from ")[1].split(";")[0] for line in told] == ["192.0.2.7"] * 3 + ["192.0.2.8"]
    assert "0.1 s" in told[-1], "the other's failures are not this one's"
