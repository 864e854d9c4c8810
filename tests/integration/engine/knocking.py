"""Requests to a running engine, well-formed or not."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import psutil

from .conftest import RunningEngine

SECONDS = 20
MIB = 1 << 20


def ask(
    engine: RunningEngine,
    path: str = "/api/v1/status",
    method: str = "GET",
    token: str | None = "right",
    body: bytes | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """Send one request; ``token`` is sent as it is, "right" stands for the engine's."""
    parts = urlsplit(engine.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = f"Bearer {engine.token if token == 'right' else token}"
    connection.request(method, path, body, sent)
    answer = connection.getresponse()
    result = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


def error_id(body: bytes) -> str:
    return str(json.loads(body)["error"]["id"])


ADDRESSES = itertools.count(2)


def another_address() -> str:
    """Return an address to knock from that has not failed before, where loopback has more than one."""
    number = next(ADDRESSES)
    return f"127.1.{number >> 8}.{number & 255}" if sys.platform == "linux" else "127.0.0.1"


def raw(engine: RunningEngine, sent: bytes, source: str = "127.0.0.1") -> bytes:
    """Send bytes as they are, then read until the engine closes or has answered."""
    address = ("127.0.0.1", urlsplit(engine.url).port or 0)
    with socket.create_connection(address, SECONDS, source_address=(source, 0)) as connection:
        with contextlib.suppress(ConnectionError):  # it may refuse before it has read all
            connection.sendall(sent)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    """Read one answer, whose length its head tells, or what comes before the connection ends."""
    read = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            read += part
            head, _, body = read.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length and len(body) >= int(length[1]):
                break
    return read


def request(
    engine: RunningEngine, *lines: str, path: str = "/api/v1/status", host: str | None = None
) -> bytes:
    """Return a GET of ``path`` with the token and ``lines`` as further headers."""
    host = urlsplit(engine.url).netloc if host is None else host
    head = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {engine.token}", *lines]
    return "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape")


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def memory(engine: RunningEngine) -> int:
    return int(psutil.Process(engine.process.pid).memory_info().rss)


def bearer(engine: RunningEngine) -> dict[str, str]:
    return {"Authorization": f"Bearer {engine.token}"}


def rpc_url(engine: RunningEngine, plugin: dict[str, Any]) -> str:
    return engine.url.replace("http", "ws") + f"/api/v1/plugins/{plugin['id']}/rpc"


def post(engine: RunningEngine, path: str, document: object) -> tuple[int, bytes]:
    body = json.dumps(document)
    answer = raw(
        engine,
        request(engine, f"Content-Length: {len(body)}", path=path).replace(b"GET", b"POST", 1)
        + body.encode(),
    )
    return status_of(answer), answer.partition(b"\r\n\r\n")[2]
