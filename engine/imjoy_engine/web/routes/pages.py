"""The pages: the app or the page that says how to connect, what they are made of, and the engine plugin for others."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
import mimetypes
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from aiohttp import hdrs, web

from imjoy import __version__
from imjoy_engine.settings import Settings
from imjoy_engine.web.file_response import FileResponse
from imjoy_engine.web.reverse_proxy import TrustedProxies

STATIC = Path(__file__).resolve().parents[2] / "webapp" / "static"
EXAMPLES = STATIC.parent / "examples"
PLUGIN_FILE = "imjoy-engine.imjoy.html"
ENGINE_FRAME = "engine-frame.html"
MAX_MODULE_BYTES = 64 * 1024
MAX_MODULES = 200

# Windows lets any program change what a suffix means, and a module of the wrong type is not run.
CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}

_EVERY_PAGE = {
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_CLOSED = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "

_CONNECT_POLICY = _CLOSED + "script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'"

# imjoy-core compiles its schemas with `new Function`. A plugin may be loaded from any url, and may show any page in a
# window of its own; everything else stays on this machine.
_APP_POLICY = (
    _CLOSED + "script-src 'self' 'unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; font-src 'self'; connect-src 'self' https: http: wss: ws:; "
    "frame-src 'self' https: http:"
)

# imjoy-core asks for `allow-same-origin`, and a plugin would then read the token from the app's storage. This header
# wins over what the frame's attribute allows, so that a plugin gets an origin of its own, which the engine refuses.
_FRAME_POLICY = (
    "sandbox allow-scripts allow-forms allow-downloads allow-modals allow-popups allow-popups-to-escape-sandbox "
    "allow-pointer-lock; default-src 'none'; base-uri 'none'; frame-ancestors 'self'; "
    "script-src 'unsafe-inline' 'unsafe-eval' data: blob: https: http:; "
    "style-src 'unsafe-inline' data: blob: https: http:; img-src * data: blob:; media-src * data: blob:; "
    "font-src * data:; connect-src * data: blob:; worker-src data: blob:; frame-src * data: blob:"
)

# HTML that a plugin returned: it may be a page of scripts, such as a plot, and fetches nothing. No policy of its own
# forbids a page to lead its frame to another one, but that of the page around it does: so it is in a frame of a frame.
_HTML_POLICY = (
    "sandbox allow-scripts; default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "frame-src 'none'; "
    "script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; media-src data: blob:; "
    "font-src data:"
)

# A policy says nothing of WebRTC, nor of the host that a browser connects to ahead of a request. This forbids both, in
# browsers that know it.
_HTML_HEADERS = {"Connection-Allowlist": "()", "X-DNS-Prefetch-Control": "off"}

# It is told the url of an engine, which may be another one.
_ENGINE_FRAME_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; connect-src 'self' https: http: wss: ws:"
)

# A plugin file is for an app to read. Opened by itself it is a page of ours, and must not run.
_SOURCE_POLICY = "sandbox; " + _CLOSED

_OTHER_APP_POLICY = "frame-ancestors 'self'"

# At the beginning of a line: one that is imported in the middle of a function is not needed at once.
_IMPORTED = re.compile(r"""^(?:import|export|\}) ?[^"';]*?"(\.{1,2}/[^"]+)";$""", re.MULTILINE)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_page_routes(
    app: web.Application, settings: Settings, proxies: TrustedProxies | None = None, embedders: str = "'self'"
) -> None:
    """Add the routes of the pages, also under the path at which a proxy shows us.

    ``embedders`` are the pages that may show the engine plugin's frame, in the words of a policy.

    Call it after the API's routes: ``--app-dir`` answers whatever they leave.

    None of these answers needs a token or holds a secret.
    """
    libraries = settings.layout.webapp
    known = proxies or TrustedProxies()
    modules: dict[str, tuple[str, bytes]] = {}

    async def show_engine_plugin(request: web.Request) -> web.StreamResponse:
        """Answer with the engine plugin for other apps; fetches its two libraries where ``--serve`` has not yet."""
        frame = f"{known.url(request)}/{ENGINE_FRAME}"
        source = await asyncio.to_thread(engine_plugin_source, libraries, frame)
        headers = {**_EVERY_PAGE, "Content-Security-Policy": _SOURCE_POLICY, "Cache-Control": "no-cache"}
        return web.Response(text=source, content_type="text/html", headers=headers)

    async def show_app(request: web.Request) -> web.StreamResponse:
        """Answer with the app, which is told where its modules are: inline, the only place where browsers look."""
        source, imports = await asyncio.to_thread(app_source)
        policy = _APP_POLICY.replace("script-src 'self'", f"script-src 'self' 'sha256-{imports}'")
        headers = {**_EVERY_PAGE, "Content-Security-Policy": policy, "Cache-Control": "no-cache"}
        return web.Response(text=source, content_type="text/html", headers=headers)

    async def show_frame(request: web.Request) -> web.StreamResponse:
        """Answer with the frame that web plugins run in; what it needs is inside it, for it may ask us nothing."""
        source = await asyncio.to_thread(frame_source, libraries)
        headers = {**_EVERY_PAGE, "Content-Security-Policy": _FRAME_POLICY, "Cache-Control": "no-cache"}
        return web.Response(text=source, content_type="text/html", headers=headers)

    async def list_examples(request: web.Request) -> web.StreamResponse:
        """Answer with the names of the files of the plugins that come with us."""
        names = await asyncio.to_thread(lambda: sorted(path.name for path in EXAMPLES.glob("*.imjoy.html")))
        return web.json_response(names, headers={**_EVERY_PAGE, "Content-Security-Policy": _CLOSED})

    async def show_engine_frame(request: web.Request) -> web.StreamResponse:
        """Answer with the frame in which the engine plugin runs; no other code than what is in it can."""
        source, script = await asyncio.to_thread(engine_frame_source, libraries)
        policy = f"{_ENGINE_FRAME_POLICY}; script-src 'sha256-{script}'; frame-ancestors {embedders}"
        headers = {**_EVERY_PAGE, "Content-Security-Policy": policy, "Cache-Control": "no-cache"}
        return web.Response(text=source, content_type="text/html", headers=headers)

    async def show_library(request: web.Request) -> web.StreamResponse:
        from imjoy_engine.webapp.fetch import (
            library_files,  # as below: not at start-up, of which it would be 5 ms
        )

        path = library_files(libraries).get(request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound
        return _file(path, _CLOSED)

    async def show_static(request: web.Request) -> web.StreamResponse:
        return _module(request, modules)

    for prefix in dict.fromkeys((known.base_path, "")):
        get = functools.partial(_add, app, prefix)
        get(f"/{PLUGIN_FILE}", show_engine_plugin)
        get(f"/{ENGINE_FRAME}", show_engine_frame)
        if prefix:
            # What a page names is beside it: without the last slash that would be one folder up.
            app.router.add_get(prefix, _to_the_folder)
        if settings.app_dir is not None:
            get("/{path:.*}", _folder(settings.app_dir.resolve(), _OTHER_APP_POLICY))
            continue
        get("/static/{path:.+}", show_static)
        if not settings.serve:
            get("/", _page("connect.html", _CONNECT_POLICY))
            continue
        get("/", show_app)
        get("/frame.html", show_frame)
        get("/html-frame.html", _page("html-frame.html", _HTML_POLICY, _HTML_HEADERS))
        get("/examples/", list_examples)
        get("/examples/{path:.+}", _folder(EXAMPLES, _SOURCE_POLICY))
        get("/lib/{name}", show_library)


def _add(app: web.Application, prefix: str, path: str, handler: Handler) -> None:
    app.router.add_get(prefix + path, handler)


async def _to_the_folder(request: web.Request) -> web.StreamResponse:
    # Relative to where the browser is, whatever name that has for us.
    raise web.HTTPPermanentRedirect(f"{request.path.rpartition('/')[2]}/")


def _page(name: str, policy: str, headers: Mapping[str, str] | None = None) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        response = _file(STATIC / name, policy)
        response.headers.update(headers or {})
        return response

    return show


def _folder(folder: Path, policy: str) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        path = _inside(folder, request.match_info["path"])
        return _file(path / "index.html" if path.is_dir() else path, policy)

    return show


def engine_plugin_source(root: Path, frame: str = "") -> str:
    """Return ``imjoy-engine.imjoy.html`` with everything it needs inside it; ``root`` is where packages are kept.

    ``frame`` is the url of the frame that it is to run in; an app that knows no such frames runs it in one of its own.

    Raises:
        ImJoyError: ``webapp.*``, when its libraries are not there and cannot be fetched.
    """
    source = _with_scripts(PLUGIN_FILE, _engine_plugin_scripts(root, _shielded))
    source = source.replace('"base_frame": ""', f'"base_frame": {json.dumps(frame)}', 1)
    return source.replace('"version": ""', f'"version": "{__version__}"', 1)


def engine_frame_source(root: Path) -> tuple[str, str]:
    """Return ``engine-frame.html`` with everything it needs inside it, and its script's SHA-256 as policies name it."""
    scripts = [*_engine_plugin_scripts(root, _without_eval), (STATIC / "engine-frame.js").read_text("utf-8")]
    source = _with_scripts(ENGINE_FRAME, scripts)
    script = source.partition("<script>")[2].partition("</script>")[0]
    return source, _policy_hash(script)


def _engine_plugin_scripts(root: Path, wrap: Callable[[str], str]) -> list[str]:
    from imjoy_engine.webapp.bundle import bundle
    from imjoy_engine.webapp.fetch import ensure_webapp, library_files

    ensure_webapp(root, lambda text, done, total: None, environ=os.environ)
    fetched = library_files(root)
    libraries = [wrap(fetched[name].read_text("utf-8")) for name in ("imjoy-rpc.min.js", "msgpack.min.js")]
    engine = bundle(STATIC / "engine" / "index.js", "ImJoyEngine")
    return [*libraries, engine, (STATIC / "other-app.js").read_text("utf-8")]


@functools.cache
def app_source() -> tuple[str, str]:
    """Return ``app.html`` with the places of its modules, and their SHA-256 as policies name it."""
    from imjoy_engine.webapp.fetch import import_map

    source = (STATIC / "app.html").read_text("utf-8").replace("/* IMPORTS */", json.dumps(import_map()))
    # A browser learns of a module from the one that imports it: named here, it asks for all of them at once.
    links = [f'<link rel="modulepreload" href="static/{name}" />' for name in app_modules()]
    source = source.replace("<!-- MODULES -->", "\n    ".join(links))
    return source, _policy_hash(source.partition('<script type="importmap">')[2].partition("</script>")[0])


def app_modules() -> list[str]:
    """Return the modules that the app's first one imports, and those that they import, relative to ``STATIC``."""
    first = STATIC / "app" / "main.js"
    found = [first]
    for module in found:
        for name in _IMPORTED.findall(module.read_text("utf-8")):
            path = (module.parent / name).resolve()
            found += [] if path in found else [path]
    return [each.relative_to(STATIC).as_posix() for each in found[1:]]


def _policy_hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def frame_source(root: Path) -> str:
    """Return ``frame.html`` with its scripts inside it; ``root`` is where packages are kept."""
    from imjoy_engine.webapp.fetch import library_files

    library = library_files(root)["imjoy-rpc.min.js"].read_text("utf-8")
    return _with_scripts("frame.html", [library, (STATIC / "frame.js").read_text("utf-8")])


def _with_scripts(template: str, scripts: list[str]) -> str:
    # `</script` would end the block that they stand in.
    text = "\n".join(scripts).replace("</script", "<\\/script")
    return (STATIC / template).read_text("utf-8").replace("/* SCRIPTS */", text)


def _shielded(library: str) -> str:
    # A plugin's code is evaluated inside a function; a library takes `this` there for the global object.
    return f"(function (exports, module, define) {{\n{library}\n}}).call(globalThis);"


def _without_eval(library: str) -> str:
    # imjoy-rpc finds typed arrays by `eval` of their names. The frame's policy lets nothing be evaluated.
    by_name = "(name) => globalThis[name]"
    return f"(function (eval) {{\n{library}\n}}).call(globalThis, {by_name});"


def _inside(folder: Path, relative: str) -> Path:
    """Return the path of ``relative`` in ``folder``; raises 404 for whatever is not there or not inside."""
    if "\0" in relative or "\\" in relative:
        raise web.HTTPNotFound
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder) or not path.exists():
        raise web.HTTPNotFound
    return path


def _module(request: web.Request, kept: dict[str, tuple[str, bytes]]) -> web.StreamResponse:
    """Answer with one of our own small files, of which the app has seventy: at a third of the CPU that ``_file`` takes.

    That opens, looks and closes in threads, and has the system send the file by itself. Here nobody asks the disk again
    for a file in ``kept`` (its tag and its content): where that does not answer, nothing else would go on.
    """
    name = request.match_info["path"]
    if name not in kept or hdrs.RANGE in request.headers:
        path = _inside(STATIC, name)
        if not path.is_file():
            raise web.HTTPNotFound
        found = path.stat()
        if found.st_size > MAX_MODULE_BYTES or hdrs.RANGE in request.headers:
            return _file(path, _CLOSED)
        name = path.relative_to(STATIC).as_posix()
        tag, content = f"{found.st_mtime_ns:x}-{found.st_size:x}", path.read_bytes()
        # There are fewer files, but where `A` is `a` one has many names.
        if len(kept) < MAX_MODULES:
            kept[name] = (tag, content)
    else:
        tag, content = kept[name]
    headers = _headers(STATIC / name, _CLOSED)
    if any(each.value in (tag, "*") for each in request.if_none_match or ()):
        answer = web.Response(status=304, headers=headers)
    else:
        answer = web.Response(body=content, headers=headers)
    answer.etag = tag
    return answer


def _file(path: Path, policy: str) -> web.StreamResponse:
    if not path.is_file():
        raise web.HTTPNotFound
    return FileResponse(path, headers=_headers(path, policy))


def _headers(path: Path, policy: str) -> dict[str, str]:
    content_type = CONTENT_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
    content_type = content_type or "application/octet-stream"
    if content_type.startswith("text/"):
        content_type += "; charset=utf-8"
    return {
        **_EVERY_PAGE,
        "Content-Security-Policy": policy,
        "Content-Type": content_type,
        "Cache-Control": "no-cache",
    }
