"""The app's workspaces over HTTP: listed, made, renamed, deleted, and the documents that the page keeps of each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from imjoy.model.errors import ImJoyError
from imjoy_engine.web.bodies import read_object
from imjoy_engine.web.context import CONTEXT

if TYPE_CHECKING:
    from imjoy_engine.workspace.named_workspaces import NamedWorkspaces


def _workspaces(request: web.Request) -> NamedWorkspaces:
    from imjoy_engine.workspace.named_workspaces import (
        NamedWorkspaces,  # the page asks, not whoever starts an engine
    )

    settings = request.app[CONTEXT].settings
    return NamedWorkspaces(settings.layout.named_workspaces, settings.workspace)


def _name(request: web.Request) -> str:
    return request.match_info["workspace"]


async def list_workspaces(request: web.Request) -> web.Response:
    """List the workspaces' names."""
    return web.json_response({"workspaces": list(await asyncio.to_thread(_workspaces(request).names))})


async def create_workspace(request: web.Request) -> web.Response:
    """Make a workspace."""
    await asyncio.to_thread(_workspaces(request).create, _name(request))
    return web.json_response({"name": _name(request)}, status=201)


async def show_workspace(request: web.Request) -> web.Response:
    """List what is kept of a workspace."""
    entries = await asyncio.to_thread(_workspaces(request).entries, _name(request))
    return web.json_response({"entries": [{"key": entry.key, "size": entry.size} for entry in entries]})


async def delete_workspace(request: web.Request) -> web.Response:
    """Forget a workspace; the files of its plugins stay."""
    await asyncio.to_thread(_workspaces(request).delete, _name(request))
    return web.Response(status=204)


async def rename_workspace(request: web.Request) -> web.Response:
    """Give a workspace another name."""
    new = (await read_object(request)).get("name")
    if not isinstance(new, str):
        raise ImJoyError("request.invalid", "The new name has to be text.")
    await asyncio.to_thread(_workspaces(request).rename, _name(request), new)
    return web.Response(status=204)


async def get_document(request: web.Request) -> web.Response:
    """Hand back one document."""
    content = await asyncio.to_thread(_workspaces(request).read, _name(request), request.match_info["key"])
    return web.Response(body=content, content_type="application/octet-stream")


async def put_document(request: web.Request) -> web.Response:
    """Keep one document."""
    content = await request.read()
    key = request.match_info["key"]
    await asyncio.to_thread(_workspaces(request).keep, _name(request), key, content)
    return web.Response(status=204)


async def forget_document(request: web.Request) -> web.Response:
    """Remove one document."""
    await asyncio.to_thread(_workspaces(request).forget, _name(request), request.match_info["key"])
    return web.Response(status=204)
