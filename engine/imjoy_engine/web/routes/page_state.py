"""What pages showed, over HTTP: kept, listed, handed back, forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from imjoy_engine.web.context import CONTEXT

if TYPE_CHECKING:
    from imjoy_engine.workspace.page_state import PageStates


def _pages(request: web.Request) -> PageStates:
    from imjoy_engine.workspace.page_state import PageStates  # the page asks, not whoever starts an engine

    return PageStates(request.app[CONTEXT].settings.layout.shown)


async def list_shown(request: web.Request) -> web.Response:
    """List what is kept of a page."""
    entries = await asyncio.to_thread(_pages(request).entries, request.match_info["page"])
    return web.json_response({"entries": [{"key": entry.key, "size": entry.size} for entry in entries]})


async def get_shown(request: web.Request) -> web.Response:
    """Hand back one thing."""
    content = await asyncio.to_thread(
        _pages(request).read, request.match_info["page"], request.match_info["key"]
    )
    return web.Response(body=content, content_type="application/octet-stream")


async def put_shown(request: web.Request) -> web.Response:
    """Keep one thing."""
    content = await request.read()
    await asyncio.to_thread(
        _pages(request).keep, request.match_info["page"], request.match_info["key"], content
    )
    return web.Response(status=204)


async def forget_shown(request: web.Request) -> web.Response:
    """Forget a page."""
    await asyncio.to_thread(_pages(request).forget, request.match_info["page"])
    return web.Response(status=204)
