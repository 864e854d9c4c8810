"""The pages: what is served, with which headers, and what is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from imjoy.model.layout import Layout
from imjoy_engine.auth import Gate
from imjoy_engine.settings import Settings
from imjoy_engine.web.routes import pages
from imjoy_engine.web.routes.pages import add_page_routes, engine_plugin_source
from imjoy_engine.webapp.fetch import pinned_packages

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A workspace whose fetched packages are stand-ins of the right names."""
    layout = Layout(tmp_path / "prefix", tmp_path / "workspace")
    for package in pinned_packages():
        for file in package.files:
            path = package.folder(layout.webapp) / file.path
            path.parent.mkdir(parents=True)
            path.write_text(f"/* {file.name} has </script> in it */", "utf-8")
    return layout


def ask(settings: Settings, asking: Callable[[Client], Awaitable[None]], embedders: str = "'self'") -> None:
    async def run() -> None:
        app = web.Application()
        add_page_routes(app, settings, embedders=embedders)
        async with TestClient(TestServer(app)) as client:
            await asking(client)

    asyncio.run(run())


async def raw(client: Client, path: str) -> int:
    """Return the status for ``path`` sent as it is, dots and all."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    await reader.read()
    writer.close()
    await writer.wait_closed()
    return status


PAGES = [
    "/",
    "/static/app/main.js",
    "/static/style.css",
    "/lib/imjoy-core.min.js",
    "/frame.html",
    "/html-frame.html",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_carries_its_policies(layout: Layout, path: str) -> None:
    async def asking(client: Client) -> None:
        response = await client.get(path)
        assert response.status == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "frame-ancestors" in response.headers["Content-Security-Policy"]

    ask(Settings(layout, serve=True), asking)


def test_the_app_says_where_its_modules_are_and_its_policy_knows_what_it_says(layout: Layout) -> None:
    async def asking(client: Client) -> None:
        response = await client.get("/")
        page = await response.text()
        said = page.partition('<script type="importmap">')[2].partition("</script>")[0]
        digest = base64.b64encode(hashlib.sha256(said.encode()).digest()).decode()
        assert (
            f"script-src 'self' 'sha256-{digest}' 'unsafe-eval'"
            in response.headers["Content-Security-Policy"]
        )
        for place in json.loads(said)["imports"].values():
            assert (await client.get(place.removeprefix("."))).content_type == "text/javascript"

    ask(Settings(layout, serve=True), asking)


def test_the_app_asks_for_the_largest_scripts_first_and_for_all_its_modules_at_once(layout: Layout) -> None:
    async def asking(client: Client) -> None:
        page = await (await client.get("/")).text()
        modules = re.findall('rel="modulepreload" href="([^"]+)"', page)
        assert len(modules) > 50
        # To Chromium a deferred script is of low priority, to be fetched when all modules are there.
        scripts = re.findall("<script ([^>]+) src=", page)
        assert scripts
        assert all('fetchpriority="high"' in each for each in scripts)
        assert page.index("imjoy-core.min.js") < page.index("modulepreload") < page.index("main.js")

    ask(Settings(layout, serve=True), asking)


def test_a_small_file_is_asked_for_again_only_when_it_has_changed(layout: Layout) -> None:
    async def asking(client: Client) -> None:
        first = await client.get("/static/app/main.js")
        tag = first.headers["ETag"]
        assert tag.startswith('"')
        again = await client.get("/static/app/main.js", headers={"If-None-Match": tag})
        assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == "no-cache"
        changed = await client.get("/static/app/main.js", headers={"If-None-Match": '"another"'})
        assert (changed.status, await changed.read()) == (200, await first.read())

    ask(Settings(layout, serve=True), asking)


def test_a_small_file_is_read_once(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = tmp_path / "static"
    (disk / "app").mkdir(parents=True)
    (disk / "app" / "main.js").write_text("first")
    monkeypatch.setattr(pages, "STATIC", disk)

    async def asking(client: Client) -> None:
        for path in ("/static/app/main.js", "/static/app//main.js"):
            first = await client.get(path)
            assert (first.status, await first.text()) == (200, "first")
        # A disk that does not answer would stop everything else.
        disk.rename(tmp_path / "away")
        again = await client.get("/static/app/main.js")
        assert (again.status, await again.text(), again.headers["ETag"]) == (
            200,
            "first",
            first.headers["ETag"],
        )
        assert again.headers["Content-Type"] == first.headers["Content-Type"]
        # What is kept is kept once, whatever names a file is asked for by.
        assert (await client.get("/static/app//main.js")).status == 404

    ask(Settings(layout, serve=True), asking)


def test_no_more_small_files_are_kept_than_there_are(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "STATIC", tmp_path)
    monkeypatch.setattr(pages, "MAX_MODULES", 1)
    for name in ("one.js", "two.js"):
        (tmp_path / name).write_text("first")

    async def asking(client: Client) -> None:
        for content in ("first", "second"):
            found = [await (await client.get(f"/static/{name}.js")).text() for name in ("one", "two")]
            assert found == ["first", content]
            (tmp_path / "two.js").write_text("second")

    ask(Settings(layout, serve=True), asking)


def test_a_part_of_a_small_file_can_be_had(layout: Layout) -> None:
    async def asking(client: Client) -> None:
        whole = await (await client.get("/static/app/main.js")).read()
        part = await client.get("/static/app/main.js", headers={"Range": "bytes=1-4"})
        assert (part.status, await part.read()) == (206, whole[1:5])
        head = await client.head("/static/app/main.js")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(whole)))

    ask(Settings(layout, serve=True), asking)


def test_the_frame_of_web_plugins_has_an_origin_of_its_own_and_asks_for_nothing(layout: Layout) -> None:
    async def asking(client: Client) -> None:
        response = await client.get("/frame.html")
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("sandbox ")
        assert "allow-same-origin" not in policy
        text = await response.text()
        assert "src=" not in text
        assert text.count("</script") == 1

    ask(Settings(layout, serve=True), asking)


def test_what_shows_a_plugin_s_html_lets_it_go_nowhere(layout: Layout) -> None:
    async def asking(client: Client) -> None:
        response = await client.get("/html-frame.html")
        policy = response.headers["Content-Security-Policy"]
        assert "frame-src 'none'" in policy
        assert "sandbox allow-scripts;" in policy
        assert response.headers["Connection-Allowlist"] == "()"
        assert response.headers["X-DNS-Prefetch-Control"] == "off"

    ask(Settings(layout, serve=True), asking)


def test_without_serve_the_page_says_how_to_connect_and_needs_no_package(tmp_path: Path) -> None:
    async def asking(client: Client) -> None:
        response = await client.get("/")
        assert "imjoy start --serve" in await response.text()
        assert "unsafe-eval" not in response.headers["Content-Security-Policy"]
        assert (await client.get("/lib/imjoy-core.min.js")).status == 404

    ask(Settings(Layout(tmp_path, tmp_path)), asking)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../pages.py",
        "/static/%2e%2e/pages.py",
        "/static/..%2fpages.py",
        "/static//etc/passwd",
        "/static/%00",
    ],
)
def test_no_path_climbs_out_of_the_static_folder(layout: Layout, path: str) -> None:
    async def asking(client: Client) -> None:
        assert await raw(client, path) in (400, 404)

    ask(Settings(layout, serve=True), asking)


def test_another_app_is_served_with_the_right_types_and_nothing_beside_it(
    layout: Layout, tmp_path: Path
) -> None:
    folder = tmp_path / "build"
    (folder / "js").mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Another app</h1>")
    for name in ("a.mjs", "b.wasm", "c.json", "d.svg"):
        (folder / "js" / name).write_text("")
    (tmp_path / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")

    async def asking(client: Client) -> None:
        assert "Another app" in await (await client.get("/")).text()
        types = {"a.mjs": "text/javascript", "b.wasm": "application/wasm", "c.json": "application/json"}
        for name, content_type in types.items():
            response = await client.get(f"/js/{name}")
            assert response.headers["Content-Type"].split(";")[0] == content_type
        for path in (
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/js/..%2f..%2fsecret.txt",
            "/link.txt",
            "/no.txt",
        ):
            assert await raw(client, path) in (400, 404)

    ask(Settings(layout, app_dir=folder), asking)


def test_the_engine_plugin_has_everything_inside_it(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imjoy_engine.webapp.fetch.ensure_webapp", lambda *args, **options: None)
    source = engine_plugin_source(layout.webapp)
    assert "imjoy-rpc.min.js has" in source
    assert "msgpack.min.js has" in source
    assert "makeEngine" in source
    assert source.count("</script>") == 1
    # No address of elsewhere; the scheme alone is what an engine's url gets that has none.
    assert "http://" not in source.replace("http://127.0.0.1", "").replace("http://${url}", "")


def test_the_frame_of_the_engine_plugin_is_for_pages_that_may_connect_and_runs_its_own_script_alone(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imjoy_engine.webapp.fetch.ensure_webapp", lambda *args, **options: None)
    gate = Gate(
        "a-token-of-this-test", "127.0.0.1", (), ["https://lab.example", "http://127.0.0.1:9000", "null"]
    )

    async def asking(client: Client) -> None:
        response = await client.get("/engine-frame.html")
        policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
        assert policy["frame-ancestors"].split() == [
            "'self'",
            "https://imjoy.io",
            "https://*.imjoy.io",
            "http://127.0.0.1:9000",
            "https://lab.example",
        ]
        text = await response.text()
        (script,) = re.findall("<script>(.*?)</script>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert policy["script-src"] == f"'sha256-{digest}'"
        assert policy["default-src"] == "'none'"
        assert "imjoy-rpc.min.js has" in script

    ask(Settings(layout), asking, gate.embedders)


def test_the_engine_plugin_runs_in_the_frame_of_the_engine_that_was_asked_for_it(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imjoy_engine.webapp.fetch.ensure_webapp", lambda *args, **options: None)

    async def asking(client: Client) -> None:
        source = await (await client.get("/imjoy-engine.imjoy.html")).text()
        config = json.loads(source.partition('<config lang="json">')[2].partition("</config>")[0])
        assert config["base_frame"] == f"http://127.0.0.1:{client.port}/engine-frame.html"

    ask(Settings(layout), asking)


def test_an_unknown_library_is_not_found(layout: Layout) -> None:
    async def asking(client: Client) -> None:
        response: aiohttp.ClientResponse = await client.get("/lib/left-pad.js")
        assert response.status == 404

    ask(Settings(layout, serve=True), asking)
