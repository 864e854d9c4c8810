"""The list of public plugins over HTTP: shown, chosen, and the file of a plugin on it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from aiohttp import web

from imjoy.model.errors import ImJoyError

from ..gallery import Gallery
from .bodies import read_object
from .context import CONTEXT


def _gallery(request: web.Request) -> Gallery:
    return Gallery(request.app[CONTEXT].settings.layout.gallery_file)


async def show_gallery(request: web.Request) -> web.Response:
    """Ask for the list of public plugins, and answer with it or with the last one."""
    return web.json_response(asdict(await asyncio.to_thread(_gallery(request).listed)))


async def choose_gallery(request: web.Request) -> web.Response:
    """Have the list come from another url."""
    url = (await read_object(request)).get("url")
    if not isinstance(url, str):
        raise ImJoyError("gallery.url", "The request names no url.")
    await asyncio.to_thread(_gallery(request).choose, url)
    return web.Response(status=204)


async def show_source(request: web.Request) -> web.Response:
    """Hand out the file of a plugin of the list."""
    content = await asyncio.to_thread(_gallery(request).source, request.query.get("uri", ""))
    return web.Response(body=content, content_type="application/octet-stream")
