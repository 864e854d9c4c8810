"""The answer to ImJoy apps of 2018 and 2019, which come over socket.io: what to do instead, in their own dialog.

They speak Engine.IO 3 and begin by polling. Of that there is what it takes for a registration and its refusal: no
plugin runs this way, and the token that they send is neither looked at nor kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections import OrderedDict

from aiohttp import hdrs, web

from imjoy import __version__
from imjoy.model.errors import ImJoyError
from imjoy_engine.settings import Settings
from imjoy_engine.web.context import CONTEXT

log = logging.getLogger("imjoy.engine.web")

PATH = "/socket.io/"
PROTOCOL = "3"
POLL_SECONDS = 20.0
PING_MILLISECONDS = 25_000
MAX_SESSIONS = 32
MAX_BODY_BYTES = 65_536
_REGISTRATION = re.compile(r'42(?:/,)?(?P<ack>\d+)\["register_client"')
_PING = re.compile(r"(?:^|\d:)2(?:probe)?(?:\d+:|$)")
_DISCONNECT = re.compile(r"(?:^|\d:)(?:41|1)(?:\d+:|$)")


def remedy(url: str, serves_app: bool) -> str:
    """Return what a person in front of an old app is to do."""
    start = "" if serves_app else "start the engine with `imjoy start --serve`, then "
    return (
        f"this ImJoy app is older than the engine (imjoy {__version__}), which speaks another language than engines of "
        f"2019 did. Instead, {start}open {url} in this browser: that is an ImJoy app which runs the same plugins."
    )


class Sessions:
    """The old apps that are being answered: for each the packets that it has not fetched. Holds a few, for a while."""

    def __init__(self) -> None:
        self._packets: OrderedDict[str, asyncio.Queue[str]] = OrderedDict()

    def open(self) -> str:
        """Return the id of a new one."""
        session_id = secrets.token_urlsafe(15)
        self._packets[session_id] = asyncio.Queue()
        while len(self._packets) > MAX_SESSIONS:
            _, left = self._packets.popitem(last=False)
            left.put_nowait("1")
        return session_id

    def packets(self, session_id: str) -> asyncio.Queue[str]:
        """Return what waits for one. Raises ImJoyError ``request.invalid``."""
        try:
            return self._packets[session_id]
        except KeyError:
            raise ImJoyError("request.invalid", "There is no such socket.io session.") from None

    def close(self, session_id: str) -> None:
        """Forget one; whoever still waits for its packets gets the last."""
        self._packets.pop(session_id).put_nowait("6")


def add_classic_routes(app: web.Application, settings: Settings, base_path: str = "") -> None:
    """Add the one route of old apps, under ``base_path`` as well."""
    sessions = Sessions()
    serves_app = settings.serve or settings.app_dir is not None

    async def poll(request: web.Request) -> web.Response:
        """Give an old app what waits for it: its session first."""
        _check_protocol(request)
        if "sid" not in request.query:
            handshake = {
                "sid": sessions.open(),
                "upgrades": [],
                "pingInterval": PING_MILLISECONDS,
                "pingTimeout": PING_MILLISECONDS,
            }
            return _packets(request, "0" + json.dumps(handshake), "40")
        waiting = sessions.packets(request.query["sid"])
        try:
            packet = await asyncio.wait_for(waiting.get(), POLL_SECONDS)
        except asyncio.TimeoutError:
            packet = "6"
        return _packets(request, packet)

    async def take(request: web.Request) -> web.Response:
        """Take what an old app says; a registration is refused, with the remedy."""
        _check_protocol(request)
        session_id = request.query.get("sid", "")
        waiting = sessions.packets(session_id)
        body = (await _limited(request)).decode("utf-8", "replace")
        if registration := _REGISTRATION.search(body):
            advice = remedy(request.app[CONTEXT].url, serves_app)
            log.warning(
                "an ImJoy app of 2018 or 2019 (socket.io) at %s asked for this engine, and was told: %s",
                request.headers.get(hdrs.ORIGIN, "an unknown origin")[:200],
                advice,
            )
            # Said once: it would come again and again.
            answer = {"success": False, "no_retry": True, "reason": advice}
            waiting.put_nowait(f"43{registration['ack']}[{json.dumps(answer)}]")
        elif _DISCONNECT.search(body):
            sessions.close(session_id)
        elif _PING.search(body):
            waiting.put_nowait("3")
        return _answer(request, "ok", "text/html")

    for prefix in dict.fromkeys((base_path, "")):
        app.router.add_get(prefix + PATH, poll)
        app.router.add_post(prefix + PATH, take)


def _check_protocol(request: web.Request) -> None:
    if request.query.get("EIO") == PROTOCOL and request.query.get("transport") == "polling":
        return
    log.warning(
        "something speaks socket.io to this engine (from %s), which has another wire: docs/protocol.md",
        request.headers.get(hdrs.ORIGIN, "an unknown origin")[:200],
    )
    raise ImJoyError(
        "request.invalid",
        "This engine does not speak socket.io.",
        why="Only the apps of 2018 and 2019, which begin by polling with EIO=3, are told what to do instead.",
        fix="Open the engine's url in a browser, or connect to it as docs/protocol.md says.",
    )


async def _limited(request: web.Request) -> bytes:
    body = b""
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ImJoyError("request.too-large", "The request is larger than the engine reads.")
    return body


def _packets(request: web.Request, *packets: str) -> web.Response:
    return _answer(request, "".join(f"{len(packet)}:{packet}" for packet in packets), "text/plain")


def _answer(request: web.Request, text: str, content_type: str) -> web.Response:
    answer = web.Response(text=text, content_type=content_type)
    if hdrs.ORIGIN in request.headers:
        # They ask with credentials, and no browser would let them read the answer; the engine has no cookies.
        answer.headers["Access-Control-Allow-Credentials"] = "true"
    return answer
