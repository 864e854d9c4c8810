"""Files over HTTP: list, download, upload, remove, and the urls that need no token."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from imjoy.model.errors import ImJoyError
from imjoy_engine.web.bodies import read_object
from imjoy_engine.web.context import API
from imjoy_engine.web.file_response import FileResponse
from imjoy_engine.web.reverse_proxy import TrustedProxies
from imjoy_engine.workspace.files import DEFAULT_URL_SECONDS, Upload, WorkspaceFiles

DEFAULT_WORKSPACE = "default"
CHUNK_BYTES = 1 << 20
FILES: web.AppKey[WorkspaceFiles] = web.AppKey("files", WorkspaceFiles)
PROXIES: web.AppKey[TrustedProxies] = web.AppKey("proxies", TrustedProxies)
NO_PROXIES = TrustedProxies()

# A plugin's page or picture may run its scripts, but as a stranger: it must not act, or read the token, as our page.
DOWNLOAD_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts allow-forms allow-popups allow-downloads",
    "Cache-Control": "private, no-cache",
}


class FileSettings(Protocol):
    """The settings that files need: the workspace's folder, and the largest upload in bytes."""

    @property
    def workspace(self) -> Path: ...

    @property
    def max_upload(self) -> int: ...


class _PlainFile(FileResponse):
    """A file as it is; aiohttp would send NAME.gz, if there is one and the client takes gzip, in the place of NAME."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        headers = CIMultiDict(request.headers)
        headers.popall(hdrs.ACCEPT_ENCODING, None)
        return await super().prepare(request.clone(headers=headers))


def add_file_routes(
    app: web.Application,
    settings: FileSettings,
    proxies: TrustedProxies = NO_PROXIES,
) -> None:
    """Add the routes for files to ``app``, under the path of the base url as well.

    Who may use those without a signature is for the app's middleware to say.
    """
    app[FILES] = WorkspaceFiles(settings.workspace, max_upload=settings.max_upload)
    app[FILES].sweep()
    app[PROXIES] = proxies
    for prefix in dict.fromkeys(("", proxies.base_path)):
        for method, path, handler in FILE_ROUTES:
            app.router.add_route(method, prefix + path, handler)


async def list_files(request: web.Request) -> web.Response:
    """Answer with what is in a folder."""
    path, entries = await asyncio.to_thread(request.app[FILES].list, *_place(request))
    return web.json_response({"path": path, "entries": [entry.as_json() for entry in entries]})


async def put_file(request: web.Request) -> web.Response:
    """Make the body a file."""
    path, workspace = _place(request)
    return await _receive(request, path, workspace, overwrite=request.query.get("overwrite") in ("1", "true"))


async def delete_file(request: web.Request) -> web.Response:
    """Remove one file."""
    await asyncio.to_thread(request.app[FILES].remove, *_place(request))
    return web.Response(status=204)


async def sign_url(request: web.Request) -> web.Response:
    """Answer with a url that allows one method on one path for a while."""
    body = await read_object(request)
    path, workspace = body.get("path"), body.get("workspace", DEFAULT_WORKSPACE)
    method, expires = body.get("method", "GET"), body.get("expires", DEFAULT_URL_SECONDS)
    overwrite = body.get("overwrite", False)
    if not (isinstance(path, str) and isinstance(workspace, str) and isinstance(method, str)):
        raise ImJoyError("files.request", "path, workspace and method have to be text.")
    if isinstance(expires, bool) or not isinstance(expires, (int, float)) or not isinstance(overwrite, bool):
        raise ImJoyError(
            "files.request", "expires has to be a number of seconds, and overwrite true or false."
        )
    signed, grant = request.app[FILES].sign(path, workspace, method, expires=expires, overwrite=overwrite)
    base = request.app[PROXIES].url(request)
    url = f"{base}{API}/file/{signed}"
    return web.json_response({"url": url, "expires_at": grant.expires_at})


async def get_signed(request: web.Request) -> web.StreamResponse:
    """Send the file that a signed url names, or the ranges of it that are asked for."""
    files = request.app[FILES]
    grant = files.verify(request.match_info["signed"], request.method)
    file = files.file(grant.path, grant.workspace)
    disposition = f"inline; filename*=UTF-8''{quote(file.name, safe='')}"
    return _PlainFile(file, headers={**DOWNLOAD_HEADERS, hdrs.CONTENT_DISPOSITION: disposition})


async def put_signed(request: web.Request) -> web.Response:
    """Make the body the file that a signed url names."""
    grant = request.app[FILES].verify(request.match_info["signed"], request.method)
    return await _receive(request, grant.path, grant.workspace, overwrite=grant.overwrite)


async def _receive(request: web.Request, path: str, workspace: str, *, overwrite: bool) -> web.Response:
    files = request.app[FILES]
    with files.upload(path, workspace, overwrite=overwrite, size=request.content_length) as upload:
        await _copy_body(request, upload)
        new = await asyncio.to_thread(upload.finish)
    return web.json_response({"path": upload.shown, "size": upload.size}, status=201 if new else 200)


async def _copy_body(request: web.Request, upload: Upload) -> None:
    waiting = bytearray()
    async for chunk in request.content.iter_any():
        waiting += chunk
        if len(waiting) >= CHUNK_BYTES:
            await asyncio.to_thread(upload.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(upload.write, bytes(waiting))


def _place(request: web.Request) -> tuple[str, str]:
    return request.query.get("path", ""), request.query.get("workspace", DEFAULT_WORKSPACE)


# Method, path, handler.
SIGNED_ROUTES = (
    ("GET", f"{API}/file/{{signed}}", get_signed),
    ("HEAD", f"{API}/file/{{signed}}", get_signed),
    ("PUT", f"{API}/file/{{signed}}", put_signed),
)
FILE_ROUTES = (
    ("GET", f"{API}/files", list_files),
    ("PUT", f"{API}/files", put_file),
    ("DELETE", f"{API}/files", delete_file),
    ("POST", f"{API}/files/url", sign_url),
    *SIGNED_ROUTES,
)
