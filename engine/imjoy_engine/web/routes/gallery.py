"""The list of public plugins over HTTP: shown, chosen, and the file of a plugin on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict
from threading import Thread
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from imjoy.model.errors import ImJoyError
from imjoy_engine.web.bodies import read_object
from imjoy_engine.web.context import CONTEXT

if TYPE_CHECKING:
    from imjoy_engine.workspace.gallery import Gallery

T = TypeVar("T")


def _gallery(request: web.Request) -> Gallery:
    from imjoy_engine.workspace.gallery import Gallery  # few sessions look at it

    return Gallery(request.app[CONTEXT].settings.layout.gallery_file)


async def show_gallery(request: web.Request) -> web.Response:
    """Ask for the list of public plugins, and answer with it or with the last one."""
    return web.json_response(asdict(await _apart(_gallery(request).listed)))


async def choose_gallery(request: web.Request) -> web.Response:
    """Have the list come from another url."""
    url = (await read_object(request)).get("url")
    if not isinstance(url, str):
        raise ImJoyError("gallery.url", "The request names no url.")
    await asyncio.to_thread(_gallery(request).choose, url)
    return web.Response(status=204)


async def show_source(request: web.Request) -> web.Response:
    """Hand out the file of a plugin of the list."""
    content = await _apart(lambda: _gallery(request).source(request.query.get("uri", "")))
    return web.Response(body=content, content_type="application/octet-stream")


async def _apart(work: Callable[[], T]) -> T:
    """Return what ``work`` returns, in a thread of its own: it may wait long, and the shared ones are for files."""
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()  # who asked may go: it ends all the same

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # it is raised where it is awaited
            done.set_exception(error)

    Thread(target=run, daemon=True, name="gallery").start()
    return await asyncio.wrap_future(done)
