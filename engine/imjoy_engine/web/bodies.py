"""The bodies of requests, read in pieces: to join many megabytes takes longer than anybody should wait for the loop."""

from __future__ import annotations

import json

from aiohttp import web

from imjoy.model.errors import ImJoyError

MAX_BODY_BYTES = 64 << 20  # of a plugin's source; uploads are streamed
MAX_OBJECT_BYTES = 64 << 10
"""Of any other document: what names a file, for how long. Reading that much JSON takes a millisecond."""


async def read_pieces(request: web.Request, limit: int) -> list[bytes]:
    """Return the request's body as it came. Raises HTTPRequestEntityTooLarge when it has more than ``limit`` bytes."""
    pieces = []
    size = 0
    async for piece in request.content.iter_any():
        size += len(piece)
        if size > limit:
            raise web.HTTPRequestEntityTooLarge(limit, size)
        pieces.append(piece)
    return pieces


async def read_object(request: web.Request) -> dict[str, object]:
    """Return the JSON object that the body is, of at most ``MAX_OBJECT_BYTES``.

    Raises ImJoyError ``files.request`` when it is none, and as :func:`read_pieces` does.
    """
    body = b"".join(await read_pieces(request, MAX_OBJECT_BYTES))
    try:
        loaded = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ImJoyError("files.request", "The request's body is not JSON.", why=str(error)) from error
    if not isinstance(loaded, dict):
        raise ImJoyError("files.request", "The request's body is not a JSON object.")
    return loaded
