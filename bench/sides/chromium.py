"""A page in Chromium, driven by the one command of its DevTools protocol that costs nothing.

Playwright listens to the network too: Chromium then hands it every WebSocket frame again, in base64, which made 64 MiB
there and back take three times as long.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import shutil
import tempfile
from typing import Any

import aiohttp

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--remote-debugging-port=0",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
LISTENING = re.compile(rb"DevTools listening on ws://([^/]+)/")


class Chromium:
    """A browser with one page; use it as a context manager."""

    async def __aenter__(self) -> Chromium:
        path = next((found for name in NAMES if (found := shutil.which(name))), None)
        if path is None:
            raise FileNotFoundError("Chromium is not installed")
        self._profile = tempfile.TemporaryDirectory(prefix="imjoy-bench-", ignore_cleanup_errors=True)
        self._process = await asyncio.create_subprocess_exec(
            path,
            *FLAGS,
            f"--user-data-dir={self._profile.name}",
            "about:blank",
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        address = None
        while address is None and (line := await self._process.stderr.readline()):
            address = LISTENING.search(line)
        if address is None:
            raise ConnectionError("Chromium ended")
        self._session = aiohttp.ClientSession()
        async with self._session.put(f"http://{address[1].decode()}/json/new?about:blank") as answer:
            page = await answer.json(content_type=None)
        self._socket = await self._session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0)
        self._numbers = itertools.count(1)
        return self

    async def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            answer: dict[str, Any] = await self._socket.receive_json()
            if answer.get("id") == number:
                return answer

    async def go(self, url: str) -> None:
        """Go to ``url`` and wait until its document has loaded."""
        await self._ask("Page.enable")
        await self._ask("Page.navigate", url=url)
        while (await self._socket.receive_json()).get("method") != "Page.loadEventFired":
            pass
        await self._ask("Page.disable")

    async def run(self, expression: str) -> Any:
        """Return the value of an expression, awaited when it is a promise. Raises RuntimeError for what it throws."""
        answer = await self._ask(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        result = answer.get("result", {})
        if "exceptionDetails" in result or "error" in answer:
            raise RuntimeError(json.dumps(result.get("exceptionDetails") or answer)[:500])
        return result["result"].get("value")

    async def call(self, function: str, *arguments: Any) -> Any:
        """Return what a function of JavaScript returns for ``arguments``, which travel as JSON."""
        return await self.run(f"({function})(...{json.dumps(arguments)})")

    async def __aexit__(self, *error: object) -> None:
        await self._session.close()
        self._process.terminate()
        await self._process.wait()
        self._profile.cleanup()
