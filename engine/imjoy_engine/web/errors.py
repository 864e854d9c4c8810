"""Errors as answers: the JSON document, and the HTTP status that its id stands for."""

from __future__ import annotations

from aiohttp import web

from imjoy.model.errors import ImJoyError

_STATUS_BY_ID = {
    "auth.token": 401,
    "files.exists": 409,
    "gallery.too-large": 502,
    "gallery.unlisted": 404,
    "gallery.unreachable": 502,
    "gallery.url": 400,
    "files.expired": 410,
    "files.too-large": 413,
    "internal": 500,
    "upkeep.no-answer": 500,
    "request.encoded": 415,
    "request.method": 405,
    "request.too-large": 413,
    "workspace.busy": 409,
    "workspace.exists": 409,
    "workspace.too-many": 409,
    "workspace.unknown": 404,
}
_STATUS_BY_FAMILY = {"auth": 403, "env": 422, "files": 400, "plugin": 422, "request": 400, "upgrade": 409}
_STATUS_BY_ENDING = {"not-found": 404, "outside": 403, "signature": 403}


def error_status(id: str) -> int:
    """Return the HTTP status for an error id; 500 for a family that requests cannot cause."""
    family, _, ending = id.partition(".")
    return _STATUS_BY_ID.get(id) or _STATUS_BY_ENDING.get(ending) or _STATUS_BY_FAMILY.get(family, 500)


def error_response(error: ImJoyError) -> web.Response:
    """Return ``{"error": {id, what, why, fix, exit_code}}`` with the status that fits."""
    return web.json_response({"error": error.as_json()}, status=error_status(error.id))
